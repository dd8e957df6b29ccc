"""Tenants, people, and what they may do: the rows. Who may do what is asked of `organizations.access`."""

from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractBaseUser, Group, PermissionsMixin
from django.db import models
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase

from crewadmin.sealing import WrappedKeyField


class UserManager(BaseUserManager["User"]):
    """Makes people; the e-mail address is the login and is compared without regard to case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Store a person. Without a password the person cannot sign in until one is set."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Store a person who may do everything in Django admin (and nothing more in an organization)."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        """Find a person by e-mail address in any case."""
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser, PermissionsMixin):  # type: ignore[django-manager-missing]  # of guardian's untyped reverse relations
    """A person. What they may do in an organization comes from their membership there, never from here."""

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    email = models.EmailField(_("e-mail address"), unique=True)
    name = models.CharField(_("name"), max_length=150, blank=True)
    is_staff = models.BooleanField(_("may open Django admin"), default=False)
    is_active = models.BooleanField(_("active"), default=True)
    date_joined = models.DateTimeField(default=timezone.now, editable=False)
    #: Part of every session's hash: one more, and the person is signed out everywhere.
    session_epoch = models.PositiveIntegerField(default=0, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        permissions = [("end_sessions", "Can sign a person out everywhere")]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def is_unclaimed(self) -> bool:
        """Whether the person was only invited: nobody ever set a password or signed in."""
        return not self.has_usable_password() and self.last_login is None

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Return what a session must carry to count; Django makes it of the password alone."""
        value = f"{self.session_epoch}:{self.password}"
        return salted_hmac("organizations.User.session", value, secret=secret, algorithm="sha256").hexdigest()


class Organization(models.Model):  # type: ignore[django-manager-missing]  # of guardian's untyped reverse relation
    """A tenant. Everything that people work with belongs to exactly one."""

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=100)
    slug = models.SlugField(_("short name"), max_length=50, unique=True)
    requires_mfa = models.BooleanField(_("require a second factor"), default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("organization")
        verbose_name_plural = _("organizations")
        default_permissions = ("view",)
        # What a role may do here, as object permissions of the role's group; levels and features: organizations.access.
        permissions = [
            ("read_secret_providers", "Read secret provider credentials"),
            ("manage_secret_providers", "Manage secret provider credentials"),
            ("read_workload_identity_configs", "Read workload identity configs"),
            ("manage_workload_identity_configs", "Manage workload identity configs"),
            ("read_environment_variables", "Read environment variables"),
            ("manage_environment_variables", "Manage environment variables"),
        ]

    def __str__(self) -> str:
        return self.name


class OrganizationGroupPermission(GroupObjectPermissionBase):  # type: ignore[misc]  # guardian is untyped
    """A permission of a role's group on an organization; vanishes with either (a direct foreign key)."""

    # Not "+": guardian finds this table by the way back, and writes to its generic one where there is none.
    content_object = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="group_permissions")


class Role(models.Model):
    """What some members of an organization may do. The levels are object permissions of the role's group."""

    class Kind(models.TextChoices):
        """Built-in or made by the organization."""

        OWNER = "owner", _("Owner")
        MEMBER = "member", _("Member")
        CUSTOM = "custom", _("Custom")

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="roles")
    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.CUSTOM)
    group = models.OneToOneField(Group, on_delete=models.PROTECT, related_name="role", editable=False)

    class Meta:
        verbose_name = _("role")
        verbose_name_plural = _("roles")
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization", "name"], name="role_name_in_organization"),
            models.UniqueConstraint(
                fields=["organization", "kind"], condition=~models.Q(kind="custom"), name="one_built_in_role_of_each"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person in an organization. Only an active membership of an active person opens anything."""

    class State(models.TextChoices):
        """Where a membership stands."""

        INVITED = "invited", _("Invited")
        ACTIVE = "active", _("Active")
        SUSPENDED = "suspended", _("Suspended")

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.ForeignKey(Role, on_delete=models.PROTECT, related_name="memberships")
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        default_permissions = ("view",)
        permissions = [("suspend_membership", "Can suspend a member")]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization", "user"], name="one_membership_per_person"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.organization}"


class Invitation(models.Model):
    """The link by which an invited person becomes a member. Single-use: it is deleted when the person joins.

    Only a hash of the link's token is stored: whoever reads the database cannot join.
    """

    membership = models.OneToOneField(Membership, on_delete=models.CASCADE, related_name="invitation")
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    expires_at = models.DateTimeField(_("expires at"))
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.membership.user.email

    @property
    def organization(self) -> Organization:
        """The tenant that the person is invited to."""
        return self.membership.organization

    @property
    def is_expired(self) -> bool:
        """Whether the link is too old to be accepted."""
        return self.expires_at <= timezone.now()


class DataKey(models.Model):
    """The key that seals an organization's secrets, itself wrapped under FERNET_KEYS (see crewadmin.sealing).

    One key without `retired_at` seals; retired ones still open what they sealed.
    """

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="data_keys")
    wrapped_key = WrappedKeyField()
    master_key_id = models.CharField(max_length=8, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("data key")
        verbose_name_plural = _("data keys")
        default_permissions = ()
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organization"], condition=models.Q(retired_at=None), name="one_sealing_data_key"
            ),
        ]

    def __str__(self) -> str:
        return str(self.uuid)


class AppendOnlyError(Exception):
    """Events of the audit log are written once; nobody changes or deletes them."""


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    """Events always start with their organization, and stay as they were written."""

    def for_organization(self, organization: Organization) -> "AuditEventQuerySet":
        """Return an organization's events, newest first."""
        return self.filter(organization=organization).order_by("-id")

    def update(self, **fields: Any) -> int:
        """Refuse."""
        raise AppendOnlyError

    def delete(self) -> tuple[int, dict[str, int]]:
        """Refuse."""
        raise AppendOnlyError


def _audit_actions() -> list[tuple[str, Any]]:
    """Return the choices of an event's action; a function, so that a new one is no migration."""
    return AuditEvent.Action.choices


class AuditEvent(models.Model):
    """What happened, to what, by whom: written in the transaction of the change, never changed, never deleted.

    Names are copied, so that an event still reads after the person or the object is gone. `details` holds names of
    changed fields and counts, never a value. `hash` chains each event to the one before it in its organization.
    """

    class Action(models.TextChoices):
        """`object:what happened`; a released action keeps its text."""

        ORGANIZATION_CREATED = "organization:created", _("created the organization")
        ORGANIZATION_CHANGED = "organization:changed", _("changed the organization")
        MEMBER_ADDED = "member:added", _("added a member")
        SECOND_FACTOR_ADDED = "member:second_factor_added", _("added a second factor of their own")
        SECOND_FACTOR_REMOVED = "member:second_factor_removed", _("removed a second factor of their own")
        MEMBER_INVITED = "member:invited", _("invited a person")
        MEMBER_INVITED_AGAIN = "member:invited_again", _("made a new invitation link")
        MEMBER_INVITATION_REVOKED = "member:invitation_revoked", _("revoked an invitation")
        MEMBER_JOINED = "member:joined", _("accepted an invitation")
        MEMBER_ROLE_CHANGED = "member:role_changed", _("changed a member's role")
        MEMBER_SUSPENDED = "member:suspended", _("suspended a member")
        MEMBER_REACTIVATED = "member:reactivated", _("reactivated a member")
        MEMBER_REMOVED = "member:removed", _("removed a member")
        MEMBER_LEFT = "member:left", _("left the organization")
        ROLE_CREATED = "role:created", _("created a role")
        ROLE_CHANGED = "role:changed", _("changed a role")
        ROLE_DELETED = "role:deleted", _("deleted a role")
        CREDENTIAL_CREATED = "credential:created", _("created a credential")
        CREDENTIAL_CHANGED = "credential:changed", _("changed a credential")
        CREDENTIAL_DELETED = "credential:deleted", _("deleted a credential")
        CREDENTIAL_MADE_DEFAULT = "credential:made_default", _("made a credential the default")
        CREDENTIAL_TEST_STARTED = "credential:test_started", _("started a connection test")
        CREDENTIAL_TESTED = "credential:tested", _("tested a connection")
        CREDENTIAL_TRUST_CHECK_STARTED = "credential:trust_check_started", _("started a check of a role's External ID")
        CREDENTIAL_TRUST_CHECKED = "credential:trust_checked", _("checked a role's External ID")
        REFERENCE_CHECK_STARTED = "reference:check_started", _("started a check of references to secrets")
        REFERENCE_CHECKED = "reference:checked", _("checked references to secrets")
        CREDENTIAL_PREVIEW_STARTED = "credential:preview_started", _("started a preview of a credential's change")
        CREDENTIAL_PREVIEWED = "credential:previewed", _("previewed a credential's change")
        CREDENTIALS_IMPORTED = "credentials:imported", _("imported credentials")
        VARIABLE_CREATED = "variable:created", _("created an environment variable")
        VARIABLE_CHANGED = "variable:changed", _("changed an environment variable")
        VARIABLE_DELETED = "variable:deleted", _("deleted an environment variable")
        VARIABLE_TRACE_STARTED = "variable:trace_started", _("started to trace an environment variable")
        VARIABLE_TRACED = "variable:traced", _("traced an environment variable")
        VARIABLES_IMPORTED = "variables:imported", _("imported environment variables")
        AUTOMATION_CREATED = "automation:created", _("created an automation")
        AUTOMATION_CHANGED = "automation:changed", _("changed an automation")
        AUTOMATION_DELETED = "automation:deleted", _("deleted an automation")
        AUTOMATION_RESOLVED = "automation:resolved", _("resolved an automation's variables")
        AUTOMATION_DEPLOYED = "automation:deployed", _("deployed an automation")
        AUTOMATION_COMPARED = "automation:compared", _("compared what is deployed with vaults")
        SHARING_RESTRICTED = "sharing:restricted", _("restricted")
        SHARING_LIFTED = "sharing:lifted", _("lifted the restriction of")
        SHARING_CHANGED = "sharing:changed", _("changed who may use")
        TOKEN_CREATED = "token:created", _("created a service token")
        TOKEN_ROTATED = "token:rotated", _("rotated a service token")
        TOKEN_REVOKED = "token:revoked", _("revoked a service token")
        MEMBER_SESSIONS_ENDED = "member:sessions_ended", _("signed a member out everywhere")
        AUDIT_EXPORTED = "audit:exported", _("exported the audit log")
        SUPPORT_LOOKED = "support:looked", _("looked at an object, as support staff")
        SUPPORT_LISTED = "support:listed", _("looked at a list, as support staff")

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    # Whoever could delete an organization with its log could delete the log. Its indexes are the ones below.
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="audit_events", db_index=False
    )
    created_at = models.DateTimeField(default=timezone.now)
    actor = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    actor_label = models.CharField(max_length=254)
    action = models.CharField(max_length=40, choices=_audit_actions)
    target_uuid = models.UUIDField()
    target_label = models.CharField(max_length=255)
    details = models.JSONField(default=dict)
    previous_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        default_permissions = ("view",)
        # One for each filter of the audit log's page, so that a page is read from its index alone.
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization", "-id"], name="audit_newest_first"),
            models.Index(fields=["organization", "actor_label", "-id"], name="audit_by_person"),
            models.Index(fields=["organization", "action", "-id"], name="audit_by_action"),
            models.Index(fields=["organization", "target_uuid", "-id"], name="audit_by_object"),
            models.Index(fields=["organization", "target_label", "-id"], name="audit_by_object_name"),
            models.Index(fields=["organization", "created_at", "id"], name="audit_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_label} {self.get_action_display()}: {self.target_label}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write a new event; refuse to write one again."""
        if not self._state.adding:
            raise AppendOnlyError
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Refuse."""
        raise AppendOnlyError


class AuditHead(models.Model):
    """Where an organization's audit log ends: how many events, the newest one's hash and time, and a seal over these.

    Written with each event (see organizations.audit), so that events cut off at the end are missed.
    """

    organization = models.OneToOneField(
        Organization, on_delete=models.PROTECT, primary_key=True, related_name="audit_head"
    )
    count = models.PositiveBigIntegerField(default=0)
    last_hash = models.BinaryField(max_length=32, default=bytes)
    last_at = models.DateTimeField(null=True)
    seal = models.BinaryField(max_length=32, default=bytes)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.count} events"


def public_id(value: object) -> UUID | None:
    """Return a UUID typed or sent by somebody, or None if it is none."""
    try:
        return UUID(str(value))
    except ValueError:
        return None

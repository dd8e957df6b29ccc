"""Secret provider credentials and their connection tests: the rows."""

from datetime import timedelta
from typing import Any, ClassVar
from uuid import uuid4

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crewadmin.redaction import Secret
from crewadmin.sealing import SealedField
from organizations.access import Access, Feature
from organizations.models import Membership, Organization, User
from organizations.sharing import Grant, PersonGrant, Restrictable, RoleGrant, held, visible

from .providers import PROVIDERS, provider_class
from .providers.base import Provider, StepState
from .providers.failures import Failure, FailureCode, Owner, explain


class CredentialQuerySet(models.QuerySet["Credential"]):
    """Credentials always start with their organization."""

    def for_organization(self, organization: Organization) -> "CredentialQuerySet":
        """Return an organization's credentials without their sealed column, by name."""
        return self.filter(organization=organization).defer("secrets").order_by("name", "pk")

    def failing(self) -> "CredentialQuerySet":
        """Return those whose last test failed, unless they were changed since."""
        return self.filter(last_test__ok=False, last_test__credential_version=F("version"))

    def usable_by(self, membership: Membership, access: Access) -> "models.QuerySet[Credential]":
        """Return what a member may choose in a variable's Value Source.

        Who may not see credentials at all may still choose those that were shared for use.
        """
        rows = self.for_organization(membership.organization)
        return visible(rows if access.secret_providers.read else rows.filter(restricted=True), membership, Grant.USE)


class Health(models.TextChoices):
    """What is known of a credential from its last test."""

    HEALTHY = "healthy", _("Healthy")
    FAILING = "failing", _("Failing")
    UNREACHABLE = "unreachable", _("Unreachable")
    NEVER_TESTED = "never_tested", _("Never tested")
    CHANGED = "changed", _("Changed since the last test")


#: A failure there says nothing about the credential itself.
NOT_THE_CREDENTIALS_FAULT = frozenset({Owner.NETWORK, Owner.AWS})
#: Facts of a test that tell which secret it read.
_OF_THE_SECRET = frozenset({"secret_name", "kms_key"})


class Credential(Restrictable):  # type: ignore[django-manager-missing]  # of guardian's untyped reverse relations
    """What opens one cloud vault: `config` may be seen, `secrets` is sealed (which is which: the provider says).

    `version` counts changes of either, so that a stored test result or a cached client is known to be outdated.
    """

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="credentials")
    name = models.CharField(_("name"), max_length=100)
    provider = models.CharField(_("provider"), max_length=20)
    config = models.JSONField(default=dict)
    secrets = SealedField()
    is_default = models.BooleanField(_("default for its provider"), default=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    last_test = models.ForeignKey(
        "ConnectionTest", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )
    #: The state that people were told of last (`credentials.alerts`): healthy, failing or unreachable.
    told = models.CharField(max_length=20, blank=True, editable=False)
    #: The name of the import that left the row as it is; blank once somebody edited it.
    import_name = models.CharField(max_length=100, blank=True, default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", editable=False)

    objects = CredentialQuerySet.as_manager()

    FEATURE = Feature.SECRET_PROVIDERS
    GRANTS = (Grant.READ, Grant.USE, Grant.MANAGE)

    class Meta:
        verbose_name = _("secret provider credential")
        verbose_name_plural = _("secret provider credentials")
        default_permissions = ("view",)
        permissions = [
            ("read_credential", "Read a restricted credential"),
            ("use_credential", "Use a restricted credential"),
            ("manage_credential", "Manage a restricted credential"),
            ("retest_credential", "Test a credential again, as support staff"),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization", "name"], name="credential_name_in_organization"),
            models.UniqueConstraint(
                fields=["organization", "provider"], condition=Q(is_default=True), name="one_default_per_provider"
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization"], condition=Q(restricted=True), name="restricted_credentials"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def provider_label(self) -> str:
        """The provider's name, as AWS Secrets Manager."""
        return PROVIDERS[self.provider].label

    def open_provider(self) -> Provider:
        """Return the provider, ready to open the vault. Raises SealError if the secrets cannot be opened."""
        secrets: Secret[dict[str, str]] = self.secrets
        scope = f"{self.organization_id}:{self.uuid}:{self.version}"
        return provider_class(self.provider)(self.config, secrets, scope)

    @property
    def health(self) -> "Health":
        """What its last test says of it now."""
        if self.last_test is None:
            return Health.NEVER_TESTED
        if self.last_test.credential_version != self.version:
            return Health.CHANGED
        return self.last_test.health

    @property
    def access_key_hint(self) -> str:
        """Enough of the access key id to recognize it by, as AKIA…WXYZ; empty where the provider has none."""
        key_id = self.config.get("access_key_id", "")
        return f"{key_id[:4]}…{key_id[-4:]}" if key_id else ""


def named_to(membership: Membership, access: Access, prefix: str) -> Q:
    """Return the condition for rows whose credential may be named to a member; `prefix` leads to it.

    Who may not see credentials at all is told the names of those that were shared for use.
    """
    if access.secret_providers.read:
        return held(Credential, membership, Grant.READ, Grant.USE, prefix=prefix)
    return Q(**{f"{prefix}restricted": True}) & held(Credential, membership, Grant.USE, prefix=prefix)


class CredentialPersonGrant(PersonGrant):
    """What a member was granted on a credential."""

    content_object = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="person_grants")


class CredentialRoleGrant(RoleGrant):
    """What a role was granted on a credential."""

    content_object = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="role_grants")


class ConnectionTest(models.Model):
    """One run of Test Connection: codes, timings and names; never a text that the cloud wrote, never a value.

    It is stored when it begins (`ok` is None then), so that every process sees how many run. `credential` is None for
    settings that were tried before they were saved.
    """

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="connection_tests")
    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, null=True, blank=True, related_name="tests")
    provider = models.CharField(_("provider"), max_length=20)
    credential_version = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    person_label = models.CharField(max_length=254)
    milliseconds = models.PositiveIntegerField(default=0)
    ok = models.BooleanField(null=True)
    steps = models.JSONField(default=list)

    #: A test ends within its provider's deadline; one that is older was cut off with its process.
    LONGEST: ClassVar[timedelta] = timedelta(seconds=30)
    #: Whether it keeps the secret that it read from whoever it is shown to: set by `usage.conceal`.
    hides_secret = False

    class Meta:
        verbose_name = _("connection test")
        verbose_name_plural = _("connection tests")
        default_permissions = ("view",)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization", "-created_at"], name="tests_of_organization"),
            models.Index(fields=["credential", "-id"], name="tests_of_credential"),
        ]

    def __str__(self) -> str:
        return f"{self.credential or self.provider_label} {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def provider_label(self) -> str:
        """The provider's name, as AWS Secrets Manager."""
        return PROVIDERS[self.provider].label

    @property
    def was_cut_off(self) -> bool:
        """Whether it will never end."""
        return self.ok is None and self.created_at <= timezone.now() - self.LONGEST

    @property
    def secret_names(self) -> set[str]:
        """The secrets that its steps name."""
        return {step["facts"]["secret_name"] for step in self.steps if "secret_name" in step["facts"]}

    @property
    def shown_steps(self) -> list[dict[str, Any]]:
        """The steps as stored, without what names the secret where that is kept from the reader."""
        if not self.hides_secret:
            return list(self.steps)
        return [
            step | {"facts": {name: fact for name, fact in step["facts"].items() if name not in _OF_THE_SECRET}}
            for step in self.steps
        ]

    @property
    def failed_step(self) -> dict[str, Any] | None:
        """The first step that failed."""
        return next((step for step in self.shown_steps if step["state"] == StepState.FAILED), None)

    @property
    def health(self) -> Health:
        """What it says of the credential that it tested."""
        if self.failure is None:
            return Health.HEALTHY
        return Health.UNREACHABLE if self.failure.owner in NOT_THE_CREDENTIALS_FAULT else Health.FAILING

    @property
    def failure(self) -> Failure | None:
        """What failed first and what to do about it, for people."""
        if self.failed_step is None:
            return None
        return explain(FailureCode(self.failed_step["code"]), self.failed_step["facts"])

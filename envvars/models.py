"""Environment variables and the automations that receive them: the rows."""

from typing import TYPE_CHECKING, ClassVar
from uuid import uuid4

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from credentials.models import Credential
from credentials.providers import PROVIDERS
from crewadmin.sealing import SealedField
from organizations.models import Organization, User
from organizations.sharing import PersonGrant, Restrictable, RoleGrant

from .references import Reference


class VariableQuerySet(models.QuerySet["EnvironmentVariable"]):
    """Variables always start with their organization, or with a credential of one."""

    def for_organization(self, organization: Organization) -> "VariableQuerySet":
        """Return an organization's variables without their sealed column, by key."""
        return self.filter(organization=organization).defer("value").order_by("key")

    def using_credential(self, credential: Credential) -> "VariableQuerySet":
        """Return the variables that are read with a credential: by name, or because it is the default."""
        uses = Q(source=EnvironmentVariable.Source.CREDENTIAL, credential=credential)
        if credential.is_default:
            uses |= Q(source=EnvironmentVariable.Source.PROVIDER_DEFAULT, provider=credential.provider)
        return EnvironmentVariable.objects.for_organization(credential.organization).filter(uses)


class EnvironmentVariable(Restrictable):  # type: ignore[django-manager-missing]  # of guardian's untyped reverse relations
    """A name and where its value comes from: typed in (and sealed), or a secret in a vault."""

    class Source(models.TextChoices):
        """The kinds of Value Source."""

        DIRECT = "direct", _("Direct Value")
        PROVIDER_DEFAULT = "provider_default", _("Provider default")
        CREDENTIAL = "credential", _("Named credential")

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="variables")
    key = models.CharField(_("key"), max_length=200)
    source = models.CharField(_("value source"), max_length=20, choices=Source)
    value = SealedField(null=True)
    provider = models.CharField(_("provider"), max_length=20, blank=True)
    credential = models.ForeignKey(
        Credential, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("credential")
    )
    secret_name = models.CharField(_("secret name"), max_length=2048, blank=True)
    json_key = models.CharField(_("JSON key"), max_length=512, blank=True)
    #: The name of the import that left the row as it is; blank once somebody edited it.
    import_name = models.CharField(max_length=100, blank=True, default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", editable=False)

    objects = VariableQuerySet.as_manager()

    if TYPE_CHECKING:
        #: Whether the member who asked may be told its credential's name: set by `views.shared.shown_variables`.
        names_credential: bool

    class Meta:
        verbose_name = _("environment variable")
        verbose_name_plural = _("environment variables")
        default_permissions = ("view",)
        permissions = [
            ("read_environmentvariable", "Read a restricted environment variable"),
            ("manage_environmentvariable", "Manage a restricted environment variable"),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization", "key"], name="variable_key_in_organization"),
            models.CheckConstraint(
                condition=(
                    Q(source="direct", value__isnull=False, provider="", credential=None, secret_name="", json_key="")
                    | Q(source="provider_default", value__isnull=True, credential=None)
                    & ~Q(provider="")
                    & ~Q(secret_name="")
                    | Q(source="credential", value__isnull=True, credential__isnull=False) & ~Q(secret_name="")
                ),
                name="variable_source_is_complete",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["credential"], name="variables_of_credential"),
            models.Index(fields=["organization"], condition=Q(restricted=True), name="restricted_variables"),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def is_secret(self) -> bool:
        """Whether the value lives in a vault."""
        return self.source != self.Source.DIRECT

    @property
    def reference_label(self) -> str:
        """The reference as people write it: `secret-name#json_key`; empty for a direct value."""
        return str(Reference(self.secret_name, self.json_key))

    @property
    def source_label(self) -> str:
        """The value source in a few words, without the name of a credential."""
        if self.source == self.Source.PROVIDER_DEFAULT:
            return str(PROVIDERS[self.provider].default_label)
        return str(self.Source(self.source).label)


class VariablePersonGrant(PersonGrant):
    """What a member was granted on a variable."""

    content_object = models.ForeignKey(EnvironmentVariable, on_delete=models.CASCADE, related_name="person_grants")


class VariableRoleGrant(RoleGrant):
    """What a role was granted on a variable."""

    content_object = models.ForeignKey(EnvironmentVariable, on_delete=models.CASCADE, related_name="role_grants")


class AutomationQuerySet(models.QuerySet["Automation"]):
    """Automations always start with their organization."""

    def for_organization(self, organization: Organization) -> "AutomationQuerySet":
        """Return an organization's automations by name."""
        return self.filter(organization=organization).order_by("name")


class Automation(Restrictable):  # type: ignore[django-manager-missing]  # of guardian's untyped reverse relations
    """Something that runs and needs values: a crew, a job. It receives the variables assigned to it, no others."""

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="automations")
    name = models.CharField(_("name"), max_length=100)
    slug = models.SlugField(_("short name"), max_length=50)
    variables = models.ManyToManyField(EnvironmentVariable, related_name="automations", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AutomationQuerySet.as_manager()

    class Meta:
        verbose_name = _("automation")
        verbose_name_plural = _("automations")
        default_permissions = ("view",)
        permissions = [
            ("read_automation", "Read a restricted automation"),
            ("manage_automation", "Manage a restricted automation"),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization", "name"], name="automation_name_in_organization"),
            models.UniqueConstraint(fields=["organization", "slug"], name="automation_slug_in_organization"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization"], condition=Q(restricted=True), name="restricted_automations"),
        ]

    def __str__(self) -> str:
        return self.name


class AutomationPersonGrant(PersonGrant):
    """What a member was granted on an automation."""

    content_object = models.ForeignKey(Automation, on_delete=models.CASCADE, related_name="person_grants")


class AutomationRoleGrant(RoleGrant):
    """What a role was granted on an automation."""

    content_object = models.ForeignKey(Automation, on_delete=models.CASCADE, related_name="role_grants")

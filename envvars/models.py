"""Environment variables, the automations that receive them, and what was deployed to these: the rows."""

from collections.abc import Collection
from typing import TYPE_CHECKING, ClassVar
from uuid import uuid4

from django.db import models
from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from credentials.models import Credential
from credentials.providers import PROVIDERS
from credentials.providers.base import SecretId, VersionStage
from credentials.providers.failures import Failure, FailureCode, explain
from crewadmin.sealing import SealedField
from organizations.access import Feature
from organizations.models import Organization, User
from organizations.sharing import PersonGrant, Restrictable, RoleGrant

from .references import Reference, Written, parse

STAGES = [
    (VersionStage.CURRENT.value, _("Current (AWSCURRENT)")),
    (VersionStage.PREVIOUS.value, _("Previous (AWSPREVIOUS)")),
]


class VariableQuerySet(models.QuerySet["EnvironmentVariable"]):
    """Variables always start with their organization, or with a credential of one."""

    def for_organization(self, organization: Organization) -> "VariableQuerySet":
        """Return an organization's variables without their sealed column, by key."""
        return self.filter(organization=organization).defer("value").order_by("key")

    def naming(self, credential: Credential) -> "VariableQuerySet":
        """Return the variables that name a credential."""
        rows = self.for_organization(credential.organization)
        return rows.filter(source=EnvironmentVariable.Source.CREDENTIAL, credential=credential)

    def using_default(self, organization: Organization, provider: str) -> "VariableQuerySet":
        """Return an organization's variables that are read with a provider's default."""
        rows = self.for_organization(organization)
        return rows.filter(source=EnvironmentVariable.Source.PROVIDER_DEFAULT, provider=provider)

    def naming_secrets(self, organization: Organization, names: Collection[str]) -> "VariableQuerySet":
        """Return the variables that refer to any of these secrets, once for each."""
        return self.for_organization(organization).filter(secret_references__secret_name__in=names)


class EnvironmentVariable(Restrictable):  # type: ignore[django-manager-missing]  # of guardian's untyped reverse relations
    """A name and where its value comes from: typed in (and sealed), or a secret in a vault."""

    class Source(models.TextChoices):
        """The kinds of Value Source."""

        DIRECT = "direct", _("Direct Value")
        PROVIDER_DEFAULT = "provider_default", _("Provider default")
        CREDENTIAL = "credential", _("Named credential")

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    # No index of its own: the one of organization and key begins with it.
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="variables", db_index=False)
    key = models.CharField(_("key"), max_length=200)
    source = models.CharField(_("value source"), max_length=20, choices=Source)
    value = SealedField(null=True)
    provider = models.CharField(_("provider"), max_length=20, blank=True)
    credential = models.ForeignKey(
        Credential, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("credential")
    )
    #: As people wrote it: `secret-name#json_key`, or a template of several; blank for a direct value. `SecretReference`
    #: has them one by one.
    reference = models.CharField(_("reference"), max_length=4096, blank=True)
    version_stage = models.CharField(_("version"), max_length=20, choices=STAGES, blank=True)
    acknowledged = models.BooleanField(_("its name's effect on programs is known"), default=False)
    #: The name of the import that left the row as it is; blank once somebody edited it.
    import_name = models.CharField(max_length=100, blank=True, default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", editable=False)

    objects = VariableQuerySet.as_manager()

    FEATURE = Feature.ENVIRONMENT_VARIABLES

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
                    Q(source="direct", value__isnull=False, provider="", credential=None, reference="")
                    | Q(source="provider_default", value__isnull=True, credential=None)
                    & ~Q(provider="")
                    & ~Q(reference="")
                    | Q(source="credential", value__isnull=True, credential__isnull=False) & ~Q(reference="")
                ),
                name="variable_source_is_complete",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization"], condition=Q(restricted=True), name="restricted_variables"),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def is_secret(self) -> bool:
        """Whether the value lives in a vault."""
        return self.source != self.Source.DIRECT

    @property
    def written(self) -> Written:
        """The reference or template that was written; not of a direct value."""
        return parse(self.reference, self.version_stage)

    @property
    def references(self) -> tuple[Reference, ...]:
        """What is read of vaults for this variable, without a query: one reference, a template's, or none."""
        return self.written.references if self.is_secret else ()

    @property
    def secret_ids(self) -> tuple[SecretId, ...]:
        """What is read of a vault for this variable, each secret once."""
        return tuple(dict.fromkeys(reference.secret_id for reference in self.references))

    @property
    def uses_default(self) -> bool:
        """Whether it names only the provider, and is read with the default."""
        return self.source == self.Source.PROVIDER_DEFAULT

    @property
    def stage_label(self) -> str:
        """Which version is read, where it is not the current one."""
        return "" if self.version_stage in ("", VersionStage.CURRENT) else str(self.get_version_stage_display())

    @property
    def source_label(self) -> str:
        """The value source in a few words, without the name of a credential."""
        return source_label(self.source, self.provider)


class VariablePersonGrant(PersonGrant):
    """What a member was granted on a variable."""

    content_object = models.ForeignKey(EnvironmentVariable, on_delete=models.CASCADE, related_name="person_grants")


class VariableRoleGrant(RoleGrant):
    """What a role was granted on a variable."""

    content_object = models.ForeignKey(EnvironmentVariable, on_delete=models.CASCADE, related_name="role_grants")


class SecretReference(models.Model):
    """A secret that a variable refers to: the answer to "what refers to this secret" in one query.

    Written with the variable's own reference, which it repeats part by part (`envvars.services.variables`).
    """

    variable = models.ForeignKey(EnvironmentVariable, on_delete=models.CASCADE, related_name="secret_references")
    position = models.PositiveSmallIntegerField()
    secret_name = models.CharField(_("secret name"), max_length=2048)
    json_key = models.CharField(_("JSON key"), max_length=512, blank=True)
    version_stage = models.CharField(_("version"), max_length=20, choices=STAGES)

    class Meta:
        verbose_name = _("secret reference")
        verbose_name_plural = _("secret references")
        default_permissions = ()
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["variable", "position"], name="reference_position_in_variable"),
        ]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["secret_name"], name="references_to_secret")]

    def __str__(self) -> str:
        return str(Reference(self.secret_name, self.json_key))


class AutomationQuerySet(models.QuerySet["Automation"]):
    """Automations always start with their organization."""

    def for_organization(self, organization: Organization) -> "AutomationQuerySet":
        """Return an organization's automations by name."""
        return self.filter(organization=organization).order_by("name")

    def with_stale_since(self) -> "AutomationQuerySet":
        """Return each with `stale_since`: since when what it starts with is not what vaults hold; None if it is."""
        in_use = Deployment.objects.in_use().filter(automation=OuterRef("pk"))
        return self.annotate(stale_since=Subquery(in_use.values("stale_since")[:1]))


class Automation(Restrictable):  # type: ignore[django-manager-missing]  # of guardian's untyped reverse relations
    """Something that runs and needs values: a crew, a job. It receives the variables assigned to it, no others."""

    class ResolvesAt(models.TextChoices):
        """When the values are read that it starts with."""

        KICKOFF = "kickoff", _("at every start")
        DEPLOY = "deploy", _("when it is deployed")

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="automations")
    name = models.CharField(_("name"), max_length=100)
    slug = models.SlugField(_("short name"), max_length=50)
    variables = models.ManyToManyField(EnvironmentVariable, related_name="automations", blank=True)
    resolves_at = models.CharField(_("values are read"), max_length=20, choices=ResolvesAt, default=ResolvesAt.KICKOFF)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AutomationQuerySet.as_manager()

    FEATURE = Feature.ENVIRONMENT_VARIABLES

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

    @property
    def resolves_at_deploy(self) -> bool:
        """Whether it starts with what was deployed last, and not with what vaults hold at that time."""
        return self.resolves_at == self.ResolvesAt.DEPLOY


class AutomationPersonGrant(PersonGrant):
    """What a member was granted on an automation."""

    content_object = models.ForeignKey(Automation, on_delete=models.CASCADE, related_name="person_grants")


class AutomationRoleGrant(RoleGrant):
    """What a role was granted on an automation."""

    content_object = models.ForeignKey(Automation, on_delete=models.CASCADE, related_name="role_grants")


class ServiceTokenQuerySet(models.QuerySet["ServiceToken"]):
    """Tokens start with the organization of their automation."""

    def for_organization(self, organization: Organization) -> "ServiceTokenQuerySet":
        """Return an organization's tokens with their automation, newest first."""
        rows = self.filter(automation__organization=organization)
        return rows.select_related("automation__organization").order_by("-id")

    def working(self) -> "ServiceTokenQuerySet":
        """Return the tokens that open something now."""
        return self.filter(revoked_at=None, expires_at__gt=timezone.now())

    def ended(self) -> "ServiceTokenQuerySet":
        """Return the tokens that open nothing any more."""
        return self.filter(Q(revoked_at__isnull=False) | Q(expires_at__lte=timezone.now()))


class ServiceToken(models.Model):
    """What an automation shows to fetch its values over HTTP. Of its text only a hash is kept, and its first part."""

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    automation = models.ForeignKey(Automation, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(_("prefix"), max_length=32, unique=True, editable=False)
    hash = models.BinaryField(max_length=32, editable=False)
    #: For how long it was made; one that was rotated ends earlier.
    lifetime = models.DurationField(editable=False)
    expires_at = models.DateTimeField(_("expires at"))
    last_used_at = models.DateTimeField(_("last used at"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, editable=False)
    may_deploy = models.BooleanField(_("may deploy"), default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", editable=False)

    objects = ServiceTokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("service token")
        verbose_name_plural = _("service tokens")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"

    @property
    def organization(self) -> Organization:
        """The tenant that it belongs to."""
        return self.automation.organization

    @property
    def works(self) -> bool:
        """Whether it opens something now."""
        return self.revoked_at is None and self.expires_at > timezone.now()


class DeploymentQuerySet(models.QuerySet["Deployment"]):
    """Deployments start with their organization, or with an automation of one."""

    def for_organization(self, organization: Organization) -> "DeploymentQuerySet":
        """Return an organization's deployments without their sealed column, newest first within each automation."""
        return self.filter(organization=organization).defer("snapshot").order_by("-number")

    def of(self, automation: Automation) -> "DeploymentQuerySet":
        """Return an automation's deployments without their sealed column, newest first."""
        return self.filter(automation=automation).defer("snapshot").order_by("-number")

    def in_use(self) -> "DeploymentQuerySet":
        """Return what automations start with: the newest of each one that resolves at deploy."""
        return self.filter(snapshot__isnull=False, automation__resolves_at=Automation.ResolvesAt.DEPLOY)


class Deployment(models.Model):
    """The values of an automation as they were read at one time: what it starts with if it resolves at deploy.

    `snapshot` holds them by key. The newest deployment of an automation has one, and no other: of older ones only
    fingerprints and version ids are left (`DeployedVariable`).
    """

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="deployments")
    automation = models.ForeignKey(Automation, on_delete=models.CASCADE, related_name="deployments")
    number = models.PositiveIntegerField(_("number"))
    snapshot = SealedField(null=True)
    variables_count = models.PositiveIntegerField(_("variables"))
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", editable=False)
    #: Who deployed, as the audit log calls them: an e-mail address, the command line, or a service token.
    by_label = models.CharField(max_length=254)
    #: When vaults were asked last whether they hold newer versions (`envvars.services.drift`).
    checked_at = models.DateTimeField(_("checked at"), null=True, editable=False)
    #: When it was first noticed that a vault holds another version of something that was deployed.
    stale_since = models.DateTimeField(_("stale since"), null=True, editable=False)

    objects = DeploymentQuerySet.as_manager()

    class Meta:
        verbose_name = _("deployment")
        verbose_name_plural = _("deployments")
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["automation", "number"], name="deployment_number_in_automation"),
            models.UniqueConstraint(
                fields=["automation"], condition=Q(snapshot__isnull=False), name="one_snapshot_per_automation"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.automation} #{self.number}"


#: The deployed variables that a vault holds another version of, or of which that could not be told.
DRIFTED = Q(stale_since__isnull=False) | ~Q(unknown_code="")


class DeployedVariable(models.Model):
    """A variable as it was deployed: where its value came from, which versions were read, and a keyed fingerprint.

    Never the value. Nothing here depends on rows that may go: `variable_uuid`, `credential_uuid` and the names are
    copies. `secrets` has for each secret that was read the keys secret_name, version_stage and version_id.
    """

    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="variables")
    key = models.CharField(_("key"), max_length=200)
    variable_uuid = models.UUIDField()
    #: Whether the variable was restricted: once it is deleted nothing else tells who may know of it.
    restricted = models.BooleanField(default=False)
    #: When the variable had been changed last.
    configured_at = models.DateTimeField()
    source = models.CharField(_("value source"), max_length=20, choices=EnvironmentVariable.Source)
    provider = models.CharField(_("provider"), max_length=20, blank=True)
    reference = models.CharField(_("reference"), max_length=4096, blank=True)
    version_stage = models.CharField(_("version"), max_length=20, choices=STAGES, blank=True)
    credential = models.ForeignKey(Credential, on_delete=models.SET_NULL, null=True, related_name="+")
    credential_uuid = models.UUIDField(null=True)
    credential_name = models.CharField(max_length=100, blank=True)
    credential_version = models.PositiveIntegerField(null=True)
    secrets = models.JSONField(default=list)
    #: Of the key and the value (32 bytes), under a key of the organization: see `envvars.deployed`.
    fingerprint = models.BinaryField(max_length=32)
    #: When it was first noticed that the vault holds another version of what was read.
    stale_since = models.DateTimeField(_("stale since"), null=True, editable=False)
    #: Why the last check could not tell (a FailureCode); blank if it could.
    unknown_code = models.CharField(max_length=40, blank=True, editable=False)

    if TYPE_CHECKING:
        credential_id: int | None
        #: Whether the member who asked may be told the credential's name: set by `views.shared.shown_deployed`.
        names_credential: bool

    class Meta:
        verbose_name = _("deployed variable")
        verbose_name_plural = _("deployed variables")
        default_permissions = ()
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["deployment", "key"], name="deployed_key_in_deployment"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["variable_uuid"], condition=Q(stale_since__isnull=False), name="stale_variables"),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def unknown(self) -> Failure | None:
        """Why the last comparison with its vault could not tell whether it is stale; None if it could."""
        return explain(FailureCode(self.unknown_code)) if self.unknown_code else None

    @property
    def source_label(self) -> str:
        """The value source in a few words, without the name of a credential."""
        return source_label(self.source, self.provider)

    @property
    def fingerprint_hint(self) -> str:
        """The beginning of the fingerprint: enough to see that two differ."""
        return bytes(self.fingerprint).hex()[:_HINT]

    @property
    def versions(self) -> list[tuple[str, str]]:
        """The secrets that were read, each with the beginning of its version's id."""
        return [(secret["secret_name"], secret["version_id"][:_VERSION_HINT]) for secret in self.secrets]


#: Characters that are shown of a fingerprint, and of a version's id.
_HINT, _VERSION_HINT = 12, 8


def source_label(source: str, provider: str) -> str:
    """Return a value source in a few words, without the name of a credential."""
    if source == EnvironmentVariable.Source.PROVIDER_DEFAULT:
        return str(PROVIDERS[provider].default_label)
    return str(EnvironmentVariable.Source(source).label)

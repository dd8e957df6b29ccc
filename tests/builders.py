"""Store rows for a test, through the services that the pages use."""

from collections.abc import Iterable, Mapping

from django.db import connection

from credentials.models import Credential
from credentials.providers.base import VersionStage
from credentials.services import add_credential
from envvars.models import Automation, Deployment, EnvironmentVariable
from envvars.references import parse
from envvars.services.automations import add_automation
from envvars.services.variables import Value, add_variable
from organizations.models import Membership, Organization, Role, User
from organizations.services.sharing import restrict, share
from organizations.sharing import Grant, Restrictable
from sandbox import seed

Source = EnvironmentVariable.Source


def store_credential(
    organization: Organization,
    by: User | None,
    name: str = "aws-other",
    user: seed.User = seed.READER,
    *,
    is_default: bool = False,
    external_id: str = "",
    **config: str,
) -> Credential:
    """A credential with a seeded user's keys; `config` replaces region, access_key_id or role_arn."""
    secrets = {"secret_access_key": user.secret_access_key} | ({"external_id": external_id} if external_id else {})
    return add_credential(
        organization,
        by,
        name=name,
        provider="aws",
        config={"region": seed.REGION, "access_key_id": user.access_key_id, "role_arn": ""} | config,
        secrets=secrets,
        is_default=is_default,
    )


def store_role_credential(
    organization: Organization, by: User | None, name: str = "aws-role", external_id: str = seed.EXTERNAL_ID
) -> Credential:
    """A credential of a user who may do nothing but assume the role."""
    return store_credential(organization, by, name, seed.ROLE_ONLY, external_id=external_id, role_arn=seed.ROLE_ARN)


def store_direct(
    organization: Organization, key: str, text: str, automations: Iterable[Automation] = ()
) -> EnvironmentVariable:
    """A variable whose value is typed in."""
    return add_variable(organization, None, key=key, value=Value(Source.DIRECT, text=text), automations=automations)


def store_reference(
    organization: Organization,
    key: str,
    reference: str,
    credential: Credential | None = None,
    automations: Iterable[Automation] = (),
    version_stage: str = VersionStage.CURRENT,
) -> EnvironmentVariable:
    """A variable that refers to a secret or several, with a credential or with the provider's default."""
    source = Source.CREDENTIAL if credential else Source.PROVIDER_DEFAULT
    value = Value(source, provider="aws", credential=credential, reference=parse(reference, version_stage))
    return add_variable(organization, None, key=key, value=value, automations=automations)


def store_automation(organization: Organization, name: str = "Invoice crew", slug: str = "invoice-crew") -> Automation:
    """An automation that receives nothing yet."""
    return add_automation(organization, None, name=name, slug=slug)


def restrict_to(row: Restrictable, by: Membership, shares: Mapping[User | Role, Iterable[Grant]] | None = None) -> None:
    """Restrict an object in somebody's name and share it with people and roles."""
    row.refresh_from_db(from_queryset=type(row)._default_manager.select_related("organization"))
    restrict(row, by)
    row.restricted = True
    for who, grants in (shares or {}).items():
        holder = who if isinstance(who, Role) else row.organization.memberships.get(user=who)
        share(row, by, holder, grants)


def damage(row: Credential | EnvironmentVariable | Deployment, column: str) -> None:
    """Change a sealed column behind the application's back, as a broken restore would."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {row._meta.db_table} SET {column} = %s WHERE id = %s",  # noqa: S608 - names of ours
            [b"\x01" + bytes(60), row.pk],
        )

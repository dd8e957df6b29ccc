"""Decide and write: deployments. The values are read first; what becomes of them is one transaction, audited."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from credentials.models import Credential
from credentials.providers.failures import Text
from organizations.audit import record
from organizations.models import AuditEvent, User
from organizations.services.managers import changing_as_manager

from ..delivery.formats import revealed
from ..deployed import fingerprint_hasher
from ..models import Automation, DeployedVariable, Deployment, EnvironmentVariable
from ..resolving import Origin, Resolution, credentials_of, resolve_for, variables_of

#: Deployments of an automation that are remembered; the oldest goes when there is another.
MOST_DEPLOYMENTS = 100
#: How often values are read again because variables or credentials were changed while they were read.
_ATTEMPTS = 3

#: A variable as it is configured, and the credential it is read with: what must not change while values are read.
_Configuration = Mapping[str, tuple[Any, ...]]


class NothingDeployedError(Exception):
    """A variable has no value, so nothing was deployed; `resolution` has all problems."""

    def __init__(self, resolution: Resolution) -> None:
        super().__init__("variables without a value")
        self.resolution = resolution


class KeptChangingError(Exception):
    """Variables or credentials were changed each time while values were read; nothing was deployed."""

    title: Text = _("Nothing was deployed: settings changed meanwhile")
    detail: Text = _("Variables or credentials were changed while their values were read. Deploy again.")


def deploy(automation: Automation, by: User | None, *, by_label: str = "") -> Deployment:
    """Read an automation's values and make them what it starts with, if it resolves at deploy.

    `by` is None on the command line and for what `by_label` names. The deployment before loses its values, not its
    fingerprints. Raises NothingDeployedError with the problems, KeptChangingError, and what `managed_row` does for what
    became of the automation or of the person meanwhile; what was deployed before stays.
    """
    for _attempt in range(_ATTEMPTS):
        resolution = resolve_for(automation, by, "deploy", by_label=by_label)
        if not resolution.ok:
            raise NothingDeployedError(resolution)
        if deployment := _store(automation, resolution, by, by_label):
            return deployment
    raise KeptChangingError


def _store(automation: Automation, resolution: Resolution, by: User | None, by_label: str) -> Deployment | None:
    """Store what was resolved, unless the configuration is another than the one it was resolved from."""
    with changing_as_manager(automation, by) as automation:
        organization = automation.organization
        if _configuration(resolution.origins.values()) != _configured_now(automation):
            return None
        earlier = Deployment.objects.of(automation)
        number = (earlier.aggregate(last=Max("number"))["last"] or 0) + 1
        for before in earlier.filter(snapshot__isnull=False):
            before.snapshot = None
            before.save(update_fields=["snapshot"])
        event = record(
            organization,
            by,
            AuditEvent.Action.AUTOMATION_DEPLOYED,
            automation,
            {"deployment": number, "variables": len(resolution.values)},
            label=by_label,
        )
        deployment = Deployment(
            organization=organization,
            automation=automation,
            number=number,
            variables_count=len(resolution.values),
            created_by=by,
            by_label=event.actor_label,
        )
        deployment.snapshot = values = revealed(resolution.values)
        deployment.save(force_insert=True)
        DeployedVariable.objects.bulk_create(_rows(deployment, resolution.origins, values))
        earlier.filter(number__lte=number - MOST_DEPLOYMENTS).delete()
    return deployment


def _configured_now(automation: Automation) -> _Configuration:
    variables = list(variables_of(automation).defer("value"))
    credentials = credentials_of(automation.organization, variables)
    return _configuration(Origin(variable, credentials.get(variable.pk), ()) for variable in variables)


def _configuration(origins: Iterable[Origin]) -> _Configuration:
    return {origin.variable.key: _as_configured(origin.variable, origin.credential) for origin in origins}


def _as_configured(variable: EnvironmentVariable, credential: Credential | None) -> tuple[Any, ...]:
    used: tuple[UUID | None, int] = (credential.uuid, credential.version) if credential else (None, 0)
    return variable.uuid, variable.updated_at, used


def _rows(
    deployment: Deployment, origins: Mapping[str, Origin], values: Mapping[str, str]
) -> Iterator[DeployedVariable]:
    fingerprint = fingerprint_hasher(deployment.organization_id)
    for key, origin in origins.items():
        variable, credential = origin.variable, origin.credential
        yield DeployedVariable(
            deployment=deployment,
            key=key,
            variable_uuid=variable.uuid,
            restricted=variable.restricted,
            configured_at=variable.updated_at,
            source=variable.source,
            provider=variable.provider,
            reference=variable.reference,
            version_stage=variable.version_stage,
            credential=credential,
            credential_uuid=credential.uuid if credential else None,
            credential_name=credential.name if credential else "",
            credential_version=credential.version if credential else None,
            secrets=[secret._asdict() for secret in origin.secrets],
            fingerprint=fingerprint(key, values[key]),
        )

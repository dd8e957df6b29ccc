"""Variables as an import reads them again: all but values."""

from collections.abc import Iterator
from typing import Any

from crewadmin.importing.export import STORED
from organizations.models import Organization

from ..models import EnvironmentVariable

Source = EnvironmentVariable.Source


def exported_variables(organization: Organization) -> Iterator[dict[str, Any]]:
    """Yield an organization's variables by key; a direct value says that it is stored."""
    rows = EnvironmentVariable.objects.for_organization(organization).defer("credential__secrets")
    for variable in rows.select_related("credential").prefetch_related("automations").iterator(2_000):
        yield {
            "key": variable.key,
            "source": _source(variable),
            "value": STORED if variable.source == Source.DIRECT else "",
            "secret_name": variable.reference,
            "version_stage": variable.version_stage,
            "automations": sorted(automation.slug for automation in variable.automations.all()),
            "acknowledged": "true" if variable.acknowledged else "",
        }


def _source(variable: EnvironmentVariable) -> str:
    if variable.source == Source.CREDENTIAL and variable.credential:
        return f"{variable.source}:{variable.credential.name}"
    return f"{variable.source}:{variable.provider}" if variable.source == Source.PROVIDER_DEFAULT else variable.source

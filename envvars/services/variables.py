"""Decide and write: environment variables. Each function is one transaction, audited."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from credentials.models import Credential
from credentials.providers.base import VersionStage
from crewadmin.sealing import SealError
from organizations.audit import Detail, changing, record, record_many
from organizations.models import AuditEvent, Organization, User
from organizations.services.managers import changing_as_manager

from ..models import Automation, DeployedVariable, EnvironmentVariable, SecretReference
from ..names import reason_to_ask, reason_to_refuse
from ..references import Reference, Written

Action = AuditEvent.Action
Source = EnvironmentVariable.Source

_NOWHERE = Reference("")


@dataclass(frozen=True, slots=True)
class Value:
    """Where a variable's value comes from: a text, or a reference read with a credential or a provider's default."""

    source: Source
    text: str = field(default="", repr=False)
    provider: str = ""
    credential: Credential | None = None
    reference: Written = _NOWHERE


def add_variable(
    organization: Organization,
    by: User | None,
    *,
    key: str,
    value: Value,
    automations: Iterable[Automation] = (),
    acknowledged: bool = False,
) -> EnvironmentVariable:
    """Store a variable and assign it. `acknowledged`: its name's effect on programs is known, see envvars.names.

    Raises ValidationError if the organization has that `key` already, if the name is refused or needs to be
    `acknowledged`, for a `source` that was deleted meanwhile, or a direct `value` without text.
    """
    variable = EnvironmentVariable(organization=organization, created_by=by)
    with changing(organization):
        _take_key(variable, key, acknowledged=acknowledged)
        _take_value(variable, value, by)
        variable.save(force_insert=True)
        _index_secrets(variable)
        variable.automations.set(automations)
        record(organization, by, Action.VARIABLE_CREATED, variable)
    return variable


def change_variable(
    variable: EnvironmentVariable,
    by: User | None,
    *,
    key: str,
    value: Value,
    automations: Iterable[Automation],
    acknowledged: bool = False,
) -> EnvironmentVariable:
    """Store what changed; a direct value without text keeps the stored one, if there is one.

    Raises ValidationError as `add_variable` does, and what `managed_row` does.
    """
    organization = variable.organization
    with changing_as_manager(variable, by) as variable:
        moved = set(variable.automations.all()) != set(automations)
        changed = changed_fields(
            variable,
            lambda: _stored_text(variable),
            key=key,
            value=value,
            automations=moved,
            acknowledged=acknowledged,
        )
        if not changed:
            return variable
        _take_key(variable, key, acknowledged=acknowledged)
        _take_value(variable, value, by)
        variable.save()
        _index_secrets(variable)
        variable.automations.set(automations)
        record(organization, by, Action.VARIABLE_CHANGED, variable, {"fields": changed})
    return variable


def delete_variable(variable: EnvironmentVariable, by: User | None) -> None:
    """Delete a variable; automations that had it no longer receive it. Raises what `managed_row` does."""
    with changing_as_manager(variable, by) as variable:
        record(variable.organization, by, Action.VARIABLE_DELETED, variable)
        keep_hidden(EnvironmentVariable.objects.filter(pk=variable.pk))
        variable.delete()


def keep_hidden(variables: "QuerySet[EnvironmentVariable]") -> None:
    """Keep what was deployed with restricted variables hidden; the caller, inside `changing`, is about to delete them.

    They may have been restricted after the deployment, and once they are gone nothing else tells.
    """
    if hidden := list(variables.filter(restricted=True).values_list("uuid", flat=True)):
        DeployedVariable.objects.filter(variable_uuid__in=hidden).update(restricted=True)


def move_variables(variables: "QuerySet[Any]", to: Credential, by: User | None, *, as_default: bool) -> None:
    """Let variables be read with another credential: by its name, or as their provider's default.

    Audited by their keys, in few statements; the caller is inside `changing`.
    """
    moved = list(variables.values_list("uuid", "key"))
    variables.order_by().update(
        source=Source.PROVIDER_DEFAULT if as_default else Source.CREDENTIAL,
        provider=to.provider,
        credential=None if as_default else to,
        import_name="",
        updated_by=by,
        updated_at=timezone.now(),
    )
    details: dict[str, Detail] = {"fields": ["source"]}
    record_many(to.organization, by, [(Action.VARIABLE_CHANGED, uuid, key, details) for uuid, key in moved])


def _take_key(variable: EnvironmentVariable, key: str, *, acknowledged: bool) -> None:
    if reason := reason_to_refuse(key):
        raise ValidationError({"key": _("%(key)s is refused. %(reason)s") % {"key": key, "reason": reason}})
    if (reason := reason_to_ask(key)) and not acknowledged:
        raise ValidationError({"acknowledged": _("%(key)s: %(reason)s") % {"key": key, "reason": reason}})
    others = EnvironmentVariable.objects.filter(organization=variable.organization, key=key).exclude(pk=variable.pk)
    if others.exists():
        raise ValidationError(
            {"key": _("The organization has a variable with this key. Edit that one, or choose another key.")}
        )
    variable.key = key
    variable.acknowledged = bool(reason)


def _take_value(variable: EnvironmentVariable, value: Value, by: User | None) -> None:
    credentials = Credential.objects.filter(organization=variable.organization)
    if value.credential and not credentials.filter(pk=value.credential.pk).exists():
        raise ValidationError({"source": _("This credential was deleted meanwhile. Choose another value source.")})
    if value.source == Source.DIRECT and not value.text and variable.source != Source.DIRECT:
        raise ValidationError({"value": _("Type the value, or choose another value source.")})
    for column, content in columns_of(value).items():
        setattr(variable, column, content)
    variable.updated_by, variable.import_name = by, ""
    if value.source != Source.DIRECT:
        variable.value = None
    elif value.text:
        variable.value = value.text


def columns_of(value: Value) -> Mapping[str, str | int | None]:
    """Return what a row says of where its value comes from: everything but a value that is typed in."""
    if value.source == Source.DIRECT:
        return _DIRECT_COLUMNS
    return {
        "source": str(value.source),
        "provider": value.provider,
        "credential_id": value.credential.pk if value.credential else None,
        "reference": str(value.reference),
        "version_stage": str(value.reference.version_stage),
    }


_DIRECT_COLUMNS: Mapping[str, str | int | None] = {
    "source": Source.DIRECT.value,
    "provider": "",
    "credential_id": None,
    "reference": "",
    "version_stage": "",
}


def references_of(variable: EnvironmentVariable) -> list[SecretReference]:
    """Return the rows, not yet stored, that say which secrets a variable refers to."""
    return [
        SecretReference(
            variable=variable,
            position=position,
            secret_name=reference.secret_name,
            json_key=reference.json_key,
            version_stage=reference.version_stage,
        )
        for position, reference in enumerate(variable.references)
    ]


def _index_secrets(variable: EnvironmentVariable) -> None:
    variable.secret_references.all().delete()
    SecretReference.objects.bulk_create(references_of(variable))


class Stored(Protocol):
    """What is compared of a stored variable, an instance or a tuple: these columns and, by name, `columns_of`."""

    @property
    def key(self) -> str:
        """Its name."""

    @property
    def version_stage(self) -> str:
        """The version that is read; blank for a direct value."""

    @property
    def acknowledged(self) -> bool:
        """Whether its name's effect on programs is known."""


def changed_fields(
    stored: Stored,
    stored_text: Callable[[], str | None],
    *,
    key: str,
    value: Value,
    automations: bool,
    acknowledged: bool,
) -> list[str]:
    """Return the names of the fields that differ from what is stored, by the form's names.

    `stored_text` opens a direct value (or returns None); `automations` is whether those differ.
    """
    differs = {name: getattr(stored, name) != content for name, content in columns_of(value).items()}
    changed = {
        "key": stored.key != key,
        "source": differs["source"] or differs["provider"] or differs["credential_id"],
        "secret_name": differs["reference"],
        "version_stage": (stored.version_stage or VersionStage.CURRENT) != value.reference.version_stage,
        "automations": automations,
        "acknowledged": stored.acknowledged != (acknowledged and bool(reason_to_ask(key))),
        "value": bool(value.text) and value.text != stored_text(),
    }
    return [name for name, is_different in changed.items() if is_different]


def _stored_text(variable: EnvironmentVariable) -> str | None:
    try:
        return variable.value.reveal() if variable.source == Source.DIRECT else None
    except SealError:
        return None  # cannot be opened: whatever was typed replaces it

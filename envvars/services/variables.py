"""Decide and write: environment variables. Each function is one transaction, audited."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from credentials.models import Credential
from crewadmin.sealing import SealError
from organizations.audit import changing, record
from organizations.models import AuditEvent, Organization, User

from ..models import Automation, EnvironmentVariable
from ..references import Reference

Action = AuditEvent.Action
Source = EnvironmentVariable.Source


@dataclass(frozen=True)
class Value:
    """Where a variable's value comes from: a text, or a reference read with a credential or a provider's default."""

    source: Source
    text: str = field(default="", repr=False)
    provider: str = ""
    credential: Credential | None = None
    reference: Reference = field(default_factory=lambda: Reference(""))


def add_variable(
    organization: Organization, by: User | None, *, key: str, value: Value, automations: Iterable[Automation] = ()
) -> EnvironmentVariable:
    """Store a variable and assign it.

    Raises ValidationError if the organization has that `key` already, or for a `source` that was deleted meanwhile.
    """
    variable = EnvironmentVariable(organization=organization, created_by=by)
    with changing(organization):
        _take_key(variable, key)
        _take_value(variable, value, by)
        variable.save(force_insert=True)
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
) -> EnvironmentVariable:
    """Store what changed; a direct value without text keeps the stored one.

    Raises ValidationError if another variable of the organization has that `key`, or for a `source` that was deleted
    meanwhile, and EnvironmentVariable.DoesNotExist if the variable itself was.
    """
    organization = variable.organization
    with changing(organization):
        variable = EnvironmentVariable.objects.get(pk=variable.pk)
        moved = set(variable.automations.all()) != set(automations)
        changed = changed_fields(variable, lambda: _stored_text(variable), key=key, value=value, automations=moved)
        if not changed:
            return variable
        _take_key(variable, key)
        _take_value(variable, value, by)
        variable.save()
        variable.automations.set(automations)
        record(organization, by, Action.VARIABLE_CHANGED, variable, {"fields": changed})
    return variable


def delete_variable(variable: EnvironmentVariable, by: User | None) -> None:
    """Delete a variable; automations that had it no longer receive it.

    Raises EnvironmentVariable.DoesNotExist if it was deleted meanwhile.
    """
    with changing(variable.organization):
        variable = EnvironmentVariable.objects.select_related("organization").get(pk=variable.pk)
        record(variable.organization, by, Action.VARIABLE_DELETED, variable)
        variable.delete()


def _take_key(variable: EnvironmentVariable, key: str) -> None:
    others = EnvironmentVariable.objects.filter(organization=variable.organization, key=key).exclude(pk=variable.pk)
    if others.exists():
        raise ValidationError(
            {"key": _("The organization has a variable with this key. Edit that one, or choose another key.")}
        )
    variable.key = key


def _take_value(variable: EnvironmentVariable, value: Value, by: User | None) -> None:
    credentials = Credential.objects.filter(organization=variable.organization)
    if value.credential and not credentials.filter(pk=value.credential.pk).exists():
        raise ValidationError({"source": _("This credential was deleted meanwhile. Choose another value source.")})
    for column, content in columns_of(value).items():
        setattr(variable, column, content)
    variable.updated_by, variable.import_name = by, ""
    if value.source != Source.DIRECT:
        variable.value = None
    elif value.text:
        variable.value = value.text


def columns_of(value: Value) -> dict[str, str | int | None]:
    """Return what a row says of where its value comes from: everything but a value that is typed in."""
    return {
        "source": str(value.source),
        "provider": value.provider,
        "credential_id": value.credential.pk if value.credential else None,
        "secret_name": value.reference.secret_name,
        "json_key": value.reference.json_key,
    }


class Stored(Protocol):
    """What is compared of a stored variable: a model instance, or a tuple of these columns."""

    @property
    def key(self) -> str:
        """Its name."""

    @property
    def source(self) -> str:
        """The kind of its source; of the columns the others are read by their names in `columns_of`."""


def changed_fields(
    stored: Stored, stored_text: Callable[[], str | None], *, key: str, value: Value, automations: bool
) -> list[str]:
    """Return the names of the fields that differ from what is stored, by the form's names.

    `stored_text` opens a direct value (or returns None); `automations` is whether those differ.
    """
    columns = columns_of(value)
    differs = {name: getattr(stored, name) != content for name, content in columns.items()}
    changed = {
        "key": stored.key != key,
        "source": differs["source"] or differs["provider"] or differs["credential_id"],
        "secret_name": differs["secret_name"] or differs["json_key"],
        "automations": automations,
        "value": bool(value.text) and value.text != stored_text(),
    }
    return [name for name, is_different in changed.items() if is_different]


def _stored_text(variable: EnvironmentVariable) -> str | None:
    try:
        return variable.value.reveal() if variable.source == Source.DIRECT else None
    except SealError:
        return None  # cannot be opened: whatever was typed replaces it

"""Decide and write: very many variables in one transaction, as an import brings them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django.db.models import CharField, Q
from django.db.models.functions import Cast
from django.utils import timezone

from crewadmin.bulk import among, upsert
from crewadmin.sealing import SealedBytes, SealError, seal, unseal
from organizations.audit import record_many
from organizations.models import AuditEvent, Organization, User

from ..models import Automation, EnvironmentVariable, SecretReference
from .variables import Source, Value, changed_fields, columns_of, keep_hidden, references_of

Action = AuditEvent.Action
#: Rows that are read, compared and written together.
BATCH = 2_000


class StoredVariable(NamedTuple):
    """A stored variable as an import compares it: its columns, the value sealed."""

    uuid: UUID
    key: str
    source: str
    provider: str
    credential_id: int | None
    reference: str
    version_stage: str
    acknowledged: bool
    value: SealedBytes | None
    import_name: str
    updated_at: str


#: `updated_at` as a text, whose only use is to be compared: an object would take longer to make than all else of a row.
_COLUMNS = [Cast(name, CharField()) if name == "updated_at" else name for name in StoredVariable._fields]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A variable as a file wants it. `automations` are primary keys; None leaves them as they are.

    `acknowledged`: the name is one that `envvars.names` asks about, and the file says that this is meant.
    """

    key: str
    value: Value
    automations: frozenset[int] | None = None
    acknowledged: bool = False


@dataclass(slots=True)
class _Row:
    """The place that values are sealed for: one row after the other takes it, which is quicker than model instances."""

    organization: Organization
    organization_id: int
    uuid: UUID = field(default_factory=uuid4)
    _meta: Any = EnvironmentVariable._meta


class VariableStore:
    """Reads and writes an organization's variables in batches; everything but reading belongs inside `changing`."""

    def __init__(self, organization: Organization, by: User | None, import_name: str) -> None:
        self.organization, self.by, self.import_name = organization, by, import_name
        self._row = _Row(organization, organization.pk)
        self._through = Automation.variables.through

    def stored(self, keys: Iterable[str]) -> dict[str, StoredVariable]:
        """Return the variables there are among `keys`, by key."""
        rows = EnvironmentVariable.objects.filter(organization=self.organization, key__in=among(keys))
        return {row[1]: StoredVariable(*row) for row in rows.values_list(*_COLUMNS)}

    def managed(self, keys: Iterable[str], condition: Q) -> set[str]:
        """Return those of `keys` whose variables meet the condition of what a member manages."""
        rows = EnvironmentVariable.objects.filter(condition, organization=self.organization, key__in=among(keys))
        return set(rows.values_list("key", flat=True))

    def assignments(self, keys: Iterable[str]) -> dict[str, frozenset[int]]:
        """Return the automations that receive each of `keys`, where there is any."""
        rows = self._through._default_manager.filter(
            environmentvariable__organization=self.organization, environmentvariable__key__in=among(keys)
        )
        found: dict[str, set[int]] = {}
        for key, automation in rows.values_list("environmentvariable__key", "automation_id"):
            found.setdefault(key, set()).add(automation)
        return {key: frozenset(automations) for key, automations in found.items()}

    def changed(self, stored: StoredVariable, wanted: Wanted, assigned: frozenset[int]) -> list[str]:
        """Return the names of the fields in which a stored variable differs, decided as for the page."""
        moved = wanted.automations is not None and wanted.automations != assigned
        text = partial(self._text, stored)
        return changed_fields(
            stored,
            text,
            key=wanted.key,
            value=wanted.value,
            automations=moved,
            acknowledged=wanted.acknowledged,
        )

    def write(self, changes: Sequence[tuple[StoredVariable | None, Wanted, Sequence[str]]]) -> None:
        """Add variables, and change those that are stored: each with what is stored of it and the changed fields."""
        uuids = [stored.uuid if stored else uuid4() for stored, _wanted, _fields in changes]
        rows = (
            (
                uuid,
                wanted.key,
                *columns_of(wanted.value).values(),
                wanted.acknowledged,
                self._sealed(uuid, stored, wanted.value),
            )
            for uuid, (stored, wanted, _fields) in zip(uuids, changes, strict=True)
        )
        by, now = self.by and self.by.pk, timezone.now()
        place = ("source", "provider", "credential", "reference", "version_stage")
        columns = ("uuid", "key", *place, "acknowledged", "value")
        changing = {"import_name": self.import_name, "updated_at": now, "updated_by": by}
        same = {"organization": self.organization.pk, "created_at": now, "created_by": by, **changing}
        # Databases insert much faster where nothing can be there already.
        is_new = not any(stored for stored, _wanted, _fields in changes)
        upsert(EnvironmentVariable, columns, rows, same, update=() if is_new else (*columns[2:], *changing))
        self._index_secrets(
            [
                (uuid, wanted.value)
                for uuid, (stored, wanted, _fields) in zip(uuids, changes, strict=True)
                if wanted.value.source != Source.DIRECT or (stored and stored.source != Source.DIRECT)
            ]
        )
        self._assign(
            [
                (uuid, wanted)
                for uuid, (_stored, wanted, fields) in zip(uuids, changes, strict=True)
                if wanted.automations or "automations" in fields
            ]
        )
        record_many(
            self.organization,
            self.by,
            [
                (Action.VARIABLE_CHANGED, uuid, wanted.key, {"fields": list(fields)})
                if stored
                else (Action.VARIABLE_CREATED, uuid, wanted.key, {})
                for uuid, (stored, wanted, fields) in zip(uuids, changes, strict=True)
            ],
        )

    def left_over(self, keys: "set[str]", condition: Q | None) -> list[StoredVariable]:
        """Return the variables as the import of this name left them whose keys are not among `keys`, by key.

        `condition` is what a member manages; None is everything.
        """
        rows = EnvironmentVariable.objects.filter(
            condition or Q(), organization=self.organization, import_name=self.import_name
        )
        values = rows.order_by("key").values_list(*_COLUMNS)
        return [StoredVariable(*row) for row in values.iterator(BATCH) if row[1] not in keys]

    def remove(self, variables: Sequence[StoredVariable]) -> None:
        """Delete variables; automations that had them no longer receive them."""
        for start in range(0, len(variables), BATCH):
            batch = variables[start : start + BATCH]
            record_many(self.organization, self.by, [(Action.VARIABLE_DELETED, one.uuid, one.key, {}) for one in batch])
            rows = EnvironmentVariable.objects.filter(organization=self.organization)
            rows = rows.filter(uuid__in=[one.uuid for one in batch])
            keep_hidden(rows)
            rows.delete()

    def _sealed(self, uuid: UUID, stored: StoredVariable | None, value: Value) -> SealedBytes | None:
        if value.source != Source.DIRECT:
            return None
        if not value.text:
            return stored and stored.value
        self._row.uuid = uuid
        return seal(self._row, "value", value.text)

    def _text(self, stored: StoredVariable) -> str | None:
        if stored.value is None:
            return None
        self._row.uuid = stored.uuid
        try:
            return str(unseal(self._row, "value", stored.value).reveal())
        except SealError:
            return None  # cannot be opened: what the file says replaces it

    def _index_secrets(self, values: Sequence[tuple[UUID, Value]]) -> None:
        """Keep the table of secrets that variables refer to in step."""
        ids = _ids(uuid for uuid, _value in values)
        if not ids:
            return
        SecretReference.objects.filter(variable_id__in=ids.values()).delete()
        variables = [EnvironmentVariable(pk=ids[uuid], **columns_of(value)) for uuid, value in values]
        rows = [row for variable in variables for row in references_of(variable)]
        SecretReference.objects.bulk_create(rows, batch_size=BATCH)

    def _assign(self, wanted: Sequence[tuple[UUID, Wanted]]) -> None:
        """Let exactly the wanted automations receive each variable."""
        ids = _ids(uuid for uuid, _wanted in wanted)
        if not ids:
            return
        links = self._through._default_manager
        links.filter(environmentvariable_id__in=ids.values()).delete()
        links.bulk_create(
            [
                self._through(environmentvariable_id=ids[uuid], automation_id=automation)
                for uuid, one in wanted
                for automation in one.automations or ()
            ],
            batch_size=BATCH,
        )


def _ids(uuids: Iterable[UUID]) -> dict[UUID, int]:
    """Return the primary keys of variables by their public ids."""
    return dict(EnvironmentVariable.objects.filter(uuid__in=list(uuids)).values_list("uuid", "pk"))

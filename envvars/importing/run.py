"""One import of environment variables."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

from crewadmin.importing.plan import Action, Plan, decide
from crewadmin.importing.rows import Row
from crewadmin.importing.source import Limits, Source
from organizations.access import Feature
from organizations.importing import Choices, Import, Progress
from organizations.models import AuditEvent, Organization, User

from ..services.imports import BATCH, StoredVariable, VariableStore, Wanted
from ..services.variables import Source as ValueSource
from .formats import FORMATS, format_of
from .reach import Reach, everything, reach_of
from .rows import RowReader

T = TypeVar("T")
NOTHING: frozenset[int] = frozenset()


class VariableImport(Import):
    """Reads, compares and writes in batches, so that memory does not grow with the file's rows.

    `format_name` is one of FORMATS, or "" to go by the file.
    """

    imported = AuditEvent.Action.VARIABLES_IMPORTED
    feature = Feature.ENVIRONMENT_VARIABLES

    def __init__(
        self,
        organization: Organization,
        by: User | None,
        source: Source,
        choices: Choices,
        limits: Limits,
        *,
        format_name: str = "",
    ) -> None:
        super().__init__(organization, by, [source], choices, limits)
        self.source = source
        self.read = FORMATS[format_name or format_of(source)]

    def walk(self, plan: Plan, progress: Progress, *, write: bool) -> None:
        """See Import."""
        store = VariableStore(self.organization, self.by, self.choices.name)
        reader = RowReader(self._reach(), self.findings)
        last = self.source.text.count("\n") + 1
        for rows in _batches(self.read(self.source, self.limits, self.findings), BATCH):
            changes = self._compare(plan, store, reader, rows)
            if write and changes and not self.findings:
                store.write(changes)
            progress(rows[-1].line, last)
        if self.choices.prune and not self.findings:
            self._prune(plan, store, reader, write=write)

    def _reach(self) -> Reach:
        return reach_of(self.membership) if self.membership else everything(self.organization)

    def _compare(
        self, plan: Plan, store: VariableStore, reader: RowReader, rows: Sequence[Row]
    ) -> list[tuple[StoredVariable | None, Wanted, Sequence[str]]]:
        """Add each row to the plan; return what is to be written."""
        wanted = [(row, one) for row in rows if (one := reader.read(row))]
        keys = [one.key for _row, one in wanted]
        stored = store.stored(keys)
        managed = store.managed(keys, reader.reach.variables) if reader.reach.variables else stored.keys()
        assigned = store.assignments(keys) if any(one.automations is not None for _row, one in wanted) else {}
        automations = frozenset(reader.reach.automations.values())
        changes: list[tuple[StoredVariable | None, Wanted, Sequence[str]]] = []
        for row, one in wanted:
            there = stored.get(one.key)
            if there and one.key not in managed:
                reader.beyond_reach(row)
                continue
            if _keeps(one) and (there is None or there.source != ValueSource.DIRECT):
                reader.lacks_value(row)
                continue
            receives = assigned.get(one.key, NOTHING)
            if one.automations is not None:  # those beyond reach keep it, as on the page
                one = replace(one, automations=one.automations | (receives - automations))
            fields = store.changed(there, one, receives) if there else []
            is_ours = there is not None and there.import_name == self.choices.name
            action = decide(fields, exists=there is not None, is_ours=is_ours, on_conflict=self.choices.on_conflict)
            plan.add(action, one.key, fields, _state(there, receives))
            if action in (Action.CREATE, Action.CHANGE):
                changes.append((there, one, fields))
        return changes

    def _prune(self, plan: Plan, store: VariableStore, reader: RowReader, *, write: bool) -> None:
        left_over = store.left_over(reader.keys, reader.reach.variables)
        for one in left_over:
            plan.add(Action.REMOVE, one.key, (), _state(one, NOTHING))
        if write:
            store.remove(left_over)


def _keeps(wanted: Wanted) -> bool:
    return wanted.value.source is ValueSource.DIRECT and not wanted.value.text


def _state(stored: StoredVariable | None, assigned: frozenset[int]) -> Any:
    """Return what must not move between a plan and its application."""
    if stored is None:
        return None
    # Texts: a digest is made of this for every row, and other objects take long to be written as one.
    return stored.uuid.hex, stored.updated_at, stored.import_name, sorted(assigned)


def _batches(things: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(things)
    while batch := list(islice(iterator, size)):
        yield batch

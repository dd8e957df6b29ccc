"""What an import would do: each row's action with the names of changed fields, counts, and one digest of all."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Action(StrEnum):
    """What becomes of one row."""

    CREATE = "create"
    CHANGE = "change"
    KEEP = "keep"
    SKIP = "skip"
    CONFLICT = "conflict"
    REMOVE = "remove"

    @property
    def label(self) -> Promise:
        """The action in a word for people."""
        return _LABELS[self]


_LABELS: dict[Action, Promise] = {
    Action.CREATE: _("create"),
    Action.CHANGE: _("change"),
    Action.KEEP: _("keep"),
    Action.SKIP: _("skip"),
    Action.CONFLICT: _("conflict"),
    Action.REMOVE: _("remove"),
}


class OnConflict(StrEnum):
    """What to do with a row that differs and was not left as it is by the same import."""

    FAIL = "fail"
    SKIP = "skip"
    UPDATE = "update"


class Item(NamedTuple):
    """One row of a plan: what becomes of it, its name, and the names of the fields that differ."""

    action: Action
    name: str
    fields: tuple[str, ...] = ()


class Plan:
    """What an import does. Rows that stay as they are are counted only."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.counts: Counter[Action] = Counter(dict.fromkeys(Action, 0))
        #: What the operator should know although nothing is wrong.
        self.notes: list[str] = []
        self._digest = hashlib.sha256()

    def add(self, action: Action, name: str, fields: Sequence[str] = (), state: Any = None) -> None:
        """Add a row's action. `state` is whatever of the stored row must not move until the plan is applied."""
        self.counts[action] += 1
        if action is not Action.KEEP:
            self.items.append(Item(action, name, tuple(fields)))
        self._digest.update(f"{action}\0{name}\0{','.join(fields)}\0{state}\n".encode())

    @property
    def digest(self) -> bytes:
        """A digest over every row's action and stored state, in order."""
        return self._digest.digest()

    @property
    def conflicts(self) -> int:
        """How many rows are in the way of applying."""
        return self.counts[Action.CONFLICT]

    @property
    def changes(self) -> bool:
        """Whether applying changes anything."""
        return any(self.counts[action] for action in (Action.CREATE, Action.CHANGE, Action.REMOVE))


def decide(fields: Sequence[str], *, exists: bool, is_ours: bool, on_conflict: OnConflict) -> Action:
    """Return what becomes of a row whose `fields` differ from what is stored.

    `is_ours`: the stored row is as an import of the same name left it. Whoever edited it since then, or stored it in
    another way, is asked about by a conflict and not overwritten.
    """
    if not exists:
        return Action.CREATE
    if not fields:
        return Action.KEEP
    if is_ours or on_conflict is OnConflict.UPDATE:
        return Action.CHANGE
    return Action.SKIP if on_conflict is OnConflict.SKIP else Action.CONFLICT

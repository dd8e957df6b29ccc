"""Whether a pasted IAM policy grants what is needed, and what it grants beyond.

Only the text is judged: other policies of the same user or role, permissions boundaries and the organization's rules
are not known here. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .globs import GlobSet
from .policies import WITHOUT_RESOURCE
from .policy_document import Patterns, Statement, parse_policy, statements_of


class State(StrEnum):
    """What the policy says to one need."""

    GRANTED = "granted"
    MISSING = "missing"
    DENIED = "denied"


class Verdict(StrEnum):
    """The comparison in a word."""

    SAME = "same"
    MISSING = "missing"
    WIDER = "wider"
    MISSING_AND_WIDER = "missing_and_wider"


class Reason(StrEnum):
    """Why a statement was not judged."""

    CONDITION = "condition"
    VARIABLE = "variable"


@dataclass(frozen=True, slots=True)
class Judged:
    """One need and what the policy says to it.

    `statements` are the numbers, from 1, of those that grant or deny it. `partly`: only some of the resources are
    granted (for MISSING) or denied (for DENIED). `depends_on` are statements that were not judged and might change it.
    """

    action: str
    resource: str
    state: State
    statements: tuple[int, ...] = ()
    partly: bool = False
    depends_on: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Wider:
    """What one statement grants beyond the need: every one of these actions on every one of these resources."""

    statement: int
    actions: Patterns
    resources: Patterns


@dataclass(frozen=True, slots=True)
class NotJudged:
    """A statement that depends on something the text does not tell, and so counts neither as grant nor as denial."""

    statement: int
    effect: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Comparison:
    """A policy held against a need; `verdict` leaves out what is `not_judged`, so show both."""

    needs: tuple[Judged, ...]
    wider: tuple[Wider, ...]
    not_judged: tuple[NotJudged, ...]

    @property
    def verdict(self) -> Verdict:
        """What the judged statements amount to."""
        missing = any(need.state is not State.GRANTED for need in self.needs)
        if missing:
            return Verdict.MISSING_AND_WIDER if self.wider else Verdict.MISSING
        return Verdict.WIDER if self.wider else Verdict.SAME


def compare(existing_text: str, needed: Mapping[str, Any]) -> Comparison:
    """Hold a pasted identity policy against `needed`, one of `policies`' (plain Allow statements).

    A statement with a condition is judged only if `needed` has the same condition. Raises PolicyError for a text that
    is not an identity policy.
    """
    wanted = _Statements(statements_of(needed))
    statements = parse_policy(existing_text)
    conditions = {statement.condition for statement in wanted}
    unjudged = {statement.number: reason for statement in statements if (reason := _reason(statement, conditions))}
    judged = [statement for statement in statements if statement.number not in unjudged]
    allows = _Statements(statement for statement in judged if statement.effect == "Allow")
    denies = _Statements(statement for statement in judged if statement.effect == "Deny")
    open_ = _Statements(statement for statement in statements if statement.number in unjudged)
    return Comparison(
        needs=tuple(_judged(need, allows, denies, open_) for need in _needs(wanted)),
        wider=tuple(beyond for allow in allows for beyond in _beyond(allow, wanted, denies)),
        not_judged=tuple(
            NotJudged(statement.number, statement.effect, unjudged[statement.number]) for statement in open_
        ),
    )


def _reason(statement: Statement, conditions: set[str]) -> Reason | None:
    if statement.has_variable:
        return Reason.VARIABLE
    known = statement.effect == "Allow" and statement.condition in conditions
    return Reason.CONDITION if statement.condition and not known else None


@dataclass(frozen=True, slots=True)
class _Need:
    action: str
    resource: str
    condition: str


def _needs(wanted: Iterable[Statement]) -> Iterator[_Need]:
    for statement in wanted:
        for action in statement.actions.texts:
            for resource in statement.resources.texts:
                yield _Need(action, resource, statement.condition)


#: What an action without resources is asked on; of all patterns only those that match everything match it.
_NO_RESOURCE = "\0"
# With an optional end, so that openings without one are not each read to the end.
_VARIABLE = re.compile(r"\$\{[^}]*\}?")


def _as_action(text: str) -> str:
    return text.lower()


def _as_resource(text: str) -> str:
    """IAM adds the missing fields to an ARN that has fewer than six.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns
    """
    text = _VARIABLE.sub("*", text)
    return text + ":*" * (5 - text.count(":")) if text.startswith("arn:") else text


class _Side:
    """The actions, or the resources, of several statements; answers are the statements' numbers."""

    def __init__(self, patterns: Mapping[int, Patterns], normalized: Callable[[str], str]) -> None:
        self._normalized = normalized
        self._globs = GlobSet((number, normalized(text)) for number, found in patterns.items() for text in found.texts)
        self._inverted = frozenset(number for number, found in patterns.items() if found.inverted)

    def covering(self, glob: str) -> frozenset[int]:
        glob = self._normalized(glob)
        return (self._globs.covering(glob) - self._inverted) | (self._inverted - self._globs.meeting(glob))

    def meeting(self, glob: str) -> frozenset[int]:
        glob = self._normalized(glob)
        return (self._globs.meeting(glob) - self._inverted) | (self._inverted - self._globs.covering(glob))


class _Statements:
    """Several statements, asked together which of them apply to an action on a resource."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        self._by_number = {statement.number: statement for statement in statements}
        self.actions = _Side({number: found.actions for number, found in self._by_number.items()}, _as_action)
        self.resources = _Side({number: found.resources for number, found in self._by_number.items()}, _as_resource)

    def __iter__(self) -> Iterator[Statement]:
        return iter(self._by_number.values())

    def applying(self, need: _Need) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the statements that apply to all, and those that apply to some, of what is needed."""
        resource = _NO_RESOURCE if need.action in WITHOUT_RESOURCE else need.resource
        wholly = self.actions.covering(need.action) & self.resources.covering(resource)
        partly = self.actions.meeting(need.action) & self.resources.meeting(resource)
        return tuple(sorted(wholly)), tuple(sorted(partly))

    def under(self, condition: str) -> frozenset[int]:
        """Return the statements without a condition, and those with this one."""
        return frozenset(found.number for found in self if found.condition in ("", condition))


def _judged(need: _Need, allows: _Statements, denies: _Statements, unjudged: _Statements) -> Judged:
    depends_on = unjudged.applying(need)[1]
    wholly, partly = denies.applying(need)
    if partly:
        return Judged(need.action, need.resource, State.DENIED, partly, not wholly, depends_on)
    usable = allows.under(need.condition)
    wholly, partly = (tuple(number for number in numbers if number in usable) for numbers in allows.applying(need))
    if wholly:
        return Judged(need.action, need.resource, State.GRANTED, wholly, depends_on=depends_on)
    return Judged(need.action, need.resource, State.MISSING, partly, bool(partly), depends_on)


def _beyond(allow: Statement, wanted: _Statements, denies: _Statements) -> Iterator[Wider]:
    """Yield what a statement grants that is neither needed nor denied; actions that exceed alike come together."""
    usable = wanted.under(allow.condition)
    groups: dict[tuple[frozenset[int], frozenset[int]], list[str]] = defaultdict(list)
    for action in allow.actions.globs:
        groups[wanted.actions.covering(action) & usable, denies.actions.covering(action)].append(action)
    resources = [
        (text, wanted.resources.covering(text), denies.resources.covering(text)) for text in allow.resources.globs
    ]
    for (needed, denied), actions in groups.items():
        texts = tuple(text for text, within, refused in resources if not (needed & within or denied & refused))
        if texts:
            yield Wider(
                allow.number,
                allow.actions if allow.actions.inverted else Patterns(tuple(actions)),
                allow.resources if allow.resources.inverted else Patterns(texts),
            )

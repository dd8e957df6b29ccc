"""IAM policy evaluation: what moto leaves out.

moto ignores conditions whose key is missing, knows no `:root` principal and looks at Secrets Manager with resource `*`.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Document = Mapping[str, Any]

_ELEMENTS = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "Condition"}


class Verdict(Enum):
    """What policies say to a question; nothing said is a no, and a Deny beats every Allow."""

    ALLOWED = "allowed"
    NOT_ALLOWED = "not allowed"
    DENIED = "denied"


@dataclass(frozen=True)
class Question:
    """May this action be done on this resource? `context` has lower-case condition keys; `principals` is who asks.

    Principals matter to trust policies only; identity policies do not name any.
    """

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)
    principals: frozenset[str] = frozenset()


def evaluate(documents: Iterable[Document], question: Question) -> Verdict:
    """Return what the policies say together."""
    effects = {
        statement["Effect"]
        for document in documents
        for statement in _statements(document)
        if _applies(statement, question)
    }
    if "Deny" in effects:
        return Verdict.DENIED
    return Verdict.ALLOWED if "Allow" in effects else Verdict.NOT_ALLOWED


def check(document: Document) -> None:
    """Raise ValueError if the policy uses something that is not evaluated here: better than a wrong verdict."""
    for statement in _statements(document):
        unknown = set(statement) - _ELEMENTS
        unknown |= {operator for operator in statement.get("Condition", {}) if _operator(operator) not in _OPERATORS}
        if unknown:
            raise ValueError(f"The sandbox does not evaluate {sorted(unknown)}.")


def _statements(document: Document) -> Iterator[Document]:
    yield from _as_list(document["Statement"])


def _applies(statement: Document, question: Question) -> bool:
    return (
        _element_matches(statement, "Action", question.action.lower(), str.lower)
        and _element_matches(statement, "Resource", question.resource, str)
        and _principal_matches(statement, question.principals)
        and _conditions_hold(statement.get("Condition", {}), question.context)
    )


def _element_matches(statement: Document, element: str, asked: str, normalize: Callable[[str], str]) -> bool:
    """Match Action/NotAction or Resource/NotResource; a trust policy has no Resource, it *is* the resource's."""
    if f"Not{element}" in statement:
        return not any(_like(asked, normalize(pattern)) for pattern in _as_list(statement[f"Not{element}"]))
    return any(_like(asked, normalize(pattern)) for pattern in _as_list(statement.get(element, "*")))


def _principal_matches(statement: Document, principals: frozenset[str]) -> bool:
    if "Principal" not in statement:
        return True
    named = statement["Principal"]
    return not principals.isdisjoint(_as_list(named if isinstance(named, str) else named.get("AWS", [])))


def _conditions_hold(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    return all(
        _condition_holds(name, _as_list(expected), context.get(key.lower()))
        for name, block in conditions.items()
        for key, expected in block.items()
    )


def _condition_holds(name: str, expected: list[Any], actual: str | None) -> bool:
    """A missing key is no match, except for a negated operator and for `...IfExists`."""
    matches, negated = _OPERATORS[_operator(name)]
    if actual is None:
        return negated or name.endswith("IfExists")
    return any(matches(actual, str(value)) for value in expected) is not negated


def _operator(name: str) -> str:
    return name.removesuffix("IfExists")


def _equal(actual: str, expected: str) -> bool:
    return actual == expected


def _like(actual: str, pattern: str) -> bool:
    """Match IAM's wildcards, which are `*` and `?` only: brackets, which fnmatch knows, are plain characters."""
    expression = "".join({"*": ".*", "?": "."}.get(character) or re.escape(character) for character in pattern)
    return re.fullmatch(expression, actual, re.DOTALL) is not None


def _same_bool(actual: str, expected: str) -> bool:
    return actual.lower() == expected.lower()


_OPERATORS: Mapping[str, tuple[Callable[[str, str], bool], bool]] = {
    "StringEquals": (_equal, False),
    "StringNotEquals": (_equal, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "ArnEquals": (_like, False),
    "ArnLike": (_like, False),
    "Bool": (_same_bool, False),
}
"""Operator -> how a value is compared, and whether the outcome is negated."""


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]

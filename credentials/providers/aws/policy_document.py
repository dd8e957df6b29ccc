"""A pasted IAM identity policy, read strictly: what IAM would refuse, or read in another way, is an error here.

Errors say where, and never repeat what was pasted.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

#: Characters. The longest policy of AWS's own fits, indented; your own have 10,240 at most.
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MAX_TEXT = 65_536
#: Brackets inside each other; a policy needs six.
MAX_DEPTH = 20
#: No policy of 10,240 characters has room for more.
MAX_STATEMENTS = 250


class PolicyError(ValueError):
    """What was pasted is not an identity policy. `line` and `column`, or `statement`, count from 1; 0 is unknown."""

    def __init__(self, problem: Promise, *, line: int = 0, column: int = 0) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line
        self.column = column
        self.statement = 0

    def __str__(self) -> str:
        words = {"line": self.line, "column": self.column, "statement": self.statement, "problem": self.problem}
        if self.line:
            return str(_("Line %(line)d, column %(column)d: %(problem)s")) % words
        if self.statement:
            return str(_("Statement %(statement)d: %(problem)s")) % words
        return str(self.problem)


@dataclass(frozen=True, slots=True)
class Patterns:
    """The patterns of Action or Resource; `inverted` for NotAction and NotResource: everything but these."""

    texts: tuple[str, ...]
    inverted: bool = False

    @property
    def globs(self) -> tuple[str, ...]:
        """Patterns that match at least as much as is meant."""
        return ("*",) if self.inverted else self.texts


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; `number` counts from 1, `condition` is its JSON in a fixed form, empty if there is none."""

    number: int
    effect: str
    actions: Patterns
    resources: Patterns
    condition: str = ""

    @property
    def has_variable(self) -> bool:
        """Whether a resource depends on who asks, as in `${aws:username}`."""
        return any("${" in text for text in self.resources.texts)


def parse_policy(text: str) -> tuple[Statement, ...]:
    """Return the statements of a pasted policy, also as the AWS CLI prints one. Raises PolicyError."""
    if len(text) > MAX_TEXT:
        raise PolicyError(_("This is longer than any policy (64 KB)."))
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise PolicyError(_("Paste the JSON text of a policy."))
    _check_depth(text)
    document = _loaded(text)
    _check_keys(text)
    return statements_of(_unwrapped(document))


def statements_of(document: object) -> tuple[Statement, ...]:
    """Return the statements of a policy that is JSON already. Raises PolicyError."""
    if not isinstance(document, Mapping) or "Statement" not in document:
        raise PolicyError(_("A policy is a JSON object with Version and Statement."))
    if document.keys() - {"Version", "Id", "Statement"}:
        raise PolicyError(_("Only Version, Id and Statement belong to the top of a policy."))
    if document.get("Version", "2012-10-17") not in ("2012-10-17", "2008-10-17"):
        raise PolicyError(_("The Version of a policy is 2012-10-17."))
    statements = document["Statement"]
    listed = statements if isinstance(statements, list) else [statements]
    if not 0 < len(listed) <= MAX_STATEMENTS:
        raise PolicyError(_("A policy has between 1 and 250 statements."))
    return tuple(_statement(number, found) for number, found in enumerate(listed, 1))


def _loaded(text: str) -> object:
    try:
        # Numbers have no place in a policy; as float any length of them is read in linear time.
        return json.loads(text, parse_int=float, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise _located(_json_problem(error.msg), text, error.pos) from None


def _refuse_constant(_constant: str) -> NoReturn:
    raise PolicyError(_("NaN and Infinity are not JSON."))


#: What Python's reader says -> what it means for somebody who edits a policy.
_JSON_PROBLEMS = {
    "Expecting ',' delimiter": _("A comma is missing here, or a bracket is not closed."),
    "Expecting ':' delimiter": _("A colon is missing here."),
    "Expecting property name": _("A name in straight double quotes must follow here; a comma may be left over."),
    "Illegal trailing comma": _("This comma is left over: nothing follows it."),
    "Expecting value": _("A value must follow here: a text in straight double quotes, a list or an object."),
    "Unterminated string": _("This text has no closing quotation mark."),
    "Invalid control character": _("This text is broken into lines, or holds a character that JSON does not allow."),
    "Extra data": _("The policy ends before this; remove what follows."),
}


def _json_problem(message: str) -> Promise:
    return next((ours for theirs, ours in _JSON_PROBLEMS.items() if message.startswith(theirs)), _("Not valid JSON."))


def _located(problem: Promise, text: str, position: int) -> PolicyError:
    line_start = text.rfind("\n", 0, position) + 1
    return PolicyError(problem, line=text.count("\n", 0, position) + 1, column=position - line_start + 1)


# Possessive, and with an optional end: a text without a closing quotation mark is read once, not from every quote.
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[{}\[\]]', re.DOTALL)
_COLON = re.compile(r"\s*+:")


def _check_depth(text: str) -> None:
    """Refuse deep nesting before anything recursive reads it."""
    depth = 0
    for token in _TOKENS.finditer(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token[0], 0)
        if depth > MAX_DEPTH:
            raise _located(_("Brackets are nested more deeply than in any policy."), text, token.start())


def _check_keys(text: str) -> None:
    """Refuse a name that stands twice in one object of this valid JSON: readers disagree on which of the two counts."""
    seen: list[set[str]] = []
    for token in _TOKENS.finditer(text):
        if token[0] in "{[":
            seen.append(set())
        elif token[0] in "}]":
            seen.pop()
        elif _COLON.match(text, token.end()):
            key = json.loads(token[0])
            if key in seen[-1]:
                raise _located(_("This name stands twice in the same object."), text, token.start())
            seen[-1].add(key)


def _unwrapped(document: object) -> object:
    """Return the policy inside what `aws iam get-policy-version` and `get-user-policy` print."""
    if isinstance(document, dict):
        if "PolicyDocument" in document:
            return document["PolicyDocument"]
        if isinstance(document.get("PolicyVersion"), dict):
            return document["PolicyVersion"].get("Document")
    return document


_ELEMENTS = frozenset({"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"})
_ACTION = re.compile(r"\*|[\w*?-]{1,64}:[\w*?-]{1,128}", re.ASCII)
_RESOURCE = re.compile(r"\*|arn:[ -~\xa1-\xff]{1,2048}")


def _statement(number: int, found: object) -> Statement:
    try:
        return _checked(number, found)
    except PolicyError as error:
        error.statement = number
        raise


def _checked(number: int, found: object) -> Statement:
    if not isinstance(found, Mapping):
        raise PolicyError(_("A statement is a JSON object with Effect, Action and Resource."))
    if "Principal" in found or "NotPrincipal" in found:
        raise PolicyError(
            _("Principal belongs to a trust policy or a resource's policy. Paste the policy of the IAM user or role.")
        )
    if found.keys() - _ELEMENTS:
        raise PolicyError(_("It has an element that is not known here; capital letters count."))
    if found.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError(_("Effect must be Allow or Deny."))
    actions = _patterns(found, "Action", _ACTION, _("An action looks like secretsmanager:GetSecretValue."))
    resources = _patterns(found, "Resource", _RESOURCE, _("A resource is * or an ARN."))
    return Statement(number, found["Effect"], actions, resources, _condition(found.get("Condition", {})))


def _patterns(found: Mapping[str, Any], element: str, form: re.Pattern[str], problem: Promise) -> Patterns:
    present = [name for name in (element, f"Not{element}") if name in found]
    if len(present) != 1:
        raise PolicyError(
            _("It needs either Action or NotAction.")
            if element == "Action"
            else _("It needs either Resource or NotResource.")
        )
    value = found[present[0]]
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(text, str) and form.fullmatch(text) for text in listed):
        raise PolicyError(problem)
    return Patterns(tuple(dict.fromkeys(listed)), inverted=present[0] != element)


def _condition(found: object) -> str:
    if not isinstance(found, Mapping):
        raise PolicyError(_("Condition must be a JSON object."))
    return json.dumps(found, sort_keys=True) if found else ""

"""How variables and resolutions read on pages and on the command line."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.text import Truncator
from django.utils.translation import gettext as _

from credentials.providers.failures import explain
from organizations.access import Access

from .checking import CheckedPart
from .models import EnvironmentVariable
from .resolving import Problem, Resolution


@dataclass(frozen=True)
class Outcome:
    """What became of one variable: whether it has a value, and if not, why and what to do."""

    ok: bool
    title: str = ""
    detail: str = ""
    keys: tuple[str, ...] = ()
    nearest: str = ""


def source_name(variable: EnvironmentVariable, access: Access) -> str:
    """Return the value source of a variable from `shown_variables`; a credential's name only where it may be named."""
    if variable.credential and variable.names_credential:
        return variable.credential.name
    if variable.credential and variable.credential.restricted and access.secret_providers.read:
        return _("A restricted credential")
    return variable.source_label


def outcomes_of(resolution: Resolution, *, with_keys: bool) -> dict[str, Outcome]:
    """Return the outcome of each variable by key. `with_keys` tells which keys a secret has where one is missing."""
    outcomes = {key: Outcome(ok=True) for key in resolution.values}
    for problem in resolution.problems:
        outcomes[problem.key] = _outcome(problem, with_keys=with_keys)
    return outcomes


@dataclass(frozen=True)
class Checked:
    """What a check found of one reference: if it has no value, why, and what to do step by step.

    `more` is how many keys there are beside those that are shown.
    """

    reference: str
    outcome: Outcome
    steps: tuple[str, ...]
    keys: tuple[str, ...]
    more: int


#: Keys that a check shows of one secret, and characters of each.
KEYS_SHOWN, KEY_SHOWN = 20, 60


def checked_of(parts: Iterable[CheckedPart], *, with_keys: bool) -> list[Checked]:
    """Return what a check found, part by part. `with_keys` tells which keys a secret has."""
    checked = []
    for part in parts:
        outcome, steps = Outcome(ok=True), tuple[str, ...]()
        if part.problem:
            outcome = _outcome(part.problem, with_keys=with_keys)
            steps = tuple(map(str, explain(part.problem.code, part.problem.facts).steps))
        keys = (outcome.keys or part.keys) if with_keys else ()
        shown = tuple(Truncator(key).chars(KEY_SHOWN) for key in keys[:KEYS_SHOWN])
        checked.append(Checked(part.text, outcome, steps, shown, len(keys) - len(shown)))
    return checked


def problem_line(problem: Problem) -> str:
    """Return a problem as one line for a terminal; whoever runs commands on the server may see the keys."""
    outcome = _outcome(problem, with_keys=True)
    reference = f" ({problem.reference})" if problem.reference else ""
    nearest = " " + _("Perhaps “%(key)s” is meant.") % {"key": outcome.nearest} if outcome.nearest else ""
    keys = " " + _("Keys: %(keys)s.") % {"keys": ", ".join(outcome.keys)} if outcome.keys else ""
    line = f"{problem.key}{reference}: {outcome.title}. {outcome.detail}{nearest}{keys}"
    # Names of keys come from a vault: what a terminal would obey is written as an escape.
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)


def _outcome(problem: Problem, *, with_keys: bool) -> Outcome:
    failure = explain(problem.code, problem.facts)
    detail = str(failure.steps[0]) if failure.steps else str(failure.cause)
    if not with_keys:
        return Outcome(ok=False, title=str(failure.title), detail=detail)
    return Outcome(False, str(failure.title), detail, problem.keys, problem.nearest)  # noqa: FBT003 - `ok`

"""How variables and resolutions read on pages and on the command line."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credentials.presentation import FACT_LABELS, SKIPPED, StepView
from credentials.providers.base import SkipReason, StepState
from credentials.providers.failures import explain
from organizations.access import Access

from .checking import CheckedPart
from .explaining import Explanation, Hop, HopName
from .models import DeployedVariable, EnvironmentVariable
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


def deployed_source_name(row: DeployedVariable, access: Access) -> str:
    """Return where a deployed value came from; the credential's name only where it may be named.

    Of a credential that was deleted nothing tells who might know of it: owners are told its name.
    """
    label = row.source_label
    if row.credential_uuid is None:
        return label
    if row.names_credential or (row.credential_id is None and access.owner):
        by_name = row.source == EnvironmentVariable.Source.CREDENTIAL
        return row.credential_name if by_name else f"{label} ({row.credential_name})"
    return label


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
    return for_terminal(line)


def for_terminal(line: str) -> str:
    """Return a line with escapes for what a terminal would obey: names of keys come from a vault."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)


def _outcome(problem: Problem, *, with_keys: bool) -> Outcome:
    failure = explain(problem.code, problem.facts)
    detail = str(failure.steps[0]) if failure.steps else str(failure.cause)
    if not with_keys:
        return Outcome(ok=False, title=str(failure.title), detail=detail)
    return Outcome(False, str(failure.title), detail, problem.keys, problem.nearest)  # noqa: FBT003 - `ok`


# --- Explanations ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Sight:
    """What somebody may be told of an explanation.

    The credential's name (else `alias` stands for it), its settings, and the keys of a secret where one is missing.
    """

    names: bool = True
    settings: bool = True
    keys: bool = True
    alias: str = ""


_HOP_LABELS = {
    HopName.AUTOMATION: gettext_lazy("Automation"),
    HopName.VARIABLE: gettext_lazy("Variable"),
    HopName.CREDENTIAL: gettext_lazy("Credential"),
    HopName.SETTINGS: gettext_lazy("Settings and region"),
    HopName.ACCOUNT: gettext_lazy("Account"),
    HopName.ROLE: gettext_lazy("Role"),
    HopName.SECRET: gettext_lazy("Secret"),
    HopName.VERSION: gettext_lazy("Version"),
    HopName.KEY: gettext_lazy("JSON key"),
    HopName.RESULT: gettext_lazy("Value"),
}
#: What may be shown in full of a hop. All but the secret are settings of the credential.
_HOP_FACTS = {
    "region": gettext_lazy("Region"),
    "access_key": gettext_lazy("Access Key ID"),
    "role_arn": gettext_lazy("Role ARN"),
    **FACT_LABELS,
}
_PUBLIC_FACTS = frozenset({"secret_name", "json_key"})


def hops_in_words(explanation: Explanation, sight: Sight) -> list[StepView]:
    """Return the hops as a page or a terminal shows them, the one to read first open."""
    return [_hop_view(hop, explanation.variable, sight, is_open=hop is explanation.failure) for hop in explanation.hops]


def verdict_of(explanation: Explanation, sight: Sight) -> str:
    """Return what came of a trace in one sentence."""
    if explanation.code is None:
        return _("The variable has a value")
    facts = explanation.failure.facts if explanation.failure else {}
    return str(explain(explanation.code, _told(facts, sight)).title)


def _hop_view(hop: Hop, variable: EnvironmentVariable, sight: Sight, *, is_open: bool) -> StepView:
    told = _told(hop.facts, sight)
    failure = explain(hop.code, told) if hop.code else None
    label = str(_HOP_LABELS[hop.name])
    if failure:
        hint = str(failure.title)
    elif hop.skipped and hop.skipped is not SkipReason.NOT_TRACED:
        hint = str(SKIPPED[hop.skipped])
    else:
        hint = _known(hop, variable, sight, told)
    shown = {name: told[name] for name in _HOP_FACTS if told.get(name) and (failure or name not in _PUBLIC_FACTS)}
    return StepView(
        label=f"{label} ({hop.part})" if hop.part else label,
        state=hop.state,
        milliseconds=hop.milliseconds,
        hint=hint,
        title=str(failure.title) if failure else "",
        detail=str(failure.cause) if failure else "",
        owner=str(failure.owner.label) if failure else "",
        steps=(*_keys_lines(hop, sight), *map(str, failure.steps)) if failure else (),
        facts=tuple((str(_HOP_FACTS[name]), text) for name, text in shown.items()),
        is_open=is_open,
    )


def _told(facts: Mapping[str, str], sight: Sight) -> dict[str, str]:
    return {name: text for name, text in facts.items() if sight.settings or name in _PUBLIC_FACTS}


def _known(hop: Hop, variable: EnvironmentVariable, sight: Sight, told: Mapping[str, str]) -> str:
    """Return the outcome of a hop that did not fail, in a line."""
    match hop.name:
        case HopName.AUTOMATION:
            return _receives(hop.facts)
        case HopName.VARIABLE:
            return " · ".join(filter(None, (variable.source_label, variable.reference)))
        case HopName.CREDENTIAL:
            return _why_this_credential(hop.facts, variable, sight)
        case HopName.SECRET:
            return told["secret_name"]
        case HopName.VERSION:
            return " · ".join(filter(None, (hop.facts.get("version_id"), hop.facts["version_stage"])))
        case HopName.KEY:
            return told["json_key"] or _("The whole text is meant.")
        case HopName.RESULT if hop.state is StepState.PASSED:
            return _("It is there, and was dropped.")
    found = told.get("region") or told.get("account") or told.get("role_arn")
    return found or ("" if hop.state is StepState.PASSED else str(SKIPPED[SkipReason.NOT_TRACED]))


def _receives(facts: Mapping[str, str]) -> str:
    sentence = _("%(automation)s receives the variable.") % {"automation": facts["automation"]}
    if "deployment" not in facts:
        return sentence
    if number := facts["deployment"]:
        now = _("It starts with deployment #%(number)s; what follows is what the next one reads.") % {"number": number}
    else:
        now = _("It was not deployed yet; what follows is what a deployment reads.")
    return f"{sentence} {now}"


def _why_this_credential(facts: Mapping[str, str], variable: EnvironmentVariable, sight: Sight) -> str:
    if not sight.names:
        return sight.alias
    if variable.source == EnvironmentVariable.Source.CREDENTIAL:
        return _("%(name)s, which the variable names.") % {"name": facts["credential"]}
    if "default_since" not in facts:
        return _("%(name)s, the default.") % {"name": facts["credential"]}
    since = f"{datetime.fromisoformat(facts['default_since']):%Y-%m-%d %H:%M} UTC"
    return _("%(name)s, the default since %(since)s.") % {"name": facts["credential"], "since": since}


def _keys_lines(hop: Hop, sight: Sight) -> list[str]:
    if not sight.keys:
        return []
    lines = [_("Perhaps “%(key)s” is meant.") % {"key": hop.nearest}] if hop.nearest else []
    return [*lines, _("Keys: %(keys)s.") % {"keys": ", ".join(hop.keys)}] if hop.keys else lines

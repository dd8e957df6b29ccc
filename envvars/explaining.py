"""Explain a variable: every hop on the way to its value, as resolving it goes, without the value.

`explain` says what is known without asking anybody; `trace` reads, within the limits of connection tests and audited as
they are. The verdict is the resolver's own (`resolving.value_of`) on what the trace read, so the two agree.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from time import perf_counter

from credentials import testing
from credentials.models import Credential
from credentials.providers.base import Fetched, SkipReason, Step, StepResult, StepState, Trace
from credentials.providers.failures import FailureCode
from credentials.services import default_since
from crewadmin.sealing import SealError
from organizations.audit import changing, record
from organizations.models import AuditEvent, User

from .deployed import newest
from .models import Automation, EnvironmentVariable
from .names import reason_to_refuse
from .references import Reference, ReferenceFailedError, Template
from .resolving import Answers, Problem, Reading, credentials_of, value_of

Source = EnvironmentVariable.Source


class HopName(StrEnum):
    """One hop on the way from an automation to a value, in order. SECRET to KEY come once for each reference."""

    AUTOMATION = "automation"
    VARIABLE = "variable"
    CREDENTIAL = "credential"
    SETTINGS = "settings"
    ACCOUNT = "account"
    ROLE = "role"
    SECRET = "secret"  # noqa: S105 - a place, not a password
    VERSION = "version"
    KEY = "key"
    RESULT = "result"


@dataclass(frozen=True)
class Hop:
    """How one hop went.

    `milliseconds` is None where there was nothing to time, `part` the number of a template's reference, from 1.
    `facts` may hold `automation`, `deployment` (the number of what an automation that resolves at deploy starts with,
    blank before the first), `source`, `reference`, `credential`, `default_since` (ISO 8601), `region`, `access_key`,
    `account`, `arn`, `role_arn`, `request_id`, `secret_name`, `version_id`, `version_stage`, `json_key`, and of a
    failure what its text names. `keys` and `nearest` are as in `resolving.Problem`.
    """

    name: HopName
    state: StepState
    milliseconds: int | None = None
    code: FailureCode | None = None
    skipped: SkipReason | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    part: int | None = None
    keys: tuple[str, ...] = ()
    nearest: str = ""


@dataclass(frozen=True)
class Explanation:
    """All hops of a variable, in order. `code` is why it has no value; None if it has one, or that is not known yet."""

    variable: EnvironmentVariable
    automation: Automation | None
    credential: Credential | None
    hops: tuple[Hop, ...]
    code: FailureCode | None = None
    traced: bool = False

    @property
    def failure(self) -> Hop | None:
        """The hop to read first: the first that failed for the reason that the whole has."""
        failed = [hop for hop in self.hops if hop.state is StepState.FAILED]
        return next((hop for hop in failed if hop.code is self.code), None)


@dataclass(frozen=True)
class _Read:
    """What a trace found out: the steps (None where no vault was asked), and the resolver's word on the whole."""

    trace: Trace | None
    problem: Problem | None
    milliseconds: int


def explain(variable: EnvironmentVariable, automation: Automation | None = None) -> Explanation:
    """Return what is known without a call; hops that need one are skipped as not traced."""
    credential = credentials_of(variable.organization, [variable]).get(variable.pk)
    hops = _hops(variable, automation, credential)
    return Explanation(variable, automation, credential, hops, next((hop.code for hop in hops if hop.code), None))


def trace(variable: EnvironmentVariable, by: User | None, automation: Automation | None = None) -> Explanation:
    """Read what a variable refers to, as resolving it would, and return how each hop went. The value is dropped.

    Written down before the call. Raises credentials.testing.TooManyError, and Credential.DoesNotExist if it was
    deleted meanwhile.
    """
    known, started = explain(variable, automation), perf_counter()
    if known.failure:
        _note(variable, by)
        return replace(known, traced=True)
    steps, answers = _read(variable, known.credential, by)
    outcome = value_of(variable, Reading(known.credential.pk if known.credential else None, answers))
    problem = outcome if isinstance(outcome, Problem) else None
    read = _Read(steps, problem, _since(started))
    hops = _hops(variable, automation, known.credential, read)
    return replace(known, hops=hops, code=problem.code if problem else None, traced=True)


def _read(
    variable: EnvironmentVariable, credential: Credential | None, by: User | None
) -> tuple[Trace | None, Answers]:
    if credential is None:  # a value that is stored here
        _note(variable, by)
        return None, {}
    wanted = [reference.secret_id for reference in variable.references]
    try:
        steps = testing.trace(credential, by, wanted, about=variable)
    except SealError as error:
        _note(variable, by)
        return None, {(credential.pk, one): error for one in wanted}
    return steps, {(credential.pk, one): answer for one, answer in steps.answers.items()}


def _note(variable: EnvironmentVariable, by: User | None) -> None:
    """Write down that a variable is traced for which no vault is asked."""
    with changing(variable.organization):
        record(variable.organization, by, AuditEvent.Action.VARIABLE_TRACED, variable)


def _since(started: float) -> int:
    return round((perf_counter() - started) * 1000)


# --- The hops -------------------------------------------------------------------------------------------------------
def _hops(
    variable: EnvironmentVariable,
    automation: Automation | None,
    credential: Credential | None,
    read: _Read | None = None,
) -> tuple[Hop, ...]:
    hops = [*_hops_here(variable, automation, credential, read)]
    if all(hop.state is StepState.PASSED for hop in hops):
        steps = read.trace if read else None
        if credential:
            hops += [*_hops_of_signing_in(credential, steps), *_hops_of_reading(variable, steps)]
        hops.append(_result(hops, read))
        return tuple(hops)
    ways = [HopName.VARIABLE, HopName.RESULT] if variable.source == Source.DIRECT else list(HopName)
    left = [name for name in ways if _ORDER.index(name) > _ORDER.index(hops[-1].name)]
    return (*hops, *(_skipped(name, SkipReason.EARLIER_STEP_FAILED) for name in left))


_ORDER = list(HopName)


def _hops_here(
    variable: EnvironmentVariable, automation: Automation | None, credential: Credential | None, read: _Read | None
) -> Iterator[Hop]:
    """Yield what is decided here, up to the first hop that fails.

    An automation that starts with what was deployed says so; the hops after it are then those of its next deployment.
    """
    if automation:
        assigned = automation.variables.filter(pk=variable.pk).exists()
        facts = {"automation": automation.name}
        if automation.resolves_at_deploy:
            deployment = newest(automation)
            facts["deployment"] = str(deployment.number) if deployment else ""
        yield _decided(HopName.AUTOMATION, None if assigned else FailureCode.NOT_ASSIGNED, **facts)
        if not assigned:
            return
    refused = reason_to_refuse(variable.key)
    facts = {"source": variable.source, "reference": variable.reference}
    yield _decided(HopName.VARIABLE, FailureCode.NAME_REFUSED if refused else None, **facts)
    if not refused and variable.is_secret:
        yield _credential_hop(variable, credential, read)


def _credential_hop(variable: EnvironmentVariable, credential: Credential | None, read: _Read | None) -> Hop:
    if credential is None:
        return _decided(HopName.CREDENTIAL, FailureCode.NO_CREDENTIAL, source=variable.source)
    closed = read and not read.trace and read.problem
    facts = {"source": variable.source, "credential": credential.name}
    if variable.source == Source.PROVIDER_DEFAULT and (since := default_since(credential)):
        facts["default_since"] = since.isoformat()
    return _decided(HopName.CREDENTIAL, closed.code if closed else None, **facts)


def _hops_of_signing_in(credential: Credential, steps: Trace | None) -> Iterator[Hop]:
    found = {step.step: step for step in steps.steps} if steps else {}
    role_arn = credential.config.get("role_arn", "")
    settings = {"region": credential.config.get("region", ""), "access_key": credential.access_key_hint}
    yield _hop(HopName.SETTINGS, found.get(Step.SHAPE), settings)
    yield _hop(HopName.ACCOUNT, found.get(Step.IDENTITY), {})
    if role_arn or steps:
        yield _hop(HopName.ROLE, found.get(Step.ASSUME_ROLE), {"role_arn": role_arn} if role_arn else {})
    else:
        yield _skipped(HopName.ROLE, SkipReason.NO_ROLE)


def _hops_of_reading(variable: EnvironmentVariable, steps: Trace | None) -> Iterator[Hop]:
    several = isinstance(variable.written, Template)
    seen = set()
    for number, reference in enumerate(variable.references, start=1):
        for hop in _hops_of_reference(reference, steps):
            again = hop.name is HopName.SECRET and reference.secret_id in seen  # read once
            yield replace(hop, part=number if several else None, milliseconds=None if again else hop.milliseconds)
        seen.add(reference.secret_id)


def _hops_of_reference(reference: Reference, steps: Trace | None) -> Iterator[Hop]:
    secret = {"secret_name": reference.secret_name}
    version = {"version_stage": reference.version_stage}
    key = {**secret, "json_key": reference.json_key}
    if steps is None:
        for name, facts in ((HopName.SECRET, secret), (HopName.VERSION, version), (HopName.KEY, key)):
            yield _skipped(name, SkipReason.NOT_TRACED, facts)
        return
    step, answer = steps.reads[reference.secret_id], steps.answers[reference.secret_id]
    if step.code is FailureCode.SECRET_WITHOUT_VALUE:  # it exists, in other versions
        yield Hop(HopName.SECRET, StepState.PASSED, step.milliseconds, facts=secret)
        yield Hop(HopName.VERSION, StepState.FAILED, code=step.code, facts={**step.facts, **secret, **version})
    else:
        yield _hop(HopName.SECRET, step, secret)
        if isinstance(answer, Fetched):
            yield Hop(HopName.VERSION, StepState.PASSED, facts={**version, "version_id": answer.version_id})
        else:
            yield _skipped(HopName.VERSION, SkipReason.EARLIER_STEP_FAILED, version)
    if isinstance(answer, Fetched):
        yield _key_hop(reference, answer, key)
    else:
        yield _skipped(HopName.KEY, SkipReason.EARLIER_STEP_FAILED, key)


def _key_hop(reference: Reference, answer: Fetched, facts: Mapping[str, str]) -> Hop:
    started = perf_counter()
    try:
        reference.extract(answer.value)
    except ReferenceFailedError as error:
        failed = Hop(HopName.KEY, StepState.FAILED, _since(started), error.code, facts=facts)
        return replace(failed, keys=error.keys, nearest=error.nearest)
    return Hop(HopName.KEY, StepState.PASSED, _since(started), facts=facts)


def _result(hops: Iterable[Hop], read: _Read | None) -> Hop:
    """Return the last hop, which fails where the whole does although each part is there."""
    if read is None:
        return _skipped(HopName.RESULT, SkipReason.NOT_TRACED)
    if read.problem is None:
        return Hop(HopName.RESULT, StepState.PASSED, read.milliseconds)
    if any(hop.state is StepState.FAILED for hop in hops):
        return _skipped(HopName.RESULT, SkipReason.EARLIER_STEP_FAILED)
    problem = read.problem
    return Hop(HopName.RESULT, StepState.FAILED, read.milliseconds, problem.code, facts=problem.facts)


def _decided(name: HopName, code: FailureCode | None, **facts: str) -> Hop:
    return Hop(name, StepState.FAILED if code else StepState.PASSED, code=code, facts=facts)


def _hop(name: HopName, step: StepResult | None, facts: Mapping[str, str]) -> Hop:
    """Return a step of the provider as a hop, with what is known of it anyway."""
    if step is None:
        return _skipped(name, SkipReason.NOT_TRACED, facts)
    return Hop(name, step.state, step.milliseconds, step.code, step.skipped, {**facts, **step.facts})


def _skipped(name: HopName, reason: SkipReason, facts: Mapping[str, str] | None = None) -> Hop:
    return Hop(name, StepState.SKIPPED, skipped=reason, facts=facts or {})

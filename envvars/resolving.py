"""Resolve an automation: from its variables to their values, each vault opened once and each secret read once."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import NamedTuple, TypeAlias, TypeVar

from django.db.models import Q, QuerySet

from credentials.models import Credential
from credentials.providers.base import Fetched, ProviderError, SecretId
from credentials.providers.failures import FailureCode
from crewadmin.redaction import Secret
from crewadmin.sealing import SealError
from organizations.audit import changing, record
from organizations.models import AuditEvent, Organization, User

from .models import Automation, EnvironmentVariable
from .names import reason_to_refuse
from .references import Reference, ReferenceFailedError

T = TypeVar("T")
Source = EnvironmentVariable.Source


@dataclass(frozen=True)
class Problem:
    """Why one variable has no value.

    `reference` is what failed: of a template the part. `facts` are what the failure's text may name; `keys` the JSON
    keys there are and `nearest` the one that may be meant, for people who manage variables.
    """

    key: str
    code: FailureCode
    reference: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    nearest: str = ""


class SecretVersion(NamedTuple):
    """A secret that was read: its name (or ARN) as it was asked for, the stage, and the id of the version."""

    secret_name: str
    version_stage: str
    version_id: str


@dataclass(frozen=True)
class Origin:
    """Where the value of one variable came from: the variable as it was then, and for a secret what was read."""

    variable: EnvironmentVariable
    credential: Credential | None
    secrets: tuple[SecretVersion, ...]

    @property
    def mark(self) -> str:
        """What was read, in an opaque text: the version ids joined by ",", or when a direct value was typed in."""
        return version_mark((secret.version_id for secret in self.secrets), self.variable.updated_at)


def version_mark(version_ids: Iterable[str], typed_at: datetime) -> str:
    """Return the opaque text that tells one reading of a variable from another; each version once."""
    return ",".join(dict.fromkeys(version_ids)) or f"direct:{typed_at.isoformat()}"


@dataclass(frozen=True)
class Resolution:
    """What became of an automation's variables: a value or a problem for each.

    `secrets_read` counts the secrets that gave a value. `versions` names for each variable with a value, in an opaque
    text, the versions that were read: the secrets' version ids joined by ",", or `direct:` and when the value was typed
    in. `origins` has more about each, where vaults were asked.
    """

    values: Mapping[str, Secret[str]]
    problems: tuple[Problem, ...]
    secrets_read: int
    versions: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every variable has a value."""
        return not self.problems


def resolve_for(
    automation: Automation,
    by: User | None,
    delivery: str,
    *,
    by_label: str = "",
    only: Collection[str] | None = None,
    max_age: int = 0,
) -> Resolution:
    """Resolve an automation for a delivery and write down that it happened, before anybody sees a value.

    `delivery` names what the values are for: a format, `run`, `api`, `deploy` or `check`. `by` is None on the command
    line and for what `by_label` names. `only` are the keys that are wanted, None for all. `max_age`: see `resolve`.
    """
    resolution = resolve(automation, variables_of(automation, only), max_age)
    record_resolution(automation, by, delivery, resolution, by_label=by_label)
    return resolution


def record_resolution(
    automation: Automation,
    by: User | None,
    delivery: str,
    resolution: Resolution,
    *,
    by_label: str = "",
    failure: str = "",
) -> None:
    """Write down that an automation's values were had; `failure` is a code for why none could be."""
    problems = [f"{problem.key}: {problem.code}" for problem in resolution.problems]
    with changing(automation.organization):
        record(
            automation.organization,
            by,
            AuditEvent.Action.AUTOMATION_RESOLVED,
            automation,
            {
                "delivery": delivery,
                "variables": len(resolution.values),
                "problems": [failure] if failure else problems,
            },
            label=by_label,
        )


def resolve(
    automation: Automation, variables: Iterable[EnvironmentVariable] | None = None, max_age: int = 0
) -> Resolution:
    """Return the values of an automation's variables and all problems at once. No transaction is open meanwhile.

    `variables` are some of the automation's variables, where not all are wanted. A secret that was read for a start
    less than `max_age` seconds ago may be used again: whoever deploys or checks wants to know what is there now.
    """
    chosen = list(variables_of(automation) if variables is None else variables)
    credentials = credentials_of(automation.organization, chosen)
    answers = _read_all(chosen, credentials, max_age)
    values: dict[str, Secret[str]] = {}
    origins: dict[str, Origin] = {}
    problems: list[Problem] = []
    for variable in chosen:
        credential = credentials.get(variable.pk)
        reading = Reading(credential.pk if credential else None, answers)
        outcome = value_of(variable, reading)
        if isinstance(outcome, Problem):
            problems.append(outcome)
        else:
            values[variable.key] = outcome
            origins[variable.key] = Origin(variable, credential, tuple(reading.secrets))
    read = sum(isinstance(answer, Fetched) for answer in answers.values())
    versions = {key: origin.mark for key, origin in origins.items()}
    return Resolution(values, tuple(problems), read, versions, origins)


def variables_of(automation: Automation, only: Collection[str] | None = None) -> "QuerySet[EnvironmentVariable]":
    """Return what an automation receives, by key; `only` are the keys that are wanted, None for all."""
    rows = automation.variables.filter(organization=automation.organization).order_by("key")
    return rows if only is None else rows.filter(key__in=only)


def credentials_of(organization: Organization, variables: Iterable[EnvironmentVariable]) -> dict[int, Credential]:
    """Return by the variable's id what each one is read with; nothing for a direct value, or without a default."""
    named = {variable.credential_id for variable in variables if variable.source == Source.CREDENTIAL}
    providers = {variable.provider for variable in variables if variable.source == Source.PROVIDER_DEFAULT}
    if not named and not providers:
        return {}
    rows = Credential.objects.filter(Q(pk__in=named) | Q(is_default=True, provider__in=providers))
    found = {credential.pk: credential for credential in rows.filter(organization=organization)}
    defaults = {credential.provider: credential for credential in found.values() if credential.is_default}
    chosen = {
        variable.pk: defaults.get(variable.provider)
        if variable.source == Source.PROVIDER_DEFAULT
        else found.get(variable.credential_id or 0)
        for variable in variables
    }
    return {pk: credential for pk, credential in chosen.items() if credential}


# --- Reading: each credential once, each secret once ----------------------------------------------------------------
# A secret is read with one credential: the same name may be another secret in another account.
Answer: TypeAlias = Fetched | ProviderError | SealError
Answers: TypeAlias = Mapping[tuple[int, SecretId], Answer]

#: Credentials that are read with at the same time.
_CREDENTIALS_AT_ONCE = 16


def _read_all(
    variables: Iterable[EnvironmentVariable], credentials: Mapping[int, Credential], max_age: int
) -> dict[tuple[int, SecretId], Answer]:
    """Return the answer for every secret that is wanted."""
    wanted: defaultdict[int, dict[SecretId, None]] = defaultdict(dict)
    for variable in variables:
        if credential := credentials.get(variable.pk):
            wanted[credential.pk] |= dict.fromkeys(reference.secret_id for reference in variable.references)
    by_pk = {credential.pk: credential for credential in credentials.values()}
    answers: dict[tuple[int, SecretId], Answer] = {}
    reads: dict[int, Callable[[], Mapping[SecretId, Fetched | ProviderError]]] = {}
    for pk, secrets in wanted.items():
        try:
            reads[pk] = partial(by_pk[pk].open_provider().fetch, list(secrets), max_age)
        except SealError as error:
            answers |= {(pk, secret): error for secret in secrets}
    for pk, fetched in ask_all(reads).items():
        answers |= {(pk, secret): answer for secret, answer in fetched.items()}
    return answers


def ask_all(questions: Mapping[int, Callable[[], T]]) -> dict[int, T]:
    """Ask with several credentials at the same time: the slowest vault decides, not their sum.

    The questions must not touch the database: each runs in a thread of its own.
    """
    if len(questions) < 2:
        return {pk: ask() for pk, ask in questions.items()}
    with ThreadPoolExecutor(min(len(questions), _CREDENTIALS_AT_ONCE), thread_name_prefix="vault") as threads:
        started = {pk: threads.submit(ask) for pk, ask in questions.items()}
        return {pk: answer.result() for pk, answer in started.items()}


# --- From secrets to the value of one variable ----------------------------------------------------------------------
class Reading:
    """What one variable reads of the answers: remembers the versions, and which reference was read last."""

    def __init__(self, credential: int | None, answers: Answers) -> None:
        self._credential = credential
        self._answers = answers
        self.last: Reference | None = None
        self.secrets: dict[SecretVersion, None] = {}

    def __call__(self, reference: Reference) -> Secret[str] | None:
        """Return the text of a secret. Raises why there is none."""
        self.last = reference
        if self._credential is None:
            raise ReferenceFailedError(FailureCode.NO_CREDENTIAL)
        answer = self._answers[self._credential, reference.secret_id]
        if isinstance(answer, Exception):
            raise answer
        self.secrets[SecretVersion(*reference.secret_id, answer.version_id)] = None
        return answer.value


def problem_with(variable: EnvironmentVariable, answers: Mapping[SecretId, Fetched | ProviderError]) -> Problem | None:
    """Return why a variable would have no value if its secrets were answered so; None if it had one."""
    outcome = value_of(variable, Reading(0, {(0, secret): answer for secret, answer in answers.items()}))
    return outcome if isinstance(outcome, Problem) else None


def value_of(variable: EnvironmentVariable, reading: Reading) -> Secret[str] | Problem:
    """Return the value of a variable out of what was read, or why it has none."""
    if reason_to_refuse(variable.key):  # stored before the name was refused
        return problem_of(variable.key, reading.last, ReferenceFailedError(FailureCode.NAME_REFUSED))
    try:
        if variable.source == Source.DIRECT:
            value: Secret[str] = variable.value
            return value
        return variable.written.value(reading)
    except (SealError, ProviderError, ReferenceFailedError) as error:
        return problem_of(variable.key, reading.last, error)


def problem_of(
    key: str, reference: Reference | None, error: SealError | ProviderError | ReferenceFailedError
) -> Problem:
    """Return why there is no value, for people; `reference` is what failed, if it was one."""
    failed = reference or Reference("")
    facts = {"secret_name": failed.secret_name, "json_key": failed.json_key}
    match error:
        case ProviderError():
            return Problem(key, error.code, str(failed), {**facts, **error.facts})
        case ReferenceFailedError():
            return Problem(key, error.code, str(failed), facts, error.keys, error.nearest)
        case _:
            return Problem(key, FailureCode.CANNOT_BE_OPENED, str(failed), facts)

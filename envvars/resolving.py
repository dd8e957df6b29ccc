"""Resolve an automation: from its variables to their values, each vault opened once and each secret read once."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from credentials.models import Credential
from credentials.providers.base import Fetched, ProviderError
from credentials.providers.failures import FailureCode
from crewadmin.redaction import Secret
from crewadmin.sealing import SealError
from organizations.audit import changing, record
from organizations.models import AuditEvent, Organization, User

from .models import Automation, EnvironmentVariable
from .names import reason_to_refuse
from .references import Reference, ReferenceFailedError

Source = EnvironmentVariable.Source


@dataclass(frozen=True)
class Problem:
    """Why one variable has no value.

    `facts` are what the failure's text may name; `keys` the JSON keys there are, for people who manage variables.
    """

    key: str
    code: FailureCode
    reference: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resolution:
    """What became of an automation's variables: a value or a problem for each, and how many secrets were read.

    `versions` has an opaque text for each value, another one whenever the value may be another.
    """

    values: Mapping[str, Secret[str]]
    problems: tuple[Problem, ...]
    secrets_read: int
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every variable has a value."""
        return not self.problems


def resolve_for(
    automation: Automation, by: User | None, delivery: str, *, by_label: str = "", only: Collection[str] | None = None
) -> Resolution:
    """Resolve an automation for a delivery and write down that it happened, before anybody sees a value.

    `delivery` names what the values are for: a format, `run`, `api` or `check`. `by` is None on the command line and
    for what `by_label` names. `only` are the keys that are wanted, None for all.
    """
    resolution = resolve(automation, only)
    with changing(automation.organization):
        record(
            automation.organization,
            by,
            AuditEvent.Action.AUTOMATION_RESOLVED,
            automation,
            {
                "delivery": delivery,
                "variables": len(resolution.values),
                "problems": [f"{problem.key}: {problem.code}" for problem in resolution.problems],
            },
            label=by_label,
        )
    return resolution


def resolve(automation: Automation, only: Collection[str] | None = None) -> Resolution:
    """Return the values of an automation's variables and all problems at once. No transaction is open meanwhile."""
    rows = automation.variables.filter(organization=automation.organization)
    wanted = rows if only is None else rows.filter(key__in=only)
    variables = list(wanted.select_related("credential").order_by("key"))
    defaults = _default_credentials(automation.organization, variables)
    answers = _read_all(variables, defaults)
    values: dict[str, Secret[str]] = {}
    problems: list[Problem] = []
    for variable in variables:
        outcome = _value_of(variable, defaults, answers)
        if isinstance(outcome, Problem):
            problems.append(outcome)
        else:
            values[variable.key] = outcome
    secrets_read = sum(isinstance(answer, Fetched) for answer in answers.values())
    versions = {
        variable.key: _version_of(variable, defaults, answers) for variable in variables if variable.key in values
    }
    return Resolution(values, tuple(problems), secrets_read, versions)


# A secret is read with one credential: the same name may be another secret in another account.
Answers = Mapping[tuple[int, str], Fetched | ProviderError | SealError]


def _read_all(variables: Iterable[EnvironmentVariable], defaults: Mapping[str, Credential]) -> Answers:
    wanted: defaultdict[Credential, list[str]] = defaultdict(list)
    for variable in variables:
        credential = _credential_of(variable, defaults)
        if credential and variable.secret_name not in wanted[credential]:
            wanted[credential].append(variable.secret_name)
    answers: dict[tuple[int, str], Fetched | ProviderError | SealError] = {}
    for credential, names in wanted.items():
        try:
            fetched: Mapping[str, Fetched | ProviderError] = credential.open_provider().fetch(names)
        except SealError as error:
            answers |= {(credential.pk, name): error for name in names}
        else:
            answers |= {(credential.pk, name): fetched[name] for name in names}
    return answers


def _version_of(variable: EnvironmentVariable, defaults: Mapping[str, Credential], answers: Answers) -> str:
    credential = _credential_of(variable, defaults)
    if credential is None:
        return variable.updated_at.isoformat()
    answer = answers[credential.pk, variable.secret_name]
    version = answer.version_id if isinstance(answer, Fetched) else ""
    return f"{credential.uuid} {version} {variable.reference_label}"


def _value_of(
    variable: EnvironmentVariable, defaults: Mapping[str, Credential], answers: Answers
) -> Secret[str] | Problem:
    if reason_to_refuse(variable.key):  # stored before the name was refused
        return _problem(variable, FailureCode.NAME_REFUSED)
    try:
        if variable.source == Source.DIRECT:
            value: Secret[str] = variable.value
            return value
        return _referenced_value(variable, defaults, answers)
    except SealError:
        return _problem(variable, FailureCode.CANNOT_BE_OPENED)
    except ProviderError as error:
        return _problem(variable, error.code, error.facts)
    except ReferenceFailedError as error:
        return _problem(variable, error.code, keys=error.keys)


def _referenced_value(
    variable: EnvironmentVariable, defaults: Mapping[str, Credential], answers: Answers
) -> Secret[str]:
    credential = _credential_of(variable, defaults)
    if credential is None:
        raise ReferenceFailedError(FailureCode.NO_CREDENTIAL)
    answer = answers[credential.pk, variable.secret_name]
    if isinstance(answer, Exception):
        raise answer
    return Reference(variable.secret_name, variable.json_key).extract(answer.value)


def _problem(
    variable: EnvironmentVariable,
    code: FailureCode,
    facts: Mapping[str, str] | None = None,
    keys: tuple[str, ...] = (),
) -> Problem:
    names = {"secret_name": variable.secret_name, "json_key": variable.json_key}
    return Problem(variable.key, code, variable.reference_label, {**names, **(facts or {})}, keys)


def _credential_of(variable: EnvironmentVariable, defaults: Mapping[str, Credential]) -> Credential | None:
    if variable.source == Source.CREDENTIAL:
        return variable.credential
    return defaults.get(variable.provider) if variable.source == Source.PROVIDER_DEFAULT else None


def _default_credentials(organization: Organization, variables: Iterable[EnvironmentVariable]) -> dict[str, Credential]:
    """Return the default credential of each provider that a variable names; asks only if one does."""
    providers = {variable.provider for variable in variables if variable.source == Source.PROVIDER_DEFAULT}
    if not providers:
        return {}
    rows = Credential.objects.filter(organization=organization, is_default=True, provider__in=providers)
    return {credential.provider: credential for credential in rows}

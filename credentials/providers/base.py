"""What every provider looks like from outside: its description, its results, and the one error it raises.

A provider talks to one cloud. It knows neither request nor model: it is made from plain settings and a `Secret`, and
answers with the frozen results below. Whatever a cloud's library raises is translated at this edge; the text a cloud
sent never travels further, because it can carry tokens, account details or markup.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crewadmin.redaction import Secret

from .failures import FailureCode


class Step(StrEnum):
    """One thing a connection test proves, in the order in which it is tried."""

    SHAPE = "shape"
    IDENTITY = "identity"
    ASSUME_ROLE = "assume_role"
    LIST = "list"
    DESCRIBE = "describe"
    READ = "read"
    DECRYPT = "decrypt"
    BATCH = "batch"

    @property
    def label(self) -> str | Promise:
        """The step in words for people."""
        return _STEP_LABELS[self]


_STEP_LABELS: dict[Step, Promise] = {
    Step.SHAPE: _("Check what was entered"),
    Step.IDENTITY: _("Sign in to AWS"),
    Step.ASSUME_ROLE: _("Assume the role"),
    Step.LIST: _("List secrets"),
    Step.DESCRIBE: _("Describe a secret"),
    Step.READ: _("Read a secret"),
    Step.DECRYPT: _("Decrypt it"),
    Step.BATCH: _("Read several at once"),
}


class StepState(StrEnum):
    """How one step of a connection test ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class SkipReason(StrEnum):
    """Why a step was not tried."""

    EARLIER_STEP_FAILED = "earlier_step_failed"
    NO_ROLE = "no_role"
    NO_TARGET = "no_target"
    DEFAULT_KEY = "default_key"
    NOT_CONCLUSIVE = "not_conclusive"
    NOT_TRACED = "not_traced"


@dataclass(frozen=True, slots=True)
class StepResult:
    """The outcome of one step.

    `facts` holds what may be shown and stored, and nothing a cloud wrote as free text: `account`, `arn`, `request_id`,
    `action` (as `secretsmanager:ListSecrets`), `policy_type`, `count`, `secret_name`, `kms_key`, `skew_seconds`,
    `region`. `code` of a step that passed is an advice: what to look at although the step did its work.
    """

    step: Step
    state: StepState
    milliseconds: int = 0
    code: FailureCode | None = None
    skipped: SkipReason | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """All steps of one connection test, in order."""

    steps: tuple[StepResult, ...]

    @property
    def ok(self) -> bool:
        """Whether no step failed."""
        return self.failure is None

    @property
    def failure(self) -> StepResult | None:
        """The first step that failed, if any."""
        return next((step for step in self.steps if step.state is StepState.FAILED), None)


class TrustAttempt(StrEnum):
    """A way to ask for a role that a trust policy which requires the External ID refuses."""

    WITHOUT_EXTERNAL_ID = "without_external_id"
    WRONG_EXTERNAL_ID = "wrong_external_id"

    @property
    def label(self) -> Promise:
        """The attempt in words for people."""
        return _ATTEMPT_LABELS[self]


_ATTEMPT_LABELS: dict[TrustAttempt, Promise] = {
    TrustAttempt.WITHOUT_EXTERNAL_ID: _("Assume the role without an External ID"),
    TrustAttempt.WRONG_EXTERNAL_ID: _("Assume the role with a made-up External ID"),
}


class TrustOutcome(StrEnum):
    """How an attempt ended; only a refusal is good."""

    REFUSED = "refused"
    ACCEPTED = "accepted"
    NOT_CONCLUSIVE = "not_conclusive"
    NOT_TRACED = "not_traced"


@dataclass(frozen=True, slots=True)
class TrustAnswer:
    """What one attempt was answered.

    `code` is why it was refused, or why the answer says nothing about the trust policy; None if it was accepted.
    `facts` has the same allow-listed keys as `StepResult.facts`.
    """

    attempt: TrustAttempt
    outcome: TrustOutcome
    code: FailureCode | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrustCheck:
    """Whether the cloud lets this application act for whoever knows only the role: the confused deputy.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """

    answers: tuple[TrustAnswer, ...] = ()

    @property
    def applicable(self) -> bool:
        """Whether there was anything to try."""
        return bool(self.answers)

    @property
    def code(self) -> FailureCode | None:
        """What the answers mean together, to be explained as failures are; None if the check is not applicable."""
        outcomes = {answer.outcome for answer in self.answers}
        if not outcomes:
            return None
        if TrustOutcome.ACCEPTED in outcomes:
            return FailureCode.TRUST_WITHOUT_EXTERNAL_ID
        if TrustOutcome.NOT_CONCLUSIVE in outcomes:
            return FailureCode.TRUST_NOT_CONCLUSIVE
        return FailureCode.TRUST_REQUIRES_EXTERNAL_ID


class ProviderError(Exception):
    """The only error that leaves a provider.

    Its text is the failure code: no text that a cloud or a library wrote is ever part of it.
    `facts` has the same allow-listed keys as `StepResult.facts`.
    """

    def __init__(self, code: FailureCode, step: Step, facts: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{code.value} at {step.value}")
        self.code = code
        self.step = step
        self.facts: Mapping[str, str] = dict(facts or {})


class VersionStage(StrEnum):
    """Which version of a secret is meant, by the names AWS gives them; other providers translate.

    https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html
    """

    CURRENT = "AWSCURRENT"
    PREVIOUS = "AWSPREVIOUS"


class SecretId(NamedTuple):
    """What is read of a vault: the name (or ARN) of a secret, and the stage of the version that is meant."""

    secret_name: str
    version_stage: str = VersionStage.CURRENT


@dataclass(frozen=True, slots=True)
class ListedSecret:
    """One secret of a list: what a person chooses it by. The dates are None where nothing is planned."""

    name: str
    description: str = ""
    deletes_at: datetime | None = None
    rotates_at: datetime | None = None


#: As many secrets as `Provider.list_names` returns.
MOST_LISTED = 20


@dataclass(frozen=True, slots=True)
class Fetched:
    """One secret as read from a vault: its text (None for a binary secret) and the version that was read."""

    value: Secret[str] | None
    version_id: str


@dataclass(frozen=True, slots=True)
class Trace:
    """How reading some secrets went, step by step.

    `steps` is what comes before any secret: SHAPE, IDENTITY, ASSUME_ROLE. `reads` has the step READ of each secret, and
    `answers` what `Provider.fetch` would have answered.
    """

    steps: tuple[StepResult, ...]
    reads: Mapping[SecretId, StepResult]
    answers: Mapping[SecretId, Fetched | ProviderError]


class ProviderSettingsForm(forms.Form):
    """The fields that one provider asks for; every provider declares its own.

    `stored` is None for a new credential, else the names of the secret fields that hold a value already: a secret field
    left blank then keeps what is stored. When changing a credential `initial` is its stored config, for rules such as
    "another access key id needs its own secret". Secret fields never have an initial value.
    """

    #: Names of the fields whose values are sealed.
    secret_fields: ClassVar[frozenset[str]] = frozenset()
    #: Names of the fields that only steer this form, as "remove the stored value"; all others are stored as config.
    control_fields: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, *args: Any, stored: Iterable[str] | None = None, **kwargs: Any) -> None:
        self.stored: frozenset[str] | None = None if stored is None else frozenset(stored)
        super().__init__(*args, **kwargs)

    def settings(self, stored_secrets: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Return what to store, once the form is valid: the config, and the secrets.

        A secret that was left blank is taken from `stored_secrets` (empty for a new credential); one that is in
        neither place is left out.
        """
        visible = self.fields.keys() - self.secret_fields - self.control_fields
        config = {name: self.cleaned_data[name] for name in self.fields if name in visible}
        entered = {name: self.cleaned_data[name] for name in self.secret_fields if self.cleaned_data[name]}
        kept = {name: value for name, value in stored_secrets.items() if name in self.secret_fields}
        return config, {**kept, **entered}


class Provider(ABC):
    """A cloud vault, opened with one credential.

    `config` holds what may be seen (for AWS: region, access key id, role ARN), `secrets` what may not.
    An instance lives for one use. `scope` is an opaque name for "this credential as it is now": sessions, connections
    and whatever else is kept between uses is kept under it, and shared with nothing else. Without a scope nothing is
    kept. A connection test uses nothing that was kept, whatever the scope.
    """

    slug: ClassVar[str]
    label: ClassVar[str]
    #: How a variable names "whatever credential is the default for this provider".
    default_label: ClassVar[str | Promise]
    form: ClassVar[type[ProviderSettingsForm]]

    def __init__(self, config: Mapping[str, str], secrets: Secret[dict[str, str]], scope: str = "") -> None:
        self.config = config
        self.secrets = secrets
        self.scope = scope
        #: How many requests were sent; what was known already cost none.
        self.calls = 0

    @classmethod
    def name_problem(cls, config: Mapping[str, str], secret_name: str) -> FailureCode | None:
        """Return why a secret cannot have this name for a credential with `config`, judged without asking anybody."""
        return None

    @abstractmethod
    def probe(self, target: str | None = None) -> ProbeResult:
        """Prove step by step that the credential works. Never raises for anything a cloud or a network does.

        `target` is the name of a secret to describe and read (its values are dropped at once); without one the steps
        that need it are skipped and say so.
        """

    @abstractmethod
    def identify(self) -> Mapping[str, str]:
        """Return whose secrets it reads and as whom: the facts `account` and `arn`. Raises ProviderError."""

    def check_trust(self) -> TrustCheck:
        """Try what a trust policy must refuse. Never raises for anything a cloud or a network does.

        Not applicable unless a provider knows better.
        """
        return TrustCheck()

    @abstractmethod
    def fetch(self, references: Iterable[SecretId], max_age: int = 0) -> Mapping[SecretId, Fetched | ProviderError]:
        """Read each secret once. Every reference has an answer: the secret, or why it could not be read.

        A value that this process read less than `max_age` seconds ago for the same purpose may be used again.
        """

    @abstractmethod
    def trace(self, references: Iterable[SecretId]) -> Trace:
        """Read each secret once and say how each step went; what `fetch` fails at fails here, for the same reason.

        Never raises for anything a cloud or a network does.
        """

    @abstractmethod
    def versions(self, references: Iterable[SecretId]) -> Mapping[SecretId, str | ProviderError]:
        """Return the id of the version that each reference means, without reading a value, or why it is not known."""

    @abstractmethod
    def list_names(self, prefix: str) -> tuple[ListedSecret, ...]:
        """Return MOST_LISTED secrets at most whose names begin with `prefix`, by the provider's own search.

        Raises ProviderError if the list cannot be had.
        """

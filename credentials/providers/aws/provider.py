"""AWS Secrets Manager as a provider: the connection test, and reading secrets.

botocore takes some tenths of a second to import, so `vault`, which needs it, is imported when AWS is called.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, ClassVar, TypeVar

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from ..base import (
    Fetched,
    ListedSecret,
    ProbeResult,
    Provider,
    ProviderError,
    SecretId,
    SkipReason,
    Step,
    StepResult,
    StepState,
    TrustAnswer,
    TrustAttempt,
    TrustCheck,
    TrustOutcome,
)
from ..failures import FailureCode
from .form import AwsSettingsForm
from .limits import Limits
from .memory import Memory, memory_of
from .names import name_problem
from .verdicts import DENIED

if TYPE_CHECKING:
    from .reading import Reader
    from .vault import Vault

T = TypeVar("T")

#: Seconds. A test needs its session for a moment, and this is the least AWS gives.
TEST_SESSION = 900

_INVALID_FIELD = {
    "region": FailureCode.REGION_UNKNOWN,
    "access_key_id": FailureCode.ACCESS_KEY_ID_INVALID,
    "secret_access_key": FailureCode.SECRET_ACCESS_KEY_INVALID,
    "role_arn": FailureCode.ROLE_ARN_INVALID,
    "external_id": FailureCode.EXTERNAL_ID_INVALID,
}

#: What KMS refuses, after Secrets Manager has allowed the secret to be read.
_KMS = frozenset(
    {
        FailureCode.KMS_DENIED,
        FailureCode.KMS_KEY_CHANGED,
        FailureCode.KMS_KEY_UNUSABLE,
        FailureCode.KMS_DEFAULT_KEY,
    }
)

#: Refusals in which the trust policy, and with it the External ID, had its say. AWS does not tell them apart.
_TRUST_REFUSED = frozenset({FailureCode.ROLE_NOT_ASSUMED, FailureCode.ROLE_TRUST_DENIED})


class AwsSecretsManager(Provider):
    """AWS Secrets Manager in one region, opened by an IAM user's access key, directly or through a role."""

    slug = "aws"
    label = "AWS Secrets Manager"
    default_label = _("Use AWS default")
    form = AwsSettingsForm
    secret_fields = AwsSettingsForm.secret_fields
    limits: ClassVar[Limits] = Limits()

    def probe(self, target: str | None = None) -> ProbeResult:
        """Prove the credential step by step, within `limits.total` seconds.

        A missing right to list or to describe does not stop the steps after it: a credential that is limited to some
        secrets may lack ListSecrets and still read them. The test has failed all the same, because the list is what
        people choose secrets from. Steps that passed with a code carry an advice: a list with NO_SECRETS_IN_REGION, a
        batch with a missing right. Nothing that happens to the batch makes the test fail.
        """
        name = target or ""
        no_role = None if self._has_role else SkipReason.NO_ROLE
        no_target = None if target else SkipReason.NO_TARGET
        steps = _Steps()
        steps.take(Step.SHAPE, self._check_shape)
        with self._vault() as vault:
            steps.take(Step.IDENTITY, vault.identify)
            steps.take(Step.ASSUME_ROLE, partial(vault.assume_role, TEST_SESSION), no_role)
            steps.take(Step.LIST, vault.list_secrets)
            steps.take(Step.DESCRIBE, partial(vault.describe, name), no_target)
            steps.take(Step.READ, partial(vault.check_readable, name), no_target)
            steps.split_off_decrypting()
            steps.take(Step.BATCH, partial(vault.check_batch, name), no_target)
            steps.forgive()
        return ProbeResult(tuple(steps.results))

    def identify(self) -> Mapping[str, str]:
        """Ask AWS who the keys belong to. A role's ARN says so itself: nothing is asked then."""
        if self._has_role:
            role = self.config["role_arn"]
            return {"account": role.split(":")[4], "arn": role}
        self._check_shape()
        with self._vault() as vault:
            return vault.identify()

    def check_trust(self) -> TrustCheck:
        """Try to assume the role without its External ID and with a random one, within `limits.total` seconds.

        It costs two calls of AssumeRole, which the customer sees in CloudTrail. What AWS refuses proves something only
        where it accepts the credential itself: this belongs after a test that passed.
        """
        if not self._has_role:
            return TrustCheck()
        external_ids = {
            TrustAttempt.WITHOUT_EXTERNAL_ID: "",
            # Says in CloudTrail where it comes from. All else is as in a test: a trust policy may look at that too.
            TrustAttempt.WRONG_EXTERNAL_ID: f"crewadmin-trust-check-{secrets.token_hex(16)}",
        }
        with self._vault() as vault:
            return TrustCheck(tuple(self._attempt(vault, *attempt) for attempt in external_ids.items()))

    @classmethod
    def name_problem(cls, config: Mapping[str, str], secret_name: str) -> FailureCode | None:
        """Return why no secret of the credential's region can have this name or ARN."""
        return name_problem(config.get("region", ""), secret_name)

    def fetch(self, references: Iterable[SecretId]) -> Mapping[SecretId, Fetched | ProviderError]:
        """Read each secret once, many in one call or at the same time, within `limits.total` seconds.

        Values that were read less than SECRET_CACHE_SECONDS ago, with this version of this credential, are not read
        again; by default that is none.
        """
        wanted = list(dict.fromkeys(references))
        kept = self._memory.values(wanted, settings.SECRET_CACHE_SECONDS)
        read = self._ask_about([one for one in wanted if one not in kept], lambda reader, some: reader.fetch(some))
        if settings.SECRET_CACHE_SECONDS and self.scope:
            self._memory.keep({one: found for one, found in read.items() if isinstance(found, Fetched)})
        return {one: kept.get(one) or read[one] for one in wanted}

    def versions(self, references: Iterable[SecretId]) -> Mapping[SecretId, str | ProviderError]:
        """Describe each secret once, many at the same time, within `limits.total` seconds; no value is read."""
        wanted = list(dict.fromkeys(references))
        return self._ask_about(wanted, lambda reader, some: reader.versions(some))

    def list_names(self, prefix: str) -> tuple[ListedSecret, ...]:
        """List secrets by the beginning of their name; capital letters count. Those to be deleted are among them."""
        self._check_shape()
        with self._reader() as reader:
            try:
                return reader.list_names(prefix)
            finally:
                self.calls += reader.sent

    def _ask_about(
        self, wanted: list[SecretId], ask: "Callable[[Reader, list[SecretId]], dict[SecretId, T | ProviderError]]"
    ) -> dict[SecretId, "T | ProviderError"]:
        """Ask about every secret that can exist; a failure of the whole credential is the answer for each."""
        answers: dict[SecretId, T | ProviderError] = {}
        for one in wanted:
            if problem := self.name_problem(self.config, one.secret_name):
                facts = {"secret_name": one.secret_name, "region": self.config.get("region", "")}
                answers[one] = ProviderError(problem, Step.READ, facts)
        asked = [one for one in wanted if one not in answers]
        if not asked:
            return answers
        try:
            self._check_shape()
            with self._reader() as reader:
                try:
                    return answers | ask(reader, asked)
                finally:
                    self.calls += reader.sent
        except ProviderError as error:
            return answers | dict.fromkeys(asked, error)

    @property
    def _has_role(self) -> bool:
        return bool(self.config.get("role_arn"))

    @cached_property
    def _memory(self) -> Memory:
        settings_of_it = (self.config.get(name) for name in ("region", "access_key_id", "role_arn"))
        return memory_of(self.scope, settings.AWS_SANDBOX_URL, *settings_of_it)

    def _vault(self) -> "Vault":
        from .client import Calls
        from .vault import Vault

        return Vault(self.config, self.secrets, Calls(self.limits, settings.AWS_SANDBOX_URL))

    def _reader(self) -> "Reader":
        from .client import Calls
        from .reading import Reader

        lasting = bool(self.scope)
        calls = Calls(self.limits, settings.AWS_SANDBOX_URL, threads=self.limits.readers, lasting=lasting)
        return Reader(self.config, self._vault(), calls, self._memory)

    def _check_shape(self) -> dict[str, str]:
        """Hold what is stored against the form's rules, which may have become stricter. Raises ProviderError."""
        form = self.form({**self.config, **self.secrets.reveal()})
        if form.is_valid():
            return {}
        raise ProviderError(_INVALID_FIELD[next(iter(form.errors))], Step.SHAPE)

    def _attempt(self, vault: "Vault", attempt: TrustAttempt, external_id: str) -> TrustAnswer:
        try:
            self._check_shape()
            facts = vault.try_external_id(external_id, TEST_SESSION)
        except ProviderError as error:
            refused = error.code in _TRUST_REFUSED
            outcome = TrustOutcome.REFUSED if refused else TrustOutcome.NOT_CONCLUSIVE
            return TrustAnswer(attempt, outcome, error.code, error.facts)
        return TrustAnswer(attempt, TrustOutcome.ACCEPTED, facts=facts)


class _Steps:
    """The steps of a connection test, as they are taken."""

    def __init__(self) -> None:
        self.results: list[StepResult] = []
        self._stopped = False

    def take(self, step: Step, work: Callable[[], dict[str, str]], skip: SkipReason | None = None) -> None:
        """Do one step's work and time it, unless there is a reason to skip it."""
        if self._stopped or skip:
            reason = skip or SkipReason.EARLIER_STEP_FAILED
            self.results.append(StepResult(step, StepState.SKIPPED, skipped=reason))
            return
        start = time.monotonic()
        try:
            state, facts, code = StepState.PASSED, work(), None
        except ProviderError as error:
            state, facts, code = StepState.FAILED, dict(error.facts), error.code
            self._stopped = not (code in DENIED and step in (Step.LIST, Step.DESCRIBE))
        if facts.get("count") == "0":
            code = FailureCode.NO_SECRETS_IN_REGION
        self.results.append(StepResult(step, state, round((time.monotonic() - start) * 1000), code, facts=facts))

    def split_off_decrypting(self) -> None:
        """Make two steps of the last one: Secrets Manager reads and has KMS decrypt in one call.

        What KMS refuses was allowed to be read. That there is nothing for KMS to allow is known from describing.
        """
        described, read = self.results[-2:]
        key = _chosen(described.facts, "kms_key")
        if read.code in _KMS:
            allowed = _chosen(read.facts, "secret_name", "request_id")
            self.results[-1] = replace(read, state=StepState.PASSED, code=None, facts=allowed)
            decrypt = StepResult(Step.DECRYPT, StepState.FAILED, code=read.code, facts={**key, **read.facts})
        elif read.state is not StepState.PASSED:
            reason = read.skipped or SkipReason.EARLIER_STEP_FAILED
            decrypt = StepResult(Step.DECRYPT, StepState.SKIPPED, skipped=reason)
        elif described.state is StepState.PASSED and not key:
            decrypt = StepResult(Step.DECRYPT, StepState.SKIPPED, skipped=SkipReason.DEFAULT_KEY)
        else:
            decrypt = StepResult(Step.DECRYPT, StepState.PASSED, facts=key)
        self.results.append(decrypt)

    def forgive(self) -> None:
        """Make no failure of the last step: a missing right is an advice, anything else as if it had not been tried."""
        last = self.results[-1]
        if last.code in DENIED:
            self.results[-1] = replace(last, state=StepState.PASSED)
        elif last.state is StepState.FAILED:
            self.results[-1] = StepResult(last.step, StepState.SKIPPED, skipped=SkipReason.NOT_CONCLUSIVE)


def _chosen(facts: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: facts[name] for name in names if name in facts}

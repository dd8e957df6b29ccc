"""AWS Secrets Manager as a provider: the connection test, and reading secrets.

botocore takes some tenths of a second to import, so `vault`, which needs it, is imported when AWS is called.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from ..base import (
    Fetched,
    ProbeResult,
    Provider,
    ProviderError,
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

if TYPE_CHECKING:
    from .vault import Vault

# Seconds. A test needs its session for a moment, and 900 is the least AWS gives; reading may take longer, and 3600 is
# what every role allows unless it was changed.
TEST_SESSION, READ_SESSION = 900, 3600

_INVALID_FIELD = {
    "region": FailureCode.REGION_UNKNOWN,
    "access_key_id": FailureCode.ACCESS_KEY_ID_INVALID,
    "secret_access_key": FailureCode.SECRET_ACCESS_KEY_INVALID,
    "role_arn": FailureCode.ROLE_ARN_INVALID,
    "external_id": FailureCode.EXTERNAL_ID_INVALID,
}

#: Missing rights: they stop nothing but the step that needs them.
_DENIED = frozenset(
    {
        FailureCode.LIST_DENIED,
        FailureCode.DESCRIBE_DENIED,
        FailureCode.BATCH_DENIED,
        FailureCode.EXPLICIT_DENY,
        FailureCode.DENIED_BY_BOUNDARY,
        FailureCode.DENIED_BY_ORGANIZATION,
        FailureCode.DENIED_BY_SECRET_POLICY,
        FailureCode.DENIED_BY_SESSION_POLICY,
        FailureCode.DENIED_BY_ENDPOINT_POLICY,
    }
)

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

#: Failures that every other secret would meet as well.
_WHOLE_CREDENTIAL = frozenset(
    {
        FailureCode.ACCESS_KEY_ID_UNKNOWN,
        FailureCode.SECRET_ACCESS_KEY_WRONG,
        FailureCode.CLOCK_SKEW,
        FailureCode.REGION_NOT_ENABLED,
        FailureCode.KEYS_NOT_ACCEPTED,
        FailureCode.SESSION_EXPIRED,
        FailureCode.ACCOUNT_NOT_READY,
        FailureCode.DNS_FAILED,
        FailureCode.CONNECTION_REFUSED,
        FailureCode.CONNECT_TIMEOUT,
        FailureCode.TLS_FAILED,
        FailureCode.PROXY_REFUSED,
        FailureCode.REQUEST_ALTERED,
        FailureCode.UNEXPECTED_RESPONSE,
        FailureCode.TIMED_OUT,
    }
)


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

    def fetch(self, names: Iterable[str]) -> Mapping[str, Fetched | ProviderError]:
        """Read each named secret once, several at the same time, within `limits.total` seconds.

        The first is read alone: if it shows that the whole credential fails, the others have the same answer without
        being tried.
        """
        wanted = list(dict.fromkeys(names))
        if not wanted:
            return {}
        try:
            self._check_shape()
            with self._vault() as vault:
                if self._has_role:
                    vault.assume_role(READ_SESSION)
                first = self._read_first(vault, wanted[0])
                started = {name: vault.start_reading(name) for name in wanted[1:]}
                return {wanted[0]: first} | {
                    name: _outcome(partial(vault.read, name, reading)) for name, reading in started.items()
                }
        except ProviderError as error:
            return dict.fromkeys(wanted, error)

    @property
    def _has_role(self) -> bool:
        return bool(self.config.get("role_arn"))

    def _vault(self) -> "Vault":
        from .vault import Vault

        return Vault(self.config, self.secrets, self.limits, settings.AWS_SANDBOX_URL)

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

    def _read_first(self, vault: "Vault", name: str) -> Fetched | ProviderError:
        """Read one secret. Raises ProviderError for a failure that is the whole credential's."""
        first = _outcome(partial(vault.read, name))
        if isinstance(first, Fetched) or first.code not in _WHOLE_CREDENTIAL:
            return first
        if first.code is FailureCode.KEYS_NOT_ACCEPTED and not self._has_role:
            vault.identify()  # says why, where it fails too
        raise ProviderError(first.code, first.step, {k: v for k, v in first.facts.items() if k != "secret_name"})


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
            self._stopped = not (code in _DENIED and step in (Step.LIST, Step.DESCRIBE))
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
        if last.code in _DENIED:
            self.results[-1] = replace(last, state=StepState.PASSED)
        elif last.state is StepState.FAILED:
            self.results[-1] = StepResult(last.step, StepState.SKIPPED, skipped=SkipReason.NOT_CONCLUSIVE)


def _chosen(facts: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: facts[name] for name in names if name in facts}


def _outcome(read: Callable[[], Fetched]) -> Fetched | ProviderError:
    try:
        return read()
    except ProviderError as error:
        return error

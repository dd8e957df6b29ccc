"""AWS Secrets Manager as a provider: the connection test, and reading secrets.

botocore takes some tenths of a second to import, so `vault`, which needs it, is imported when AWS is called.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping
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
    Trace,
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
from .steps import Steps
from .verdicts import DENIED, WHOLE_CREDENTIAL

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

#: Refusals in which the trust policy, and with it the External ID, had its say. AWS does not tell them apart.
_TRUST_REFUSED = frozenset({FailureCode.ROLE_NOT_ASSUMED, FailureCode.ROLE_TRUST_DENIED})


class AwsSecretsManager(Provider):
    """AWS Secrets Manager in one region, opened by an IAM user's access key, directly or through a role."""

    slug = "aws"
    label = "AWS Secrets Manager"
    default_label = _("Use AWS default")
    form = AwsSettingsForm
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
        steps = Steps(goes_on=lambda step, code: code in DENIED and step in (Step.LIST, Step.DESCRIBE))
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

    def fetch(self, references: Iterable[SecretId], max_age: int = 0) -> Mapping[SecretId, Fetched | ProviderError]:
        """Read each secret once, many in one call or at the same time, within `limits.total` seconds.

        Values that were read less than `max_age` seconds ago, with this version of this credential and to be used
        again, are not read again; by default that is none.
        """
        wanted = list(dict.fromkeys(references))
        kept = self._memory.values(wanted, max_age)
        read = self._ask_about([one for one in wanted if one not in kept], lambda reader, some: reader.fetch(some))
        if max_age and self.scope:
            self._memory.keep({one: found for one, found in read.items() if isinstance(found, Fetched)})
        return {one: kept.get(one) or read[one] for one in wanted}

    def trace(self, references: Iterable[SecretId]) -> Trace:
        """Read each secret as `fetch` does, one after the other, with a session of its own and nothing that was kept.

        Who signs is asked besides, for people to see. That this cannot be found out is a failure only where reading
        fails for the same reason.
        """
        wanted = list(dict.fromkeys(references))
        answers: dict[SecretId, Fetched | ProviderError] = {}
        steps = Steps(
            goes_on=lambda step, code: step is Step.IDENTITY or (step is Step.READ and code not in WHOLE_CREDENTIAL)
        )
        steps.take(Step.SHAPE, self._check_shape)
        with self._reader(Memory()) as reader:
            steps.take(Step.IDENTITY, reader.identify)
            steps.take(Step.ASSUME_ROLE, reader.sign_in, None if self._has_role else SkipReason.NO_ROLE)
            for one in wanted:
                steps.take(Step.READ, partial(self._read_one, reader, one, answers))
            self.calls += reader.sent
        for one in wanted:
            if one not in answers:  # what failed is the whole credential's
                answers[one] = self._name_error(one) or steps.error()
        steps.put_down_to_signing_in()
        before, reads = steps.results[: -len(wanted) or None], steps.results[len(steps.results) - len(wanted) :]
        return Trace(tuple(before), dict(zip(wanted, reads, strict=True)), answers)

    def versions(self, references: Iterable[SecretId]) -> Mapping[SecretId, str | ProviderError]:
        """Describe each secret once, many at the same time, within `limits.total` seconds; no value is read."""
        wanted = list(dict.fromkeys(references))
        return self._ask_about(wanted, lambda reader, some: reader.versions(some))

    def list_names(self, prefix: str) -> tuple[ListedSecret, ...]:
        """List secrets by the beginning of their name; capital letters count. Those to be deleted are among them."""
        self._check_shape()
        with self._reader(self._memory) as reader:
            try:
                return reader.list_names(prefix)
            finally:
                self.calls += reader.sent

    def _ask_about(
        self, wanted: list[SecretId], ask: "Callable[[Reader, list[SecretId]], dict[SecretId, T | ProviderError]]"
    ) -> dict[SecretId, "T | ProviderError"]:
        """Ask about every secret that can exist; a failure of the whole credential is the answer for each."""
        errors = {one: self._name_error(one) for one in wanted}
        answers: dict[SecretId, T | ProviderError] = {one: error for one, error in errors.items() if error}
        asked = [one for one in wanted if one not in answers]
        if not asked:
            return answers
        try:
            self._check_shape()
            with self._reader(self._memory) as reader:
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

    def _reader(self, memory: Memory) -> "Reader":
        from .client import Calls
        from .reading import Reader

        lasting = bool(self.scope)
        calls = Calls(self.limits, settings.AWS_SANDBOX_URL, threads=self.limits.readers, lasting=lasting)
        return Reader(self.config, self._vault(), calls, memory)

    def _name_error(self, wanted: SecretId) -> ProviderError | None:
        """Return what is wrong with a name that no secret of the region can have."""
        problem = self.name_problem(self.config, wanted.secret_name)
        facts = {"secret_name": wanted.secret_name, "region": self.config.get("region", "")}
        return ProviderError(problem, Step.READ, facts) if problem else None

    def _read_one(
        self, reader: "Reader", wanted: SecretId, answers: dict[SecretId, Fetched | ProviderError]
    ) -> dict[str, str]:
        """Read one secret and keep the answer; return the fact `secret_name`. Raises ProviderError."""
        answer = self._name_error(wanted) or reader.fetch([wanted])[wanted]
        answers[wanted] = answer
        if isinstance(answer, ProviderError):
            raise answer
        return {"secret_name": wanted.secret_name}

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

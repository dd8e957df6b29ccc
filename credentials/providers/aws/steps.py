"""The steps of a connection test, or of a reading that is explained: timed, and each with what became of it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from ..base import ProviderError, SkipReason, Step, StepResult, StepState
from ..failures import FailureCode
from .verdicts import DENIED

#: What KMS refuses, after Secrets Manager has allowed the secret to be read.
_KMS = frozenset(
    {
        FailureCode.KMS_DENIED,
        FailureCode.KMS_KEY_CHANGED,
        FailureCode.KMS_KEY_UNUSABLE,
        FailureCode.KMS_DEFAULT_KEY,
    }
)


class Steps:
    """Steps as they are taken, until one fails that `goes_on` does not go on after."""

    def __init__(self, goes_on: Callable[[Step, FailureCode], bool]) -> None:
        self.results: list[StepResult] = []
        self._goes_on = goes_on
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
            self._stopped = not self._goes_on(step, code)
        if facts.get("count") == "0":
            code = FailureCode.NO_SECRETS_IN_REGION
        self.results.append(StepResult(step, state, round((time.monotonic() - start) * 1000), code, facts=facts))

    def error(self) -> ProviderError:
        """Return the last failure as what it was raised as."""
        failed = next(one for one in reversed(self.results) if one.state is StepState.FAILED)
        return ProviderError(failed.code or FailureCode.UNKNOWN, failed.step, failed.facts)

    def put_down_to_signing_in(self) -> None:
        """Settle a sign-in that failed although more was tried after it.

        Where what came after it failed for the same reason, signing in is what failed; else nobody needs it.
        """
        at = next((n for n, one in enumerate(self.results) if one.step is Step.IDENTITY), None)
        if at is None or self.results[at].state is not StepState.FAILED:
            return
        code, later = self.results[at].code, self.results[at + 1 :]
        if not any(one.code is code for one in later):
            self.results[at] = replace(
                self.results[at], state=StepState.SKIPPED, code=None, skipped=SkipReason.NOT_CONCLUSIVE, facts={}
            )
            return
        reason = SkipReason.EARLIER_STEP_FAILED
        self.results[at + 1 :] = [
            StepResult(one.step, StepState.SKIPPED, skipped=reason) if one.code is code else one for one in later
        ]

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

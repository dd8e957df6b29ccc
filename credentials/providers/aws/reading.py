"""Read many secrets with one credential in few calls, and describe or list them.

Twenty secrets are read by one BatchGetSecretValue. It needs a right of its own beside GetSecretValue, which the common
policy does not grant: when it is refused, that is remembered and each secret is read by itself, many at the same time.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_BatchGetSecretValue.html
"""

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self, TypeAlias, TypeVar

from ..base import MOST_LISTED, Fetched, ListedSecret, ProviderError, SecretId, Step, VersionStage
from ..failures import FailureCode
from .answers import ANY, fetched, member, text
from .client import BATCH, Answer, Calls, Keys
from .errors import UnexpectedResponseError, classify, classify_refusal
from .memory import Memory
from .requests import SecretsManager
from .vault import Vault
from .verdicts import DENIED, WHOLE_CREDENTIAL

T = TypeVar("T")

#: Secrets in one batch, by AWS's own limit.
BATCH_SIZE = 20
#: Pages of one answer; more come from no AWS.
_MOST_PAGES = 20
#: Seconds: what every role allows unless it was changed, and how long before its end a session is used no more.
READ_SESSION, _SPARE = 3600, 300

#: Failures of a batch that each of its secrets alone would meet as well.
_OF_EACH = (WHOLE_CREDENTIAL - {FailureCode.UNEXPECTED_RESPONSE}) | {FailureCode.THROTTLED, FailureCode.CONNECTION_LOST}
#: Failures of one secret in a batch that may not be met alone: a policy with a condition on the version stage denies
#: the batch, which cannot name one. https://github.com/boto/boto3/issues/2957
_OF_THE_BATCH = frozenset({FailureCode.READ_DENIED, FailureCode.THROTTLED, FailureCode.AWS_UNAVAILABLE})
#: A session that is used no more: it has ended, or was revoked.
_SESSION_ENDED = frozenset({FailureCode.SESSION_EXPIRED, FailureCode.KEYS_NOT_ACCEPTED})
#: What AWS takes in a filter; no name holds anything else.
#: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Filter.html
_FILTER = re.compile(r"[A-Za-z0-9 :_@/+=.!-]{0,512}")

Outcome: TypeAlias = T | ProviderError


class Reader:
    """One region's secrets, read with one credential, for the time of a `with` block."""

    def __init__(self, config: Mapping[str, str], vault: Vault, calls: Calls, memory: Memory) -> None:
        self._region = config.get("region", "")
        self._has_role = bool(config.get("role_arn"))
        self._vault = vault
        self._calls = calls
        self._memory = memory
        self._secrets_manager = SecretsManager(calls, self._region)
        self._sessions = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._calls.__exit__(*exc_info)
        self._vault.__exit__(*exc_info)

    @property
    def sent(self) -> int:
        """How many requests were sent."""
        return len(self._secrets_manager.sent) + self._sessions

    def identify(self) -> dict[str, str]:
        """Ask who the user's keys belong to. Returns the facts `account` and `arn`. Raises ProviderError."""
        return self._vault.identify()

    def sign_in(self) -> dict[str, str]:
        """Have a session of the role, which is else asked for when it is needed. Raises ProviderError."""
        self._keys()
        return {}

    def fetch(self, wanted: Sequence[SecretId]) -> dict[SecretId, Outcome[Fetched]]:
        """Read each secret. Raises ProviderError for a failure that is the whole credential's."""
        self._keys()
        together = [one for one in wanted if one.version_stage == VersionStage.CURRENT]
        answers = self._read_together(together) if len(together) > 1 and not self._memory.batch_denied else {}
        alone = [one for one in wanted if one not in answers]
        answers |= zip(alone, self._each(self._read, alone, Step.READ), strict=True)
        return self._judged(answers)

    def versions(self, wanted: Sequence[SecretId]) -> dict[SecretId, Outcome[str]]:
        """Describe each secret, and return the version that is meant. Raises ProviderError as `fetch` does."""
        self._keys()
        names = list(dict.fromkeys(one.secret_name for one in wanted))
        described = dict(zip(names, self._each(self._describe, names, Step.DESCRIBE), strict=True))
        return self._judged({one: self._version_of(one, described[one.secret_name]) for one in wanted})

    def list_names(self, prefix: str) -> tuple[ListedSecret, ...]:
        """List MOST_LISTED secrets at most by the beginning of their name. Raises ProviderError."""
        prefix = prefix.lstrip("!")  # which would mean: all others
        if not _FILTER.fullmatch(prefix):
            return ()
        self._keys()
        work = partial(self._list, prefix)
        outcome = self._outcome(self._calls.start(work), Step.LIST)
        if isinstance(outcome, ProviderError):
            raise self._whole(outcome)
        return outcome

    # --- Together ---------------------------------------------------------------------------------------------------
    def _read_together(self, wanted: Sequence[SecretId]) -> dict[SecretId, Outcome[Fetched]]:
        """Read secrets in batches. What has no answer is to be read alone: all of it, where batches are denied."""
        batches = [wanted[start : start + BATCH_SIZE] for start in range(0, len(wanted), BATCH_SIZE)]
        answers: dict[SecretId, Outcome[Fetched]] = {}
        if not self._memory.batch_allowed:  # one batch finds out, before others are sent
            answers |= self._batch_outcome(batches[0], self._calls.start(self._read_batch, batches[0]))
            if self._memory.batch_denied:
                return {}
            batches = batches[1:]
        started = [(batch, self._calls.start(self._read_batch, batch)) for batch in batches]
        for batch, call in started:
            answers |= self._batch_outcome(batch, call)
        return answers

    def _batch_outcome(
        self, batch: Sequence[SecretId], call: "Future[dict[SecretId, Outcome[Fetched]]]"
    ) -> dict[SecretId, Outcome[Fetched]]:
        outcome = self._outcome(call, Step.BATCH)
        if not isinstance(outcome, ProviderError):
            self._memory.batch_allowed = self._memory.proven = True
            return outcome
        if outcome.code in DENIED:
            self._memory.deny_batch()
            self._memory.proven = True
        elif outcome.code in _OF_EACH:
            if not self._memory.proven and outcome.code in WHOLE_CREDENTIAL:
                raise self._whole(outcome)
            return dict.fromkeys(batch, outcome)
        return {}

    def _read_batch(self, batch: Sequence[SecretId]) -> dict[SecretId, Outcome[Fetched]]:
        """Return the secrets of a batch, and AWS's word on those it does not give; some may be in neither."""
        parameters: dict[str, Any] = {"SecretIdList": [one.secret_name for one in batch]}
        answers: dict[SecretId, Outcome[Fetched]] = {}
        for _page in range(_MOST_PAGES):
            answer = self._ask(BATCH, parameters, Step.BATCH)
            answers |= self._taken_apart(batch, answer)
            if not answer.get("NextToken"):
                break
            parameters = {**parameters, "NextToken": text(answer, "NextToken", ANY)}
        return {
            one: found
            for one, found in answers.items()
            if not (isinstance(found, ProviderError) and found.code in _OF_THE_BATCH)
        }

    def _taken_apart(self, batch: Sequence[SecretId], answer: Answer) -> dict[SecretId, Outcome[Fetched]]:
        answers: dict[SecretId, Outcome[Fetched]] = {}
        for error in answer.get("Errors") or ():
            code, message = text(error, "ErrorCode", ANY), str(error.get("Message", ""))[:4096]
            failure, facts = classify_refusal(code, message, Step.READ)
            for one in batch:
                if one.secret_name == error.get("SecretId"):
                    facts |= {"secret_name": one.secret_name, "region": self._region}
                    answers[one] = ProviderError(failure, Step.READ, facts)
        for secret in member(answer, "SecretValues", list):
            found = fetched(secret)
            answers |= {one: found for one in batch if _is_called(secret, one.secret_name)}
        return answers

    # --- One by one -------------------------------------------------------------------------------------------------
    def _read(self, wanted: SecretId) -> Fetched:
        # The stage is named although it is the default, for policies with a condition on it.
        parameters = {"SecretId": wanted.secret_name, "VersionStage": wanted.version_stage}
        return fetched(self._ask("GetSecretValue", parameters, Step.READ, secret_name=wanted.secret_name))

    def _describe(self, name: str) -> Answer:
        return self._ask("DescribeSecret", {"SecretId": name}, Step.DESCRIBE, secret_name=name)

    @staticmethod
    def _version_of(wanted: SecretId, described: Outcome[Answer]) -> Outcome[str]:
        if isinstance(described, ProviderError):
            return described
        facts = {"secret_name": wanted.secret_name}
        if described.get("DeletedDate") is not None:
            return ProviderError(FailureCode.SECRET_DELETED, Step.DESCRIBE, facts)
        stages = described.get("VersionIdsToStages")
        for version, names in stages.items() if isinstance(stages, dict) else ():
            if isinstance(names, list) and wanted.version_stage in names:
                return str(version)
        return ProviderError(FailureCode.SECRET_WITHOUT_VALUE, Step.DESCRIBE, facts)

    def _list(self, prefix: str) -> tuple[ListedSecret, ...]:
        parameters: dict[str, Any] = {"MaxResults": MOST_LISTED, "IncludePlannedDeletion": True}
        if prefix:
            parameters["Filters"] = [{"Key": "name", "Values": [prefix]}]
        listed: list[ListedSecret] = []
        for _page in range(_MOST_PAGES):
            answer = self._ask("ListSecrets", parameters, Step.LIST)
            listed += map(_listed, member(answer, "SecretList", list))
            # A page may be empty although more follow.
            if len(listed) >= MOST_LISTED or not answer.get("NextToken"):
                break
            parameters = {**parameters, "NextToken": text(answer, "NextToken", ANY)}
        return tuple(listed[:MOST_LISTED])

    def _each(self, work: Callable[[Any], T], items: Sequence[Any], step: Step) -> list[Outcome[T]]:
        """Do the same with each item, many at the same time.

        Until the credential has proven to work the first is done alone: if it shows that the whole credential fails,
        that is raised as a ProviderError, and nothing else is tried.
        """
        alone = 0 if self._memory.proven else 1
        first = [self._outcome(self._calls.start(work, item), step) for item in items[:alone]]
        for outcome in first:
            if isinstance(outcome, ProviderError) and outcome.code in WHOLE_CREDENTIAL:
                raise self._whole(outcome)
            self._memory.proven = True
        started = [self._calls.start(work, item) for item in items[alone:]]
        outcomes: list[Outcome[T]] = [*first, *map(partial(self._outcome, step=step), started)]
        return [_about(item, outcome) for item, outcome in zip(items, outcomes, strict=True)]

    # --- What all of them need --------------------------------------------------------------------------------------
    def _ask(self, operation: str, parameters: Mapping[str, Any], step: Step, **facts: str) -> Answer:
        """Ask Secrets Manager; once more with a new session, if AWS takes the role's session no longer."""
        keys = self._keys()
        try:
            return self._secrets_manager.ask(keys, operation, parameters, step, **facts)
        except ProviderError as error:
            if not (self._has_role and error.code in _SESSION_ENDED):
                raise
        return self._secrets_manager.ask(self._keys(refused=keys), operation, parameters, step, **facts)

    def _keys(self, refused: Keys | None = None) -> Keys:
        if not self._has_role:
            return self._vault.user
        return self._memory.session(self._assume, READ_SESSION - _SPARE, refused)

    def _assume(self) -> Keys:
        self._sessions += 1
        return self._vault.role_keys(READ_SESSION)

    def _outcome(self, call: "Future[T]", step: Step) -> Outcome[T]:
        try:
            return self._calls.wait(call)
        except Exception as error:  # as in `Vault`: whatever a call raises ends here, as a code
            return classify(error, step, {})

    def _judged(self, answers: dict[SecretId, Outcome[T]]) -> dict[SecretId, Outcome[T]]:
        """Return the answers. Raises ProviderError if a credential that has worked before works for none of them."""
        failures = [found for found in answers.values() if isinstance(found, ProviderError)]
        if len(failures) == len(answers) and all(failure.code in WHOLE_CREDENTIAL for failure in failures):
            self._memory.proven = False
            raise self._whole(failures[0])
        return answers

    def _whole(self, error: ProviderError) -> ProviderError:
        """Return a failure as the whole credential's. Raises ProviderError where asking who signs says more."""
        if error.code is FailureCode.KEYS_NOT_ACCEPTED and not self._has_role:
            self._vault.identify()
        return ProviderError(error.code, error.step, {k: v for k, v in error.facts.items() if k != "secret_name"})


def _about(item: SecretId | str, outcome: Outcome[T]) -> Outcome[T]:
    """Say in a failure which secret it is about, as one that came too late does not."""
    name = item if isinstance(item, str) else item.secret_name
    if isinstance(outcome, ProviderError):
        return ProviderError(outcome.code, outcome.step, {**outcome.facts, "secret_name": name})
    return outcome


def _is_called(secret: Mapping[str, Any], name: str) -> bool:
    """Whether a secret has a name, an ARN, or an ARN without its six random characters."""
    arn = str(secret.get("ARN", ""))
    return name in (secret.get("Name"), arn, arn.rpartition("-")[0] if arn else None)


def _listed(secret: object) -> ListedSecret:
    name = text(secret, "Name", re.compile(r"[^\x00-\x1f]{1,512}"))
    about = secret if isinstance(secret, Mapping) else {}
    description = about.get("Description")
    return ListedSecret(
        name,
        description if isinstance(description, str) else "",
        _date(about.get("DeletedDate")),
        _date(about.get("NextRotationDate")),
    )


def _date(seconds: object) -> datetime | None:
    """Return a moment from the seconds since 1970 in which AWS writes it."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)  # type: ignore[arg-type]  # whatever it is
    except (TypeError, ValueError, OverflowError, OSError):
        raise UnexpectedResponseError from None

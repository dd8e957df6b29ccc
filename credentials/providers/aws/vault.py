"""The few questions that are asked of AWS, each answered in a checked form or with a ProviderError."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import ClientError

from crewadmin.redaction import Secret

from ..base import ProviderError, Step
from ..failures import FailureCode
from .answers import ANY, fetched, text
from .client import Answer, Calls, Keys
from .errors import UnexpectedResponseError, classify, request_id
from .regions import HOME_REGIONS, partition_of

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

#: Appears in the customer's CloudTrail and in the session's ARN.
SESSION_NAME = "crewadmin"

_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_ARN = re.compile(r"arn:aws[a-z-]*:[a-z]+:[a-z0-9-]*:\d{12}:[\w+=,.@:/-]{1,1000}", re.ASCII)
_KMS_KEY = re.compile(r"[\w:/-]{1,300}", re.ASCII)
#: What some tools store as the name of the default key, which usually goes without one.
_DEFAULT_KEY = "alias/aws/secretsmanager"


class Vault:
    """One region's Secrets Manager, opened by an IAM user's keys or through a role, for the time of a `with` block."""

    def __init__(self, config: Mapping[str, str], secrets: Secret[dict[str, str]], calls: Calls) -> None:
        self._region = config.get("region", "")
        self._role_arn = config.get("role_arn", "")
        self._external_id = Secret(secrets.reveal().get("external_id", ""))
        self.user = Keys(config.get("access_key_id", ""), Secret(secrets.reveal().get("secret_access_key", "")))
        self._calls = calls
        self._client: SecretsManagerClient | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._calls.__exit__(*exc_info)

    def identify(self) -> dict[str, str]:
        """Ask who the user's keys belong to. Returns the facts `account` and `arn`.

        A region that is not enabled answers exactly as if the key did not exist; the partition's first region, which
        is always enabled, tells the two apart.
        """
        try:
            return self._caller(self._region)
        except ProviderError as error:
            if error.code is not FailureCode.ACCESS_KEY_ID_UNKNOWN:
                raise
            raise self._told_apart(error) from None

    def assume_role(self, seconds: int) -> dict[str, str]:
        """Ask for a session of the role, `seconds` long, and read with it from now on. Returns the fact `arn`."""
        answer = self._role_answer(seconds)
        with self._at(Step.ASSUME_ROLE):
            self._client = self._calls.client("secretsmanager", self._region, _session_keys(answer))
            return _assumed(answer)

    def role_keys(self, seconds: int) -> Keys:
        """Ask for a session of the role, `seconds` long, and return what signs in it."""
        answer = self._role_answer(seconds)
        with self._at(Step.ASSUME_ROLE):
            return _session_keys(answer)

    def try_external_id(self, external_id: str, seconds: int) -> dict[str, str]:
        """Ask for a session of the role with another External ID, or with none if it is empty, and forget it.

        Returns the fact `arn`; a trust policy that requires the External ID does not let it come to that.
        """
        with self._at(Step.ASSUME_ROLE):
            return _assumed(self._ask_for_role(seconds, external_id))

    def list_secrets(self) -> dict[str, str]:
        """List one secret. Returns the fact `count` as 0 where there is none at all."""
        with self._at(Step.LIST):
            answer = self._call(self._secrets().list_secrets, MaxResults=1)
            if not isinstance(answer.get("SecretList"), list):
                raise UnexpectedResponseError
            # A page may be empty although more follow.
            empty = not answer["SecretList"] and not answer.get("NextToken")
            return ({"count": "0", "region": self._region} if empty else {}) | request_id(answer)

    def describe(self, name: str) -> dict[str, str]:
        """Describe a secret. Returns the facts `secret_name` and, for a customer's key, `kms_key`."""
        with self._at(Step.DESCRIBE, secret_name=name) as facts:
            answer = self._call(self._secrets().describe_secret, SecretId=name)
            text(answer, "ARN", _ARN)
            if "DeletedDate" in answer:
                raise ProviderError(FailureCode.SECRET_DELETED, Step.DESCRIBE, facts | request_id(answer))
            key = text(answer, "KmsKeyId", _KMS_KEY) if "KmsKeyId" in answer else _DEFAULT_KEY
            customers = {} if key.endswith(_DEFAULT_KEY) else {"kms_key": key}
            return {"secret_name": name} | customers | request_id(answer)

    def check_readable(self, name: str) -> dict[str, str]:
        """Read a secret and forget its value. Returns the fact `secret_name`."""
        with self._at(Step.READ, secret_name=name):
            answer = self._call(self._secrets().get_secret_value, **_current(name))
            fetched(answer)
            return {"secret_name": name} | request_id(answer)

    def check_batch(self, name: str) -> dict[str, str]:
        """Read a secret as a batch of one and forget its value. Returns the fact `secret_name`."""
        with self._at(Step.BATCH, secret_name=name):
            answer = self._call(self._secrets().batch_get_secret_value, SecretIdList=[name])
            fetched(_only(answer))
            return {"secret_name": name} | request_id(answer)

    @contextmanager
    def _at(self, step: Step, **facts: str) -> Iterator[dict[str, str]]:
        """Turn whatever goes wrong inside the block into a ProviderError at `step`."""
        facts["region"] = self._region
        try:
            yield facts
        except Exception as error:  # whatever a call raises ends here, as a code
            raise classify(error, step, facts) from None

    def _call(self, call: Callable[..., Any], **arguments: object) -> Answer:
        return self._calls.wait(self._calls.start(call, **arguments))

    def _caller(self, region: str) -> dict[str, str]:
        with self._at(Step.IDENTITY):
            answer = self._call(self._calls.client("sts", region, self.user).get_caller_identity)
            account, arn = text(answer, "Account", _ACCOUNT), text(answer, "Arn", _ARN)
            return {"account": account, "arn": arn} | request_id(answer)

    def _told_apart(self, unknown: ProviderError) -> ProviderError:
        home = HOME_REGIONS.get(partition_of(self._region))
        if home is None or home == self._region:
            return unknown
        try:
            known = self._caller(home)
        except ProviderError as at_home:
            knows_the_key = at_home.code in (FailureCode.SECRET_ACCESS_KEY_WRONG, FailureCode.CLOCK_SKEW)
            return at_home if knows_the_key else unknown
        return ProviderError(FailureCode.REGION_NOT_ENABLED, Step.IDENTITY, {**known, **unknown.facts})

    def _role_answer(self, seconds: int) -> Answer:
        try:
            with self._at(Step.ASSUME_ROLE):
                return self._ask_for_role(seconds, self._external_id.reveal())
        except ProviderError as error:
            if error.code is FailureCode.ACCESS_KEY_ID_UNKNOWN:
                self.identify()  # says more, where it fails too
            raise

    def _ask_for_role(self, seconds: int, external_id: str) -> Answer:
        return self._call(
            self._calls.client("sts", self._region, self.user).assume_role,
            RoleArn=self._role_arn,
            RoleSessionName=SESSION_NAME,
            DurationSeconds=seconds,
            **({"ExternalId": external_id} if external_id else {}),
        )

    def _secrets(self) -> "SecretsManagerClient":
        if self._client is None:
            self._client = self._calls.client("secretsmanager", self._region, self.user)
        return self._client


def _current(name: str) -> dict[str, str]:
    # The stage is named although it is the default: policies with a condition on secretsmanager:VersionStage deny
    # requests without it. https://github.com/boto/boto3/issues/2957
    return {"SecretId": name, "VersionStage": "AWSCURRENT"}


def _session_keys(answer: Answer) -> Keys:
    given = answer.get("Credentials")
    return Keys(
        text(given, "AccessKeyId", ANY),
        Secret(text(given, "SecretAccessKey", ANY)),
        Secret(text(given, "SessionToken", ANY)),
    )


def _assumed(answer: Answer) -> dict[str, str]:
    return {"arn": text(answer.get("AssumedRoleUser"), "Arn", _ARN)} | request_id(answer)


def _only(answer: Answer) -> Answer:
    """Return the secret of a batch of one. Raises ClientError for what AWS says of it instead of refusing the batch.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_BatchGetSecretValue.html
    """
    match answer:
        case {"Errors": [{"ErrorCode": str(code)} as error, *_]}:
            message = str(error.get("Message", ""))
            metadata = answer.get("ResponseMetadata", {})
            raise ClientError(
                {"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, "BatchGetSecretValue"
            )
        case {"SecretValues": [dict() as secret]}:
            return secret
    raise UnexpectedResponseError

"""Plain boto3 clients against a sandbox, and what a refused call looks like to them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox import seed

SESSION = boto3.Session()  # shared: a session of its own would cost each client 0.1 s
CONFIG = Config(retries={"total_max_attempts": 1}, parameter_validation=False)  # let the server refuse


@dataclass
class Clients:
    """What a person with these keys can call."""

    url: str
    user: seed.User = seed.READER
    region: str = seed.REGION
    token: str | None = None

    @property
    def sts(self) -> Any:
        return self._client("sts")

    @property
    def secrets(self) -> Any:
        return self._client("secretsmanager")

    def read(self, secret_id: str, **options: str) -> str:
        return self.secrets.get_secret_value(SecretId=secret_id, **options)["SecretString"]

    def assume(
        self, role: str = seed.ROLE_ARN, external_id: str | None = seed.EXTERNAL_ID, **options: Any
    ) -> "Clients":
        """The same person with a session of the role."""
        if external_id is not None:
            options["ExternalId"] = external_id
        answer = self.sts.assume_role(RoleArn=role, RoleSessionName="crewadmin", **options)["Credentials"]
        keys = replace(self.user, access_key_id=answer["AccessKeyId"], secret_access_key=answer["SecretAccessKey"])
        return replace(self, user=keys, token=answer["SessionToken"])

    def _client(self, service: str) -> Any:
        return SESSION.client(
            service,
            self.region,
            endpoint_url=self.url,
            aws_access_key_id=self.user.access_key_id,
            aws_secret_access_key=self.user.secret_access_key,
            aws_session_token=self.token,
            config=CONFIG,
        )


class Refusal(NamedTuple):
    code: str
    status: int
    message: str


def refusal(call: Callable[..., Any], *arguments: Any, **options: Any) -> Refusal:
    """Make a call that must be refused; return how."""
    with pytest.raises(ClientError) as raised:
        call(*arguments, **options)
    response = raised.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return Refusal(response["Error"]["Code"], status, response["Error"]["Message"])

"""Requests to Secrets Manager for reading many secrets: signed by botocore, sent without its clients.

A client of botocore takes a tenth of a second to make and two milliseconds for each call, most of which goes into
features that a JSON request of three fields does not use. Signing and connections are botocore's all the same, and
errors are told apart as those of its clients are.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonParameters.html
"""

import json
import time
from collections.abc import Mapping
from itertools import count
from random import SystemRandom
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, NoCredentialsError

from ..base import ProviderError, Step
from ..failures import FailureCode
from .client import Answer, Calls, Keys
from .errors import ResponseTooLargeError, UnexpectedResponseError, classify
from .regions import secrets_manager_url

#: Worth another try at once; `Limits.attempts` says how often.
_PASSING = frozenset({FailureCode.AWS_UNAVAILABLE, FailureCode.CONNECTION_LOST, FailureCode.CONNECT_TIMEOUT})
#: Seconds before the first further try, and at most before any.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
#: Seconds before the deadline at which another try is pointless.
_TOO_LATE = 0.2

_random = SystemRandom()


class SecretsManager:
    """One region's Secrets Manager. Its requests are part of `calls`: their connections, their deadline."""

    def __init__(self, calls: Calls, region: str) -> None:
        self._calls = calls
        self._region = region
        self._url = (calls.endpoint_url or secrets_manager_url(region)) + "/"
        #: The operations that were asked for, further tries included. Threads append to it.
        self.sent: list[str] = []

    def ask(self, keys: Keys, operation: str, parameters: Mapping[str, Any], step: Step, **facts: str) -> Answer:
        """Return the answer to one request, signed with `keys`.

        AWS asking to slow down is waited for as long as the deadline allows; what passes by itself is tried again.
        Raises ProviderError at `step`, with `facts` and what AWS adds to them.
        """
        for attempt in count(1):
            try:
                return self._send(keys, operation, parameters)
            except ResponseTooLargeError as error:
                if step not in (Step.READ, Step.BATCH):
                    raise classify(error, step, facts) from None
                raise ProviderError(FailureCode.VALUE_TOO_LARGE, step, facts) from None
            except Exception as error:  # whatever a call raises ends here, as a code
                failure = classify(error, step, {**facts, "region": self._region})
            pause = self._pause(failure, attempt)
            if pause is None or self._calls.ended.wait(pause):
                raise failure from None
        raise AssertionError  # count() does not end

    def _pause(self, failure: ProviderError, attempt: int) -> float | None:
        """Return how many seconds to wait before another try; None if there is none."""
        again = failure.code is FailureCode.THROTTLED or (
            failure.code in _PASSING and attempt < self._calls.limits.attempts
        )
        # Apart from each other, so that many threads do not come back at the same moment.
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempt - 1, 10)) * _random.uniform(0.5, 1.0)
        in_time = time.monotonic() + pause < self._calls.deadline - _TOO_LATE
        return pause if again and in_time else None

    def _send(self, keys: Keys, operation: str, parameters: Mapping[str, Any]) -> Answer:
        self.sent.append(operation)
        response = self._calls.transport.send(self._signed(keys, operation, parameters).prepare())
        content = _content(response)
        if response.status_code == 200:
            if not isinstance(content, dict):
                raise UnexpectedResponseError
            return content
        raise _refusal(response, content, operation)

    def _signed(self, keys: Keys, operation: str, parameters: Mapping[str, Any]) -> AWSRequest:
        secret = keys.secret_access_key.reveal()
        if not (keys.access_key_id and secret):
            raise NoCredentialsError
        request = AWSRequest(
            "POST",
            self._url,
            headers={
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": f"secretsmanager.{operation}",
                "User-Agent": "crewadmin",
            },
            data=json.dumps(parameters).encode(),
        )
        token = keys.session_token.reveal() if keys.session_token else None
        SigV4Auth(Credentials(keys.access_key_id, secret, token), "secretsmanager", self._region).add_auth(request)
        return request


def _content(response: AWSResponse) -> Any:
    """Return the JSON of an answer; None for what is none."""
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None


def _refusal(response: AWSResponse, content: Any, operation: str) -> ClientError:
    """Return what AWS refused, in the form in which botocore's clients raise it."""
    found = content if isinstance(content, dict) else {}
    # As "com.amazonaws.secretsmanager#AccessDeniedException" in some answers.
    code = str(found.get("__type", "")).rsplit("#", 1)[-1]
    message = str(found.get("message") or found.get("Message") or "")
    headers = {name.lower(): value for name, value in response.headers.items()}
    return ClientError(
        {
            "Error": {"Code": code or str(response.status_code), "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": response.status_code, "HTTPHeaders": headers},  # type: ignore[typeddict-item]  # no RequestId
        },
        operation,
    )

"""The wire: what a request and a response are, and how each service reads parameters and words its refusals.

STS speaks query/XML and refuses with HTTP 403; Secrets Manager speaks JSON 1.1 and refuses with HTTP 400 and its own
codes. moto answers both with XML and HTTP 403, which a Secrets Manager client reads as an error without a code.
https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """An HTTP request; header names are lower case. Its headers and body carry credentials: neither is in its repr."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Response:
    """An HTTP response."""

    status: int
    content_type: str
    body: bytes = field(repr=False)
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


class AwsError(Exception):
    """A refusal: the service's error code, its text and the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True)
class Service:
    """How one service names the refusals that come before its own operations.

    `skew_minutes` is how far a caller's clock may be off; `auth_status` the HTTP status of those refusals.
    """

    name: str
    skew_minutes: int
    auth_status: int
    unsigned: str
    unknown_key: str
    bad_signature: str
    expired: str
    denied: str
    unknown_action: str
    internal: str

    def refusal(self, code: str, message: str) -> AwsError:
        """Return the error with the HTTP status this service refuses with."""
        return AwsError(code, message, self.auth_status)


STS = Service(
    name="sts",
    skew_minutes=15,
    auth_status=403,
    unsigned="MissingAuthenticationToken",
    unknown_key="InvalidClientTokenId",
    bad_signature="SignatureDoesNotMatch",
    expired="ExpiredToken",
    denied="AccessDenied",
    unknown_action="InvalidAction",
    internal="InternalFailure",
)
SECRETS_MANAGER = Service(
    name="secretsmanager",
    skew_minutes=5,
    auth_status=400,
    unsigned="MissingAuthenticationTokenException",
    unknown_key="UnrecognizedClientException",
    bad_signature="InvalidSignatureException",
    expired="ExpiredTokenException",
    denied="AccessDeniedException",
    unknown_action="UnknownOperationException",
    internal="InternalServiceError",
)


def unknown_action(service: Service) -> AwsError:
    """Return the refusal of an action the service, or this sandbox, does not have."""
    return AwsError(service.unknown_action, "The requested operation is not available here.")


def read_call(service: Service, request: Request) -> tuple[str, Parameters]:
    """Return the action asked for and its parameters; raise AwsError where the body cannot be read."""
    if service is STS:
        form = dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
        return form.get("Action", ""), form
    try:
        parameters = json.loads(request.body or b"{}")
    except ValueError:
        parameters = None
    if not isinstance(parameters, dict):
        raise AwsError("SerializationException", "The request body is not a JSON object.")
    return request.headers.get("x-amz-target", "").rpartition(".")[2], parameters


def render(service: Service, error: AwsError) -> Response:
    """Return the error as the service would write it."""
    if service is SECRETS_MANAGER:
        return json_response({"__type": error.code, "Message": error.message}, error.status)
    request_id = str(uuid.uuid4())
    body = (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message></Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return Response(error.status, "text/xml", body.encode(), request_id)


def json_response(content: Mapping[str, Any], status: int = 200) -> Response:
    """Return a JSON 1.1 response."""
    return Response(status, "application/x-amz-json-1.1", json.dumps(content).encode())

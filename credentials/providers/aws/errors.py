"""What AWS's refusals and a network's failures mean.

Exception classes say little: AWS models few of its errors, one code has many causes, and a proxy can answer anything.
So a failure is told by its code, its message, its HTTP status and the step at which it came. The message is only ever
matched: it can hold tokens, the signed request or a page of HTML, and goes no further.

Common codes: https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from socket import gaierror
from typing import Any

import urllib3.exceptions as urllib3
from botocore import exceptions as botocore
from botocore.parsers import ResponseParserError

from ..base import ProviderError, Step
from ..failures import FailureCode


class UnexpectedResponseError(Exception):
    """An answer without what the protocol promises; not from AWS."""


class ResponseTooLargeError(UnexpectedResponseError):
    """An answer longer than any of AWS's can be."""


def classify(error: Exception, step: Step, facts: Mapping[str, str]) -> ProviderError:
    """Return what `error`, which came up at `step`, means. `facts` are known already and are added to its own."""
    if isinstance(error, ProviderError):
        return error
    if isinstance(error, botocore.ClientError):
        refusal = _Refusal.of(error, step)
        return ProviderError(_refusal_code(refusal), step, {**facts, **refusal.facts()})
    return ProviderError(_failure_code(error, step), step, facts)


def classify_refusal(
    code: str, message: str, step: Step | None = None, status: int = 0
) -> tuple[FailureCode, dict[str, str]]:
    """Return what an error code of AWS's and its message mean, and their facts, for a refusal known only as text.

    `step` is where it came up and `status` its HTTP status, as far as known.
    """
    refusal = _Refusal(code, message, status, step, date="", request_id={})
    return _refusal_code(refusal), refusal.facts()


def request_id(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return the id that AWS gave to the request, as a fact; nothing if it does not have the form of one."""
    found = _first(_REQUEST_ID, answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amzn-requestid", ""))
    return {"request_id": found} if found else {}


@dataclass(frozen=True, slots=True)
class _Refusal:
    """The parts of an error answer that are looked at."""

    code: str
    message: str
    status: int
    step: Step | None
    date: str
    request_id: dict[str, str]

    @classmethod
    def of(cls, error: botocore.ClientError, step: Step) -> "_Refusal":
        body = error.response.get("Error", {})
        metadata = error.response.get("ResponseMetadata", {})
        return cls(
            code=str(body.get("Code", "")),
            message=str(body.get("Message", ""))[:4096],  # AWS's are shorter; a page of HTML is not
            status=metadata.get("HTTPStatusCode", 0),
            step=step,
            date=metadata.get("HTTPHeaders", {}).get("date", ""),
            request_id=request_id(error.response),
        )

    def facts(self) -> dict[str, str]:
        """What may be shown of this refusal: only what has the exact form of an identifier."""
        found = {
            "skew_seconds": self._skew(),
            "action": _first(_ACTION, self.message),
            "policy_type": _first(_POLICY_TYPE, self.message).lower(),
            "arn": _first(_PRINCIPAL, self.message),
        }
        return self.request_id | {name: value for name, value in found.items() if value}

    def _skew(self) -> str:
        """By how many seconds this server's clock is ahead of AWS's; empty unless AWS complains about it."""
        if not _CLOCK.search(self.message) and self.code not in _CLOCK_CODES:
            return ""
        try:
            theirs = parsedate_to_datetime(self.date)
            return str(round((datetime.now(UTC) - theirs).total_seconds()))
        except (TypeError, ValueError):  # no date, or one without a time zone
            return ""


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""


_REQUEST_ID = re.compile(r"\A([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\Z")
_ACTION = re.compile(r"not authorized to perform: ([a-z0-9-]{2,40}:[A-Za-z]{2,60})")
_PRINCIPAL = re.compile(r"User: (arn:aws[a-z-]*:(?:iam|sts)::\d{12}:[\w+=,.@/-]{1,600}) is not", re.ASCII)
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
_POLICY_TYPE = re.compile(
    r"(?:because no|explicit deny in an?) (identity-based|permissions boundary|session|service control"
    r"|resource control|resource-based|VPC endpoint)",
    re.IGNORECASE,
)
_EXPLICIT = re.compile(r"explicit deny", re.IGNORECASE)
_CLOCK = re.compile(r"Signature (?:expired|not yet current)|is now (?:earlier|later) than", re.IGNORECASE)

_CLOCK_CODES = {"RequestExpired", "RequestTimeTooSkewed"}
_UNKNOWN_KEY_CODES = {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"}
_DENIED_CODES = {"AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation"}

#: Codes with one meaning, wherever they come up.
_BY_CODE: dict[str, FailureCode] = {
    "SignatureDoesNotMatch": FailureCode.SECRET_ACCESS_KEY_WRONG,
    "InvalidSignatureException": FailureCode.SECRET_ACCESS_KEY_WRONG,
    "RequestExpired": FailureCode.CLOCK_SKEW,
    "RequestTimeTooSkewed": FailureCode.CLOCK_SKEW,
    "RegionDisabledException": FailureCode.STS_NOT_ACTIVE,
    "ExpiredToken": FailureCode.SESSION_EXPIRED,
    "ExpiredTokenException": FailureCode.SESSION_EXPIRED,
    "OptInRequired": FailureCode.ACCOUNT_NOT_READY,
    "SubscriptionRequiredException": FailureCode.ACCOUNT_NOT_READY,
    "IncompleteSignature": FailureCode.REQUEST_ALTERED,
    "IncompleteSignatureException": FailureCode.REQUEST_ALTERED,
    "MissingAuthenticationToken": FailureCode.REQUEST_ALTERED,
    "MissingAuthenticationTokenException": FailureCode.REQUEST_ALTERED,
    "ResourceNotFoundException": FailureCode.SECRET_NOT_FOUND,
    "DecryptionFailure": FailureCode.KMS_KEY_UNUSABLE,
    "KMSInvalidStateException": FailureCode.KMS_KEY_UNUSABLE,
    "DisabledException": FailureCode.KMS_KEY_UNUSABLE,
    "Throttling": FailureCode.THROTTLED,
    "ThrottlingException": FailureCode.THROTTLED,
    "ThrottledException": FailureCode.THROTTLED,
    "TooManyRequestsException": FailureCode.THROTTLED,
    "RequestLimitExceeded": FailureCode.THROTTLED,
    "LimitExceededException": FailureCode.THROTTLED,
    "InternalFailure": FailureCode.AWS_UNAVAILABLE,
    "InternalServiceError": FailureCode.AWS_UNAVAILABLE,
    "InternalServiceErrorException": FailureCode.AWS_UNAVAILABLE,
    "ServiceUnavailable": FailureCode.AWS_UNAVAILABLE,
    "ServiceUnavailableException": FailureCode.AWS_UNAVAILABLE,
}

#: Codes that AWS uses for many things, by what the message says; looked at before everything else.
_BY_MESSAGE: tuple[tuple[re.Pattern[str], FailureCode], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), failure)
    for pattern, failure in (
        # The same codes as a wrong secret, so it comes first.
        (_CLOCK.pattern, FailureCode.CLOCK_SKEW),
        # Secrets Manager in its own words, which name neither action nor key.
        (r"not encrypted with the current KMS key", FailureCode.KMS_KEY_CHANGED),
        (r"Access to KMS is not allowed", FailureCode.KMS_DENIED),
        (r"default KMS service key", FailureCode.KMS_DEFAULT_KEY),
        (r"marked for deletion|marked deleted|scheduled for deletion", FailureCode.SECRET_DELETED),
        (r"specified secret value for (?:staging label|VersionId)", FailureCode.SECRET_WITHOUT_VALUE),
        (r"session limit for roles assumed by role chaining|MaxSessionDuration", FailureCode.ROLE_SESSION_TOO_LONG),
    )
)

_DENIED_BY: dict[str, FailureCode] = {
    "permissions boundary": FailureCode.DENIED_BY_BOUNDARY,
    "service control": FailureCode.DENIED_BY_ORGANIZATION,
    "resource control": FailureCode.DENIED_BY_ORGANIZATION,
    "resource-based": FailureCode.DENIED_BY_SECRET_POLICY,
    "session": FailureCode.DENIED_BY_SESSION_POLICY,
    "vpc endpoint": FailureCode.DENIED_BY_ENDPOINT_POLICY,
}

_DENIED_AT: dict[Step | None, FailureCode] = {
    # GetCallerIdentity needs no permission; only an endpoint policy can stand in its way.
    # https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
    Step.IDENTITY: FailureCode.DENIED_BY_ENDPOINT_POLICY,
    Step.ASSUME_ROLE: FailureCode.ROLE_NOT_ASSUMED,
    Step.LIST: FailureCode.LIST_DENIED,
    Step.DESCRIBE: FailureCode.DESCRIBE_DENIED,
    Step.READ: FailureCode.READ_DENIED,
    Step.BATCH: FailureCode.BATCH_DENIED,
}

_INVALID_AT: dict[Step | None, FailureCode] = {
    Step.ASSUME_ROLE: FailureCode.ROLE_SETTINGS_REFUSED,
    Step.DESCRIBE: FailureCode.SECRET_NAME_INVALID,
    Step.READ: FailureCode.SECRET_NAME_INVALID,
}
_INVALID_CODES = {"ValidationError", "ValidationException", "InvalidParameterException"}

#: The codes that are told apart here.
KNOWN_CODES = frozenset(_BY_CODE) | _DENIED_CODES | _UNKNOWN_KEY_CODES | _INVALID_CODES | {"InvalidRequestException"}


def _refusal_code(refusal: _Refusal) -> FailureCode:
    for pattern, failure in _BY_MESSAGE:
        if pattern.search(refusal.message):
            return failure
    if refusal.code in _DENIED_CODES:
        return _denial_code(refusal)
    if refusal.code in _UNKNOWN_KEY_CODES:
        # Secrets Manager is asked after STS: it does not know keys, or a session, that STS knows.
        at_sts = refusal.step in (Step.IDENTITY, Step.ASSUME_ROLE)
        return FailureCode.ACCESS_KEY_ID_UNKNOWN if at_sts else FailureCode.KEYS_NOT_ACCEPTED
    if refusal.code in _INVALID_CODES:
        return _INVALID_AT.get(refusal.step, FailureCode.UNKNOWN)
    return _BY_CODE.get(refusal.code) or _status_code(refusal)


def _denial_code(refusal: _Refusal) -> FailureCode:
    facts = refusal.facts()
    policy = facts.get("policy_type", "")
    if facts.get("action", "").startswith("kms:"):
        return FailureCode.KMS_DENIED
    if policy == "identity-based" and _EXPLICIT.search(refusal.message):
        return FailureCode.EXPLICIT_DENY
    if refusal.step is Step.ASSUME_ROLE and policy == "identity-based":
        return FailureCode.ASSUME_ROLE_NOT_ALLOWED
    if refusal.step is Step.ASSUME_ROLE and policy == "resource-based":
        return FailureCode.ROLE_TRUST_DENIED
    return _DENIED_BY.get(policy, _DENIED_AT.get(refusal.step, FailureCode.UNKNOWN))


def _status_code(refusal: _Refusal) -> FailureCode:
    """Judge an answer whose code says nothing by its HTTP status."""
    if refusal.status == 407:
        return FailureCode.PROXY_REFUSED
    if refusal.status == 429:
        return FailureCode.THROTTLED
    if refusal.status >= 500:
        return FailureCode.AWS_UNAVAILABLE
    # botocore puts the status, or "Unknown", in the place of a code it did not find.
    if refusal.code in ("", "Unknown", str(refusal.status)):
        return FailureCode.UNEXPECTED_RESPONSE
    return FailureCode.UNKNOWN


_BY_CLASS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], FailureCode], ...] = (
    ((botocore.NoCredentialsError, botocore.PartialCredentialsError), FailureCode.SECRET_ACCESS_KEY_INVALID),
    ((botocore.InvalidRegionError, botocore.NoRegionError), FailureCode.REGION_UNKNOWN),
    (botocore.SSLError, FailureCode.TLS_FAILED),
    (botocore.ProxyConnectionError, FailureCode.PROXY_REFUSED),
    (botocore.ConnectTimeoutError, FailureCode.CONNECT_TIMEOUT),
    ((botocore.ReadTimeoutError, urllib3.ReadTimeoutError, TimeoutError), FailureCode.TIMED_OUT),
    ((botocore.ConnectionClosedError, urllib3.ProtocolError, ConnectionError), FailureCode.CONNECTION_LOST),
    # An answer of another shape breaks botocore's parsers in ways of their own: a list where an object belongs raises
    # AttributeError, HTML where XML belongs KeyError.
    (
        (UnexpectedResponseError, ResponseParserError, AttributeError, LookupError, TypeError, ValueError),
        FailureCode.UNEXPECTED_RESPONSE,
    ),
)


def _failure_code(error: Exception, step: Step) -> FailureCode:
    if isinstance(error, botocore.ParamValidationError):
        return _INVALID_AT.get(step, FailureCode.UNKNOWN)
    if isinstance(error, botocore.EndpointConnectionError):
        return _connection_code(error)
    return next((code for kind, code in _BY_CLASS if isinstance(error, kind)), FailureCode.UNKNOWN)


def _connection_code(error: botocore.EndpointConnectionError) -> FailureCode:
    cause = error.kwargs.get("error")
    if isinstance(cause, gaierror | urllib3.NameResolutionError):
        return FailureCode.DNS_FAILED
    return FailureCode.CONNECTION_REFUSED

"""What an error message means that somebody copied from elsewhere: a terminal, a log, the AWS console, the guide.

The text may hold anything, also secrets: it is matched and dropped. What leaves is a code, and facts that have the
form of an identifier or stand in a list here. `errors`, which needs botocore, is imported when a text is explained.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from django.utils.translation import gettext_lazy as _

from ..base import Step
from ..failures import Failure, FailureCode, Owner, explain
from .regions import all_regions

Meaning = TypeVar("Meaning", bound=str)

#: Characters that are looked at, from the end: tracebacks and logs end with what went wrong.
MAX_TEXT = 20_000

_NOT_RECOGNIZED = Failure(
    _("This text is none of the AWS errors known here"),
    _("It was not stored, and nothing of it is shown, because it may contain secrets."),
    (
        _("Paste the whole message: it often starts with An error occurred and names the action that was refused."),
        _("Run Test Connection: it asks AWS step by step and names the step that fails."),
    ),
    Owner.AWS,
)


@dataclass(frozen=True, slots=True)
class PastedExplanation:
    """What a pasted text means; `code` is None if that is not known.

    `facts` holds what the text names of these: `action`, `operation`, `policy_type`, `account`, `region`.
    """

    code: FailureCode | None
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def failure(self) -> Failure:
        """The explanation in words; of a text that is not recognized it says just that."""
        return explain(self.code, self.facts) if self.code else _NOT_RECOGNIZED


def explain_pasted(text: str) -> PastedExplanation:
    """Return what a pasted error message means. Only its last `MAX_TEXT` characters are read; it is not kept."""
    text = " ".join(text[-MAX_TEXT:].split())
    code, facts = _refusal(text)
    if code is None:
        code = _matched(_SITUATIONS, text)
    if code in (FailureCode.CONNECTION_REFUSED, FailureCode.DNS_FAILED) and _names_unknown_region(text):
        code = FailureCode.REGION_UNKNOWN
    return PastedExplanation(code, {name: value for name, value in facts.items() if value})


_READ_ACTIONS = {
    "sts:GetCallerIdentity": Step.IDENTITY,
    "sts:AssumeRole": Step.ASSUME_ROLE,
    "secretsmanager:ListSecrets": Step.LIST,
    "secretsmanager:DescribeSecret": Step.DESCRIBE,
    "secretsmanager:GetSecretValue": Step.READ,
    "secretsmanager:BatchGetSecretValue": Step.BATCH,
}
_STEPS = {action.partition(":")[2]: step for action, step in _READ_ACTIONS.items()}
#: Names that may be shown. Others could be anything.
_ACTIONS = {*_READ_ACTIONS, "kms:Decrypt", "kms:DescribeKey"}
_OPERATIONS = {action.partition(":")[2] for action in _ACTIONS}

# botocore's sentence; the last one counts, because a traceback shows earlier errors first.
_SENTENCE = re.compile(r"An error occurred \(([\w.#]{1,100})\) when calling the (\w{1,100}) operation")
_OPERATION = re.compile(rf"(?<![A-Za-z])({'|'.join(sorted(_STEPS))})(?![A-Za-z])")
_ACTION = re.compile(r"(?<![\w:-])((?:secretsmanager|sts|kms):[A-Z][A-Za-z]{1,60})(?![A-Za-z])")
_NOT_AUTHORIZED = re.compile(r"not authorized to perform:", re.IGNORECASE)
_STATUS = re.compile(r"\b(?:status ?code|HTTP(?:/[\d.]{1,3})?)[:=\s]{1,3}([1-5]\d\d)\b", re.IGNORECASE)
_PARAMETER = re.compile(r"\b(roleArn|externalId|secretId)\b", re.IGNORECASE)
_ACCOUNT = re.compile(r"\barn:aws[a-z-]{0,20}:[a-z-]{1,30}:[a-z0-9-]{0,30}:(\d{12}):|\baccount: ?(\d{12})\b")
_REGION = re.compile(
    r"\barn:aws[a-z-]{0,20}:(?:secretsmanager|kms):([a-z0-9-]{1,30}):"
    r"|\b(?:secretsmanager|sts|kms)(?:-fips)?\.([a-z0-9-]{1,30})\.amazonaws\.com\b"
)

#: AWS's sentences, where the code was not copied with them, and botocore's refusal to ask.
_SENTENCES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), code)
    for pattern, code in (
        (r"security token included in the request is invalid", "InvalidClientTokenId"),
        (r"security token included in the request is expired", "ExpiredToken"),
        (r"request signature we calculated does not match", "SignatureDoesNotMatch"),
        (r"STS is not activated in this region", "RegionDisabledException"),
        (r"needs a subscription for the service|not subscribed to this service", "OptInRequired"),
        (r"missing authentication token", "MissingAuthenticationToken"),
        (r"request has expired", "RequestExpired"),
        (r"find the specified secret", "ResourceNotFoundException"),
        (r"can.t decrypt the (?:protected )?secret", "DecryptionFailure"),
        (r"rate exceeded", "Throttling"),
        (r"parameter validation failed", "ValidationError"),
        (r"not authorized to perform|access denied|permission denied by IAM", "AccessDenied"),
    )
)

#: What is not a refusal by AWS: the network, and what the guide describes in its own words. The first match counts.
_SITUATIONS: tuple[tuple[re.Pattern[str], FailureCode], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), code)
    for pattern, code in (
        (r"no secrets? found", FailureCode.NO_SECRETS_IN_REGION),
        (r"\bpasses\b.{0,120}\bfails next\b", FailureCode.JUST_CREATED),
        (r"proxy URL|\bProxyConnectionError|\bProxyError|proxy authentication required", FailureCode.PROXY_REFUSED),
        (r"SSL validation failed|certificate.verify.failed|\bSSLError", FailureCode.TLS_FAILED),
        (
            r"name or service not known|name resolution|nodename nor servname|getaddrinfo failed|could not resolve host"
            r"|\bNameResolutionError|\bENOTFOUND|no such host",
            FailureCode.DNS_FAILED,
        ),
        (r"connect timeout on endpoint|\bConnectTimeout|connection timed out|\bETIMEDOUT", FailureCode.CONNECT_TIMEOUT),
        (r"read timeout on endpoint|\bReadTimeout|read timed out", FailureCode.TIMED_OUT),
        (
            r"connection was closed before we received|\bConnectionClosedError|connection reset by peer|\bECONNRESET"
            r"|connection aborted",
            FailureCode.CONNECTION_LOST,
        ),
        (
            r"could not connect to the endpoint URL|\bEndpointConnectionError|connection refused|\bECONNREFUSED",
            FailureCode.CONNECTION_REFUSED,
        ),
        (r"region_name '|\bInvalidRegionError|you must specify a region", FailureCode.REGION_UNKNOWN),
        (r"partial credentials found", FailureCode.SECRET_ACCESS_KEY_INVALID),
        (r"unable to parse response|<!doctype html|<html", FailureCode.UNEXPECTED_RESPONSE),
    )
)

#: What is true only of an operation that this application uses; elsewhere the same code means something else.
_ONLY_OF_OURS = frozenset({FailureCode.SECRET_NOT_FOUND, FailureCode.UNEXPECTED_RESPONSE})


def _refusal(text: str) -> tuple[FailureCode | None, dict[str, str]]:
    """Return what AWS's refusal in the text means, None if there is none or an unknown one, and the facts."""
    from .errors import classify_refusal

    sentence, text = _last_sentence(text)
    code = sentence[1].rpartition("#")[2] if sentence else _code_in(text)
    action = _named(_ACTION, text)
    operation = sentence[2] if sentence else _named(_OPERATION, text)
    # The guide says "AccessDenied on kms:Decrypt".
    message = f"not authorized to perform: {action} {text}" if action and not _NOT_AUTHORIZED.search(text) else text
    found, facts = classify_refusal(code, message, _step(text, message, operation), _status(code, text))
    action = facts.get("action", "") or action
    return _as_far_as_told(found, code, operation), {
        "action": action if action in _ACTIONS else "",
        "operation": operation if operation in _OPERATIONS else "",
        "policy_type": facts.get("policy_type", ""),
        "account": _named(_ACCOUNT, text),
        "region": _region(text),
    }


def _as_far_as_told(found: FailureCode, code: str, operation: str) -> FailureCode | None:
    """Return what was found, unless it says more than the text alone tells."""
    if found is FailureCode.KEYS_NOT_ACCEPTED:
        return FailureCode.ACCESS_KEY_ID_UNKNOWN  # nothing says that signing in had worked before
    if found is FailureCode.UNEXPECTED_RESPONSE and not code:
        return None  # found no code
    if found in _ONLY_OF_OURS and operation and operation not in _OPERATIONS:
        return None
    return None if found is FailureCode.UNKNOWN else found


def _last_sentence(text: str) -> tuple[re.Match[str] | None, str]:
    """Return botocore's last sentence and the text from there on; the whole text if there is none."""
    sentences = list(_SENTENCE.finditer(text))
    return (sentences[-1], text[sentences[-1].start() :]) if sentences else (None, text)


def _code_in(text: str) -> str:
    from .errors import KNOWN_CODES

    codes = "|".join(sorted(KNOWN_CODES))
    return _named(re.compile(rf"(?<![A-Za-z])({codes})(?![A-Za-z])"), text) or _matched(_SENTENCES, text) or ""


def _step(text: str, message: str, operation: str) -> Step | None:
    """Return the step that a refused action stands for, else the one of the operation, or of a parameter."""
    denied = re.search(r"not authorized to perform: ?([\w-]{1,40}:\w{1,100})", message)
    if denied:
        return _READ_ACTIONS.get(denied[1])
    if operation:
        return _STEPS.get(operation)
    parameter = _named(_PARAMETER, text).lower()
    return {"rolearn": Step.ASSUME_ROLE, "externalid": Step.ASSUME_ROLE, "secretid": Step.READ}.get(parameter)


def _status(code: str, text: str) -> int:
    """Return the HTTP status; botocore puts it in the place of a code that it did not find."""
    return int(code if re.fullmatch(r"[1-5]\d\d", code) else _named(_STATUS, text) or 0)


def _region(text: str) -> str:
    named = _named(_REGION, text)
    return named if named in {region.code for region in all_regions()} else ""


def _names_unknown_region(text: str) -> bool:
    return bool(_named(_REGION, text)) and not _region(text)


def _named(pattern: re.Pattern[str], text: str) -> str:
    """Return the group of a pattern that matched, empty if none did."""
    found = pattern.search(text)
    return next(filter(None, found.groups()), "") if found else ""


def _matched(table: tuple[tuple[re.Pattern[str], Meaning], ...], text: str) -> Meaning | None:
    return next((meaning for pattern, meaning in table if pattern.search(text)), None)

"""Signature Version 4: who signed a request, with which clock, and whether the signature is right.

moto checks the signature but never the clock. The calculation itself is botocore's.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sandbox.protocol import Request, Service

TIMESTAMP = "%Y%m%dT%H%M%SZ"

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)/aws4_request,"
    r"\s*SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<value>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Signature:
    """What the Authorization header says. The region of a call is the one it was signed for."""

    access_key_id: str
    region: str
    service: str
    signed_headers: frozenset[str]
    value: str = field(repr=False)

    @classmethod
    def read(cls, request: Request) -> "Signature | None":
        """Return the request's signature, or None if it is unsigned or signed in another way."""
        match = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        if match is None:
            return None
        headers = frozenset(match["headers"].split(";"))
        return cls(match["key"], match["region"], match["service"], headers, match["value"])


def check_clock(service: Service, request: Request, now: datetime) -> None:
    """Raise AwsError if the request was signed too long ago or too far in the future.

    The code is that of a wrong secret; only the text tells them apart (boto3#4716, botocore#3587).
    """
    stamp = request.headers.get("x-amz-date", "")
    try:
        signed = datetime.strptime(stamp, TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        raise service.refusal(
            service.bad_signature, f"Date must be in ISO-8601 'basic format'. Got '{stamp}'."
        ) from None
    tolerance = timedelta(minutes=service.skew_minutes)
    earliest, latest = now - tolerance, now + tolerance
    if signed < earliest:
        text = f"Signature expired: {stamp} is now earlier than {earliest:{TIMESTAMP}} ({now:{TIMESTAMP}} - "
    elif signed > latest:
        text = f"Signature not yet current: {stamp} is still later than {latest:{TIMESTAMP}} ({now:{TIMESTAMP}} + "
    else:
        return
    raise service.refusal(service.bad_signature, f"{text}{service.skew_minutes} min.)")


def check_signature(
    service: Service, request: Request, signature: Signature, secret_key: str, token: str | None
) -> None:
    """Raise AwsError unless the request was signed with this secret key."""
    signer = SigV4Auth(Credentials(signature.access_key_id, secret_key, token), signature.service, signature.region)
    signed = AWSRequest(
        method=request.method,
        url=f"http://{request.headers.get('host', '')}{request.path}",
        data=request.body,
        headers={name: value for name, value in request.headers.items() if name in signature.signed_headers},
    )
    signed.context["timestamp"] = request.headers["x-amz-date"]
    expected = signer.signature(signer.string_to_sign(signed, signer.canonical_request(signed)), signed)
    if not hmac.compare_digest(expected, signature.value):
        raise service.refusal(
            service.bad_signature,
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details.",
        )

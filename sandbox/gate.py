"""Every request passes here: who is it, is the signature right, is the token still good; then the service decides.

The order is that of AWS: region, key, clock, signature, session; permission; and last, whether the thing exists.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple
from urllib.parse import urlsplit

from botocore.session import Session

from sandbox import secretsmanager, seed, sts
from sandbox.account import Account, Identity
from sandbox.operation import Operation
from sandbox.protocol import SECRETS_MANAGER, STS, AwsError, Parameters, Request, Response, Service, read_call, render
from sandbox.signing import Signature, check_clock, check_signature

logger = logging.getLogger(__name__)

_SERVICES = {service.name: service for service in (STS, SECRETS_MANAGER)}
_ANSWERS = {STS.name: sts.answer, SECRETS_MANAGER.name: secretsmanager.answer}
_LOOPBACK_HOSTS = {"127.0.0.1", "localhost", "::1"}


class Call(NamedTuple):
    """A call that was received, whether or not it was allowed."""

    service: str
    action: str
    secret_id: str | None


class Gate:
    """Answers requests against an account, keeps the `calls` it received and its own `clock_offset`."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.calls: list[Call] = []
        self.clock_offset = timedelta()
        _partitions()  # read now, so that the first call is not a slow one

    def reset(self) -> None:
        """Forget the calls and set the clock right."""
        self.calls.clear()
        self.clock_offset = timedelta()

    def now(self) -> datetime:
        """Return the server's time, which is the machine's plus `clock_offset`."""
        return datetime.now(UTC) + self.clock_offset

    def answer(self, request: Request) -> Response:
        """Answer a request; never raises."""
        signature = Signature.read(request)
        service = _service_of(request, signature)
        if service is None or request.path != "/" or not _addressed_to_loopback(request):
            return Response(404, "text/plain", b"This server speaks STS and Secrets Manager, on loopback.\n")
        try:
            action, parameters = read_call(service, request)
            self.calls.append(Call(service.name, action, parameters.get("SecretId")))
            self._account.meddle(action, parameters.get("SecretId"))
            with self._account.lock:
                return self._serve(service, request, signature, action, parameters)
        except AwsError as error:
            return render(service, error)
        except Exception as error:
            # Without its text, which may quote what was sent.
            logger.error("A call to %s failed: %s", service.name, type(error).__name__)  # noqa: TRY400
            return render(service, AwsError(service.internal, "An internal error occurred in the sandbox.", 500))

    def _serve(
        self, service: Service, request: Request, signature: Signature | None, action: str, parameters: Parameters
    ) -> Response:
        if signature is None:
            raise service.refusal(service.unsigned, "Missing Authentication Token")
        identity = self._authenticate(service, request, signature)
        operation = Operation(service, action, parameters, signature.region, identity, request)
        return _ANSWERS[service.name](self._account, operation)

    def _authenticate(self, service: Service, request: Request, signature: Signature) -> Identity:
        _check_region(service, signature.region)
        identity = self._account.identity(signature.access_key_id)
        if identity is None or request.headers.get("x-amz-security-token") != identity.token:
            raise _unknown_key(service)
        check_clock(service, request, self.now())
        check_signature(service, request, signature, identity.secret_key, identity.token)
        if identity.expires is not None and identity.expires <= self.now():
            raise service.refusal(service.expired, "The security token included in the request is expired")
        return identity


def _service_of(request: Request, signature: Signature | None) -> Service | None:
    if signature is not None:
        return _SERVICES.get(signature.service)
    return SECRETS_MANAGER if "x-amz-target" in request.headers else STS


def _addressed_to_loopback(request: Request) -> bool:
    """Refuse a page in a browser that resolves its own name to loopback."""
    try:
        return urlsplit(f"//{request.headers.get('host', '')}").hostname in _LOOPBACK_HOSTS
    except ValueError:  # no host at all
        return False


def _check_region(service: Service, region: str) -> None:
    """Refuse a region that is not enabled like an unknown key, as AWS does (aws-sdk-ruby#2850), another partition too.

    On AWS a region that does not exist has no host to ask; here it is refused like a signature made for another region.
    """
    partition = _partitions().get(region)
    if partition is None:
        text = f"Credential should be scoped to a valid region, not '{region}'."
        raise service.refusal(service.bad_signature, text)
    if partition != "aws" or region in seed.DISABLED_REGIONS:
        raise _unknown_key(service)


@cache
def _partitions() -> Mapping[str, str]:
    """Return the regions that have Secrets Manager, each with its partition; from botocore's own data."""
    session = Session()
    return {
        region: partition
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("secretsmanager", partition)
    }


def _unknown_key(service: Service) -> AwsError:
    return service.refusal(service.unknown_key, "The security token included in the request is invalid.")

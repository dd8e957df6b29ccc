"""The guard of the HTTP interface: a bearer token, good for one automation, so many times a minute."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse

from organizations.access import automations
from organizations.models import public_id

from ..models import ServiceToken
from ..services.tokens import note_use, token_of
from .limits import seconds_to_wait
from .problems import problem

Guarded = Callable[[HttpRequest, ServiceToken], HttpResponse]


def automation_token(*methods: str) -> Callable[[Guarded], Callable[[HttpRequest, str], HttpResponse]]:
    """Guard a view whose URL has an automation's `uuid`: 401 without a working token, 404 with that of another one.

    A missing, unknown, expired or revoked token gets the same answer, byte for byte, after the same work; so does an
    automation of somebody else and one that does not exist. Other `methods` are not allowed.
    """

    def decorate(view: Guarded) -> Callable[[HttpRequest, str], HttpResponse]:
        @wraps(view)
        def guarded(request: HttpRequest, uuid: str) -> HttpResponse:
            if request.method not in methods:
                return problem(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(methods)})
            token = token_of(_bearer(request))
            if token is None:
                return problem(HTTPStatus.UNAUTHORIZED, headers={"WWW-Authenticate": 'Bearer realm="crewadmin"'})
            if seconds := seconds_to_wait(token):
                return problem(HTTPStatus.TOO_MANY_REQUESTS, headers={"Retry-After": str(seconds)})
            if public_id(uuid) != token.automation.uuid:
                return problem(HTTPStatus.NOT_FOUND)
            note_use(token)
            return view(request, token)

        return automations(guarded)

    return decorate


def _bearer(request: HttpRequest) -> str:
    scheme, _blank, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""

"""Every refusal of the HTTP interface, in one shape: a problem document (RFC 9457)."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse, JsonResponse

#: A title for each status, and what to do. Plain English for programs and their logs: not translated.
TEXTS: dict[HTTPStatus, tuple[str, str]] = {
    HTTPStatus.UNAUTHORIZED: (
        "No working service token",
        "Send the header Authorization: Bearer TOKEN with a token that has neither expired nor been revoked.",
    ),
    HTTPStatus.FORBIDDEN: (
        "This service token may not deploy",
        "Create a service token of the automation with “May deploy”, and use that one for deploying.",
    ),
    HTTPStatus.NOT_FOUND: ("No such automation", "Ask for the automation that the service token was created for."),
    HTTPStatus.METHOD_NOT_ALLOWED: ("Method not allowed", "Use a method that the header Allow names."),
    HTTPStatus.CONFLICT: (
        "Variables without a value",
        "Nothing is delivered until every variable of the automation has a value.",
    ),
    HTTPStatus.TOO_MANY_REQUESTS: ("Too many requests", "Wait as many seconds as the header Retry-After says."),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        "Something went wrong on the server",
        "Nothing was delivered. Ask again in a minute; the server's log says what happened.",
    ),
}


def problem(
    status: HTTPStatus,
    problems: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
    text: tuple[str, str] | None = None,
) -> HttpResponse:
    """Return the answer for a status of TEXTS; `problems` are those of single variables, `text` replaces the texts."""
    title, detail = text or TEXTS[status]
    content: dict[str, Any] = {"type": "about:blank", "title": title, "status": status.value, "detail": detail}
    if problems:
        content["problems"] = [dict(one) for one in problems]
    response = JsonResponse(content, status=status, content_type="application/problem+json")
    return private(response, headers or {})


def private(response: HttpResponse, headers: Mapping[str, str]) -> HttpResponse:
    """Add headers, and those that keep an answer out of every cache."""
    for name, value in {"Cache-Control": "no-store", "Vary": "Authorization", **headers}.items():
        response.headers[name] = value
    return response

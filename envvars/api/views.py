"""The HTTP interface's views. docs/api.md explains them to those who call, openapi.json to their programs."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, JsonResponse
from django.utils.http import parse_etags
from django.views.decorators.csrf import csrf_exempt

from organizations.access import everybody

from ..delivery.formats import revealed
from ..deployed import NotDeployedError
from ..kickoff import environment_for, mark_of
from ..models import Automation, ServiceToken
from ..presentation import outcomes_of
from ..resolving import Resolution
from ..services.deployments import KeptChangingError, NothingDeployedError, deploy
from .document import DOCUMENT
from .problems import private, problem
from .tokens import automation_token


@automation_token("GET", "HEAD")
def environment(request: HttpRequest, token: ServiceToken) -> HttpResponse:
    """Answer the values of the token's automation, 304 if the caller has them already, or the problems and no value."""
    automation = token.automation
    try:
        resolution = environment_for(automation, "api", by_label=_label_of(token))
    except NotDeployedError as error:
        return problem(HTTPStatus.CONFLICT, text=(str(error.title), str(error.detail)))
    if not resolution.ok:
        return problem(HTTPStatus.CONFLICT, _problems_of(resolution))
    etag = f'"{mark_of(automation, resolution)}"'
    if _has(request, etag):
        return private(HttpResponseNotModified(), {"ETag": etag})
    content = {"automation": str(automation.uuid), "variables": revealed(resolution.values)}
    return private(JsonResponse(content), {"ETag": etag})


@automation_token("POST")
def deployments(request: HttpRequest, token: ServiceToken) -> HttpResponse:
    """Deploy the token's automation; nothing is deployed unless every variable has a value."""
    automation = token.automation
    if not token.may_deploy:
        return problem(HTTPStatus.FORBIDDEN)
    try:
        deployment = deploy(automation, None, by_label=_label_of(token))
    except NothingDeployedError as error:
        return problem(HTTPStatus.CONFLICT, _problems_of(error.resolution))
    except KeptChangingError as error:
        return problem(HTTPStatus.CONFLICT, text=(str(error.title), str(error.detail)))
    except Automation.DoesNotExist:
        return problem(HTTPStatus.NOT_FOUND)
    content = {
        "automation": str(automation.uuid),
        "number": deployment.number,
        "variables": deployment.variables_count,
        "created_at": deployment.created_at.isoformat(),
    }
    return private(JsonResponse(content, status=HTTPStatus.CREATED), {})


def _label_of(token: ServiceToken) -> str:
    """Return what the audit log calls whoever shows a token."""
    return f"service token {token}"


def _problems_of(resolution: Resolution) -> list[dict[str, str]]:
    outcomes = outcomes_of(resolution, with_keys=False)
    codes = {one.key: str(one.code) for one in resolution.problems}
    return [
        {"variable": key, "code": code, "title": outcomes[key].title, "detail": outcomes[key].detail}
        for key, code in codes.items()
    ]


def _has(request: HttpRequest, etag: str) -> bool:
    """Whether If-None-Match names what would be answered; compared weakly, as RFC 9110 (13.1.2) says."""
    known = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in known or etag in {one.removeprefix("W/") for one in known}


@csrf_exempt  # it changes nothing, and a wrong method is to be told so
@everybody
def openapi(request: HttpRequest) -> HttpResponse:
    """Answer the OpenAPI document, which tells nothing about anybody."""
    if request.method not in ("GET", "HEAD"):
        return problem(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET, HEAD"})
    return JsonResponse(DOCUMENT)

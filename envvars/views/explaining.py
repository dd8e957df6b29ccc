"""The page that explains a variable: hop by hop, below an automation or by itself."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from credentials.models import Credential, named_to
from crewadmin.limits import TooManyError, with_retry_after
from organizations.access import OrganizationRequest
from organizations.sharing import Grant, may

from ..explaining import Explanation, explain, trace
from ..models import Automation, EnvironmentVariable
from ..presentation import Sight, hops_in_words, verdict_of
from .shared import automation_of, can_read, variable_of


@can_read
@require_http_methods(["GET", "HEAD", "POST"])
def automation_explain(request: OrganizationRequest, uuid: UUID, variable: UUID) -> HttpResponse:
    """Explain how an automation comes by a variable's value; POST traces it."""
    automation = automation_of(request, uuid)
    return _page(request, variable_of(request, variable), automation)


@can_read
@require_http_methods(["GET", "HEAD", "POST"])
def variable_explain(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Explain where a variable's value comes from, whichever automation receives it; POST traces it."""
    return _page(request, variable_of(request, uuid), None)


def _page(request: OrganizationRequest, variable: EnvironmentVariable, automation: Automation | None) -> HttpResponse:
    """Show what is known, or what a trace found: by htmx the panel alone."""
    seconds = 0
    try:
        work = trace(variable, request.user, automation) if request.method == "POST" else None
    except TooManyError as error:
        work, seconds = None, error.seconds
    explanation = work or explain(variable, automation)
    sight = _sight(request, explanation)
    context = {
        "variable": variable,
        "automation": automation,
        "explanation": explanation,
        "steps": hops_in_words(explanation, sight),
        "verdict": verdict_of(explanation, sight),
        "credential": explanation.credential if sight.settings else None,
        "seconds": seconds,
        "can_manage": request.access.environment_variables.manage and variable.managed,
    }
    template = "envvars/_explanation.html" if request.htmx else "envvars/explain.html"
    return with_retry_after(render(request, template, context, status=429 if seconds else 200), seconds)


def _sight(request: OrganizationRequest, explanation: Explanation) -> Sight:
    """Return what the member may be told: settings need the credential's own page, its name less."""
    credential, keys = explanation.credential, request.access.environment_variables.manage
    if credential is None:
        return Sight(keys=keys)
    sees_credentials = request.access.secret_providers.read
    named = named_to(request.membership, request.access, "")
    return Sight(
        names=Credential.objects.filter(named, pk=credential.pk).exists(),
        settings=sees_credentials and may(request.membership, credential, Grant.READ),
        keys=keys,
        alias=_("A restricted credential")
        if credential.restricted and sees_credentials
        else explanation.variable.source_label,
    )

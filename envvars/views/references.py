"""What the form of a variable asks while it is filled in: what a reference may be, and whether it has a value."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from credentials.presentation import toast_for_limit
from credentials.providers.base import VersionStage
from crewadmin.limits import TooManyError, with_retry_after
from organizations.access import OrganizationRequest
from organizations.sharing import Grant

from ..checking import check_values
from ..forms import PlaceForm, Sources, VariableForm
from ..models import EnvironmentVariable
from ..presentation import checked_of
from ..references import place_of
from ..suggesting import Suggestions, suggest
from .shared import can_manage, variable_of


@can_manage
@require_POST
def reference_suggest(request: OrganizationRequest, uuid: UUID | None = None) -> HttpResponse:
    """Offer what may stand at the caret, of what the chosen credential opens. Changes nothing; only for htmx.

    It is posted, so that what is typed stands in no address and in no log of addresses.
    """
    sources = Sources(request.membership, request.access, _variable(request, uuid))
    form = PlaceForm(request.POST, sources)
    status, suggestions = 200, Suggestions()
    if not form.is_valid():
        status, suggestions = 422, Suggestions(_("Choose the value source again, and shorten what is typed."))
    elif place := place_of(form.cleaned_data["before"], form.cleaned_data["after"]):
        credential = sources.read_with(form.cleaned_data["source"])
        if credential and not sources.opens(credential):
            suggestions = Suggestions(_("Only who may use this credential sees its secrets. Type the name."))
        elif form.cleaned_data["source"] != EnvironmentVariable.Source.DIRECT:
            stage = form.cleaned_data["version_stage"] or VersionStage.CURRENT
            suggestions = suggest(place, credential, request.user, stage)
    status = 429 if suggestions.seconds else status
    response = render(request, "envvars/_suggestions.html", {"suggestions": suggestions}, status=status)
    return with_retry_after(response, suggestions.seconds)


@can_manage
@require_POST
def reference_check(request: OrganizationRequest, uuid: UUID | None = None) -> HttpResponse:
    """Read what is typed once and say whether it has a value, which is dropped; the form stays as it is.

    By htmx only the outcome comes back. Without JavaScript the page comes back with it, and a direct value that was
    typed is gone: a page never carries one. Names of keys are for whoever may use the credential.
    """
    variable = _variable(request, uuid)
    form = VariableForm(request.POST, request.membership, request.access, variable)
    context: dict[str, Any] = {"form": form, "variable": variable, "is_check": True}
    status, seconds = 422, 0
    if form.is_reference_valid():
        credential = form.sources.read_with(form.cleaned_data["source"])
        try:
            parts = check_values(form.reference(), credential, request.user)
        except TooManyError as error:
            seconds, status = error.seconds, 429
            context["limit"] = toast_for_limit(seconds)
        else:
            status = 200
            with_keys = credential is not None and form.sources.opens(credential)
            context["checked"] = checked_of(parts, with_keys=with_keys)
    template = "envvars/_reference_check.html" if request.htmx else "envvars/variable_form.html"
    return with_retry_after(render(request, template, context, status=status), seconds)


def _variable(request: OrganizationRequest, uuid: UUID | None) -> EnvironmentVariable | None:
    """Return the variable that is edited, None for a new one."""
    return variable_of(request, uuid, Grant.MANAGE) if uuid else None

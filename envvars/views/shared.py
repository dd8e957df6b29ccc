"""What the pages of variables and automations share: their guards, their rows by UUID, their forms' answers."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render

from organizations.access import Feature, Level, OrganizationRequest, require

from ..models import Automation, EnvironmentVariable

can_read = require(Feature.ENVIRONMENT_VARIABLES, Level.READ)
can_manage = require(Feature.ENVIRONMENT_VARIABLES, Level.MANAGE)


def variable_of(request: OrganizationRequest, uuid: UUID) -> EnvironmentVariable:
    """Return a variable of the request's organization; anything else does not exist."""
    rows = EnvironmentVariable.objects.for_organization(request.organization)
    return get_object_or_404(rows.select_related("organization", "credential"), uuid=uuid)


def automation_of(request: OrganizationRequest, uuid: UUID) -> Automation:
    """Return an automation of the request's organization; anything else does not exist."""
    rows = Automation.objects.for_organization(request.organization).select_related("organization")
    return get_object_or_404(rows, uuid=uuid)


def posted(request: OrganizationRequest) -> Any:
    """Return what a form is bound to: what was posted, or None for a fresh page."""
    return request.POST if request.method == "POST" else None


def form_page(request: OrganizationRequest, template: str, form: Any, **context: Any) -> HttpResponse:
    """Show a form: 200 when it is fresh, 422 when what was posted was refused."""
    return render(request, template, {"form": form, **context}, status=422 if form.is_bound else 200)

"""What the pages of variables and automations share: their guards, their rows by UUID, their forms' answers."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render

from credentials.models import named_to
from organizations.access import Feature, Level, OrganizationRequest, require
from organizations.sharing import Grant, flag, listed, object_of

from ..models import Automation, EnvironmentVariable

can_read = require(Feature.ENVIRONMENT_VARIABLES, Level.READ)
can_manage = require(Feature.ENVIRONMENT_VARIABLES, Level.MANAGE)


def variable_of(request: OrganizationRequest, uuid: UUID, grant: Grant = Grant.READ) -> EnvironmentVariable:
    """Return a variable of the request's organization that the member may see (else 404) or manage (else 403)."""
    rows = EnvironmentVariable.objects.for_organization(request.organization)
    return object_of(rows.select_related("organization", "credential"), request.membership, uuid, grant)


def automation_of(request: OrganizationRequest, uuid: UUID, grant: Grant = Grant.READ) -> Automation:
    """Return an automation of the request's organization that the member may see (else 404) or manage (else 403)."""
    rows = Automation.objects.for_organization(request.organization).select_related("organization")
    return object_of(rows, request.membership, uuid, grant)


def shown_variables(request: OrganizationRequest) -> "QuerySet[EnvironmentVariable]":
    """Return the variables that the member may see, without values, each with what `source_name` asks."""
    rows = EnvironmentVariable.objects.for_organization(request.organization).select_related("credential")
    names_credential = flag(named_to(request.membership, request.access, "credential__"))
    shown: Any = listed(rows.defer("value", "credential__secrets"), request.membership)
    return shown.annotate(names_credential=names_credential)  # type: ignore[no-any-return]  # see listed


def posted(request: OrganizationRequest) -> Any:
    """Return what a form is bound to: what was posted, or None for a fresh page."""
    return request.POST if request.method == "POST" else None


def form_page(request: OrganizationRequest, template: str, form: Any, **context: Any) -> HttpResponse:
    """Show a form: 200 when it is fresh, 422 when what was posted was refused."""
    return render(request, template, {"form": form, **context}, status=422 if form.is_bound else 200)

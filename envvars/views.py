"""Pages of environment variables and automations."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crewadmin.pagination import page_of
from organizations.access import Feature, Level, OrganizationRequest, require

from . import services
from .forms import AutomationForm, VariableForm
from .models import Automation, EnvironmentVariable
from .presentation import outcomes_of, source_name
from .resolving import resolve_for

VARIABLES_SHOWN = 200

can_read = require(Feature.ENVIRONMENT_VARIABLES, Level.READ)
can_manage = require(Feature.ENVIRONMENT_VARIABLES, Level.MANAGE)


# --- Environment variables ------------------------------------------------------------------------------------------
def _variable(request: OrganizationRequest, uuid: UUID) -> EnvironmentVariable:
    """Return a variable of the request's organization; anything else does not exist."""
    rows = EnvironmentVariable.objects.for_organization(request.organization)
    return get_object_or_404(rows.select_related("organization", "credential"), uuid=uuid)


@can_read
@require_safe
def variable_list(request: OrganizationRequest) -> HttpResponse:
    """List the organization's variables with masked values."""
    rows = EnvironmentVariable.objects.for_organization(request.organization).select_related("credential")
    page = page_of(rows.defer("value", "credential__secrets").prefetch_related("automations"), request.GET, "key")
    context = {
        "page": page,
        "rows": [(variable, source_name(variable, request.access)) for variable in page.rows],
        "can_manage": request.access.environment_variables.manage,
    }
    return render(request, "envvars/variable_list.html", context)


@can_manage
@require_http_methods(["GET", "HEAD", "POST"])
def variable_add(request: OrganizationRequest) -> HttpResponse:
    """Ask for a new variable and store it."""
    form = VariableForm(_posted(request), request.organization, request.access)
    if form.is_bound and form.is_valid():
        try:
            variable = services.add_variable(request.organization, request.user, **form.values())
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("Variable %(key)s was created.") % {"key": variable})
            return redirect("variable_list", request.organization.uuid)
    return _form_page(request, "envvars/variable_form.html", form, variable=None)


@can_manage
@require_http_methods(["GET", "HEAD", "POST"])
def variable_edit(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Change a variable; a value left blank keeps what is stored."""
    variable = _variable(request, uuid)
    form = VariableForm(_posted(request), request.organization, request.access, variable)
    if form.is_bound and form.is_valid():
        try:
            variable = services.change_variable(variable, request.user, **form.values())
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("Variable %(key)s was saved.") % {"key": variable})
            return redirect("variable_list", request.organization.uuid)
    return _form_page(request, "envvars/variable_form.html", form, variable=variable)


@can_manage
@require_http_methods(["GET", "HEAD", "POST"])
def variable_delete(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Ask, naming the automations that lose the variable, then delete it."""
    variable = _variable(request, uuid)
    if request.method == "POST":
        services.delete_variable(variable, request.user)
        messages.success(request, _("Variable %(key)s was deleted.") % {"key": variable})
        return redirect("variable_list", request.organization.uuid)
    context = {"variable": variable, "automations": variable.automations.order_by("name")}
    return render(request, "envvars/variable_delete.html", context)


# --- Automations ----------------------------------------------------------------------------------------------------
def _automation(request: OrganizationRequest, uuid: UUID) -> Automation:
    """Return an automation of the request's organization; anything else does not exist."""
    rows = Automation.objects.for_organization(request.organization).select_related("organization")
    return get_object_or_404(rows, uuid=uuid)


@can_read
@require_safe
def automation_list(request: OrganizationRequest) -> HttpResponse:
    """List the organization's automations."""
    rows = Automation.objects.for_organization(request.organization).annotate(variables_count=Count("variables"))
    context = {
        "page": page_of(rows, request.GET, "name"),
        "can_manage": request.access.environment_variables.manage,
    }
    return render(request, "envvars/automation_list.html", context)


@can_manage
@require_http_methods(["GET", "HEAD", "POST"])
def automation_add(request: OrganizationRequest) -> HttpResponse:
    """Ask for a new automation and store it."""
    form = AutomationForm(_posted(request), request.organization)
    if form.is_bound and form.is_valid():
        try:
            automation = services.add_automation(request.organization, request.user, **form.values())
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("Automation “%(name)s” was created.") % {"name": automation})
            return redirect("automation_detail", request.organization.uuid, automation.uuid)
    return _form_page(request, "envvars/automation_form.html", form, automation=None)


@can_read
@require_safe
def automation_detail(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Show an automation: its variables, and the commands that deliver them."""
    return _automation_page(request, _automation(request, uuid), {})


@can_read
@require_POST
def automation_check(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Resolve the automation and say for each variable whether it has a value; the values are dropped."""
    automation = _automation(request, uuid)
    resolution = resolve_for(automation, request.user, "check")
    outcomes = outcomes_of(resolution, with_keys=request.access.environment_variables.manage)
    context = {"resolution": resolution, "checked": True, "outcomes": outcomes}
    return _automation_page(request, automation, context)


def _automation_page(request: OrganizationRequest, automation: Automation, context: dict[str, Any]) -> HttpResponse:
    rows = EnvironmentVariable.objects.for_organization(request.organization).filter(automations=automation)
    variables = rows.select_related("credential").defer("value", "credential__secrets")[:VARIABLES_SHOWN]
    outcomes = context.get("outcomes", {})
    context |= {
        "automation": automation,
        "rows": [(row, source_name(row, request.access), outcomes.get(row.key)) for row in variables],
        "variables_count": rows.count(),
        "can_manage": request.access.environment_variables.manage,
    }
    return render(request, "envvars/automation_detail.html", context)


@can_manage
@require_http_methods(["GET", "HEAD", "POST"])
def automation_edit(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Change an automation's names and variables."""
    automation = _automation(request, uuid)
    form = AutomationForm(_posted(request), request.organization, automation)
    if form.is_bound and form.is_valid():
        try:
            automation = services.change_automation(automation, request.user, **form.values())
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("Automation “%(name)s” was saved.") % {"name": automation})
            return redirect("automation_detail", request.organization.uuid, automation.uuid)
    return _form_page(request, "envvars/automation_form.html", form, automation=automation)


@can_manage
@require_http_methods(["GET", "HEAD", "POST"])
def automation_delete(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Ask, then delete an automation."""
    automation = _automation(request, uuid)
    if request.method == "POST":
        services.delete_automation(automation, request.user)
        messages.success(request, _("Automation “%(name)s” was deleted.") % {"name": automation})
        return redirect("automation_list", request.organization.uuid)
    return render(request, "envvars/automation_delete.html", {"automation": automation})


def _posted(request: OrganizationRequest) -> Any:
    return request.POST if request.method == "POST" else None


def _form_page(request: OrganizationRequest, template: str, form: Any, **context: Any) -> HttpResponse:
    return render(request, template, {"form": form, **context}, status=422 if form.is_bound else 200)

"""Pages of environment variables."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from crewadmin.pagination import page_of
from organizations.access import OrganizationRequest, freshly_proven
from organizations.sharing import Grant, hidden_count, visible
from organizations.views.sharing import Place, sharing_page

from ..forms import VariableForm
from ..models import EnvironmentVariable
from ..presentation import source_name
from ..services import variables as services
from ..uses import shown_automations
from .shared import can_manage, can_read, form_page, posted, shown_variables, variable_of


@can_read
@require_safe
def variable_list(request: OrganizationRequest) -> HttpResponse:
    """List the organization's variables with masked values."""
    automations = Prefetch("automations", shown_automations(request.membership))
    rows = shown_variables(request).prefetch_related(automations)
    page = page_of(rows, request.GET, "key")
    context = {
        "page": page,
        "hidden_count": hidden_count(EnvironmentVariable, request.membership),
        "rows": [(variable, source_name(variable, request.access)) for variable in page.rows],
        "can_manage": request.access.environment_variables.manage,
    }
    return render(request, "envvars/variable_list.html", context)


@can_manage
@require_http_methods(["GET", "HEAD", "POST"])
def variable_add(request: OrganizationRequest) -> HttpResponse:
    """Ask for a new variable and store it."""
    form = VariableForm(posted(request), request.membership, request.access)
    if form.is_bound and form.is_valid():
        try:
            variable = services.add_variable(request.organization, request.user, **form.values())
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("Variable %(key)s was created.") % {"key": variable})
            return redirect("variable_list", request.organization.uuid)
    return form_page(request, "envvars/variable_form.html", form, variable=None)


@can_manage
@require_http_methods(["GET", "HEAD", "POST"])
def variable_edit(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Change a variable; a value left blank keeps what is stored."""
    variable = variable_of(request, uuid, Grant.MANAGE)
    form = VariableForm(posted(request), request.membership, request.access, variable)
    if form.is_bound and form.is_valid():
        try:
            variable = services.change_variable(variable, request.user, **form.values())
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("Variable %(key)s was saved.") % {"key": variable})
            return redirect("variable_list", request.organization.uuid)
    return form_page(request, "envvars/variable_form.html", form, variable=variable)


@can_manage
@require_http_methods(["GET", "HEAD", "POST"])
def variable_delete(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Ask, naming the automations that lose the variable, then delete it."""
    variable = variable_of(request, uuid, Grant.MANAGE)
    if request.method == "POST":
        services.delete_variable(variable, request.user)
        messages.success(request, _("Variable %(key)s was deleted.") % {"key": variable})
        return redirect("variable_list", request.organization.uuid)
    receive = variable.automations.order_by("name")
    shown = visible(receive, request.membership, Grant.READ)
    context = {"variable": variable, "automations": shown, "automations_hidden": receive.count() - len(shown)}
    return render(request, "envvars/variable_delete.html", context)


@can_manage
@freshly_proven
@require_http_methods(["GET", "HEAD", "POST"])
def variable_access(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Restrict a variable, and share it."""
    variable = variable_of(request, uuid, Grant.MANAGE)
    organization = request.organization.uuid
    place = Place(
        back_url=reverse("variable_edit", args=[organization, uuid]),
        list_url=reverse("variable_list", args=[organization]),
    )
    return sharing_page(request, variable, place)

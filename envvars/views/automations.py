"""Pages of automations."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Case, Count, When
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from credentials.asking import asking
from crewadmin.bulk import among
from crewadmin.limits import TooManyError
from crewadmin.pagination import page_of
from organizations.access import OrganizationRequest, freshly_proven
from organizations.sharing import Grant, hidden_count, listed
from organizations.views.sharing import Place, sharing_page
from organizations.who_has_access import who_has_access

from ..deployed import Change, changes_since
from ..forms import AutomationForm
from ..models import DRIFTED, Automation, DeployedVariable, Deployment, ServiceToken
from ..presentation import outcomes_of, source_name
from ..resolving import resolve_for
from ..services import automations as services
from .shared import (
    ask_later,
    automation_of,
    can_manage,
    can_read,
    form_page,
    posted,
    shown_deployed,
    shown_variables,
    stale_automations,
)

VARIABLES_SHOWN = 200
ENDED_TOKENS_SHOWN = 5
DEPLOYMENTS_SHOWN = 5


@can_read
@require_safe
def automation_list(request: OrganizationRequest) -> HttpResponse:
    """List the organization's automations."""
    rows = Automation.objects.for_organization(request.organization).annotate(variables_count=Count("variables"))
    context = {
        "stale_count": stale_automations(request).count(),
        "page": page_of(listed(rows.with_stale_since(), request.membership), request.GET, "name"),
        "hidden_count": hidden_count(Automation, request.membership),
        "can_manage": request.access.environment_variables.manage,
    }
    return render(request, "envvars/automation_list.html", context)


@can_manage
@require_http_methods(["GET", "HEAD", "POST"])
def automation_add(request: OrganizationRequest) -> HttpResponse:
    """Ask for a new automation and store it."""
    form = AutomationForm(posted(request), request.membership)
    if form.is_bound and form.is_valid():
        try:
            automation = services.add_automation(request.organization, request.user, **form.values())
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("Automation “%(name)s” was created.") % {"name": automation})
            return redirect("automation_detail", request.organization.uuid, automation.uuid)
    return form_page(request, "envvars/automation_form.html", form, automation=None)


@can_read
@require_safe
def automation_detail(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Show an automation: its variables, and the commands that deliver them."""
    return automation_page(request, automation_of(request, uuid), {})


@can_read
@require_POST
def automation_check(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Resolve the automation and say for each variable whether it has a value; the values are dropped.

    It is resolved with all its variables; of those that are hidden from the member only their number is told.
    """
    automation = automation_of(request, uuid)
    try:
        with asking(request.user):
            resolution = resolve_for(automation, request.user, "check")
    except TooManyError as error:
        return ask_later(request, automation, error.seconds)
    outcomes = outcomes_of(resolution, with_keys=request.access.environment_variables.manage)
    context = {"resolution": resolution, "checked": True, "outcomes": outcomes}
    return automation_page(request, automation, context)


def automation_page(
    request: OrganizationRequest, automation: Automation, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """Show an automation, with what became of its variables where it was just resolved (`outcomes`)."""
    deployments = list(Deployment.objects.of(automation)[: DEPLOYMENTS_SHOWN + 1])
    last = deployments[0] if deployments else None
    changes = _changes(automation, last)
    drifted = _drifted(request, automation, last)
    rows = shown_variables(request).filter(automations=automation)
    outcomes, shown_count = context.get("outcomes", {}), rows.count()
    told = {key for key, outcome in outcomes.items() if not outcome.ok} | changes.keys() | drifted.keys()
    if told and shown_count > VARIABLES_SHOWN:  # what there is to tell of stands first
        rows = rows.order_by(Case(When(key__in=among(told), then=0), default=1), "key")
    tokens = ServiceToken.objects.for_organization(request.organization).filter(automation=automation)
    context |= {
        "automation": automation,
        "rows": [
            (
                row,
                source_name(row, request.access),
                outcomes.get(row.key),
                changes.get(row.key, ""),
                drifted.get(row.key),
            )
            for row in rows[:VARIABLES_SHOWN]
        ],
        "deployments": deployments[:DEPLOYMENTS_SHOWN],
        "more_deployments": len(deployments) > DEPLOYMENTS_SHOWN,
        "newest": last,
        "changes_count": len(changes),
        "shown_count": shown_count,
        "hidden_count": automation.variables.count() - shown_count,
        "access": who_has_access(automation),
        "tokens": tokens.working(),
        "ended_tokens": tokens.ended()[:ENDED_TOKENS_SHOWN],
        "can_manage": request.access.environment_variables.manage and automation.managed,
        "manages_variables": request.access.environment_variables.manage,
    }
    return render(request, "envvars/automation_detail.html", context, status=status)


def _changes(automation: Automation, last: Deployment | None) -> dict[str, Change]:
    """Return what the next deployment will bring, where that is what the automation starts with."""
    return changes_since(automation, last) if last and automation.resolves_at_deploy else {}


def _drifted(
    request: OrganizationRequest, automation: Automation, last: Deployment | None
) -> dict[str, DeployedVariable]:
    """Return by key what was deployed and is stale, or cannot be told, where it is what the automation starts with."""
    if not last or not automation.resolves_at_deploy:
        return {}
    return {row.key: row for row in shown_deployed(request).filter(DRIFTED, deployment=last)}


@can_manage
@require_http_methods(["GET", "HEAD", "POST"])
def automation_edit(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Change an automation's names and variables."""
    automation = automation_of(request, uuid, Grant.MANAGE)
    form = AutomationForm(posted(request), request.membership, automation)
    if form.is_bound and form.is_valid():
        try:
            automation = services.change_automation(automation, request.user, **form.values())
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("Automation “%(name)s” was saved.") % {"name": automation})
            return redirect("automation_detail", request.organization.uuid, automation.uuid)
    return form_page(request, "envvars/automation_form.html", form, automation=automation)


@can_manage
@require_http_methods(["GET", "HEAD", "POST"])
def automation_delete(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Ask, then delete an automation."""
    automation = automation_of(request, uuid, Grant.MANAGE)
    if request.method == "POST":
        services.delete_automation(automation, request.user)
        messages.success(request, _("Automation “%(name)s” was deleted.") % {"name": automation})
        return redirect("automation_list", request.organization.uuid)
    return render(request, "envvars/automation_delete.html", {"automation": automation})


@can_manage
@freshly_proven
@require_http_methods(["GET", "HEAD", "POST"])
def automation_access(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Restrict an automation, and share it."""
    automation = automation_of(request, uuid, Grant.MANAGE)
    organization = request.organization.uuid
    place = Place(
        back_url=reverse("automation_detail", args=[organization, uuid]),
        list_url=reverse("automation_list", args=[organization]),
    )
    return sharing_page(request, automation, place)

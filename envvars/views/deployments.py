"""Pages of deployments: deploy, look at what was deployed, compare two. None shows a value."""

from http import HTTPStatus
from itertools import chain
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from credentials.asking import asking
from crewadmin.limits import TooManyError
from crewadmin.pagination import newest_page_of, page_of
from organizations.access import OrganizationRequest
from organizations.sharing import Grant

from ..deployed import Change, differences
from ..forms import CompareForm
from ..models import DeployedVariable, Deployment
from ..presentation import outcomes_of
from ..services.deployments import KeptChangingError, NothingDeployedError, deploy
from .automations import automation_page
from .shared import ask_later, automation_of, can_manage, can_read, shown_deployed, shown_sources


@can_manage
@require_POST
def automation_deploy(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Deploy an automation, or say for each variable why nothing was deployed.

    It is deployed with all its variables; of those that are hidden from the member only their number is told.
    """
    automation = automation_of(request, uuid, Grant.MANAGE)
    try:
        with asking(request.user):
            deployment = deploy(automation, request.user)
    except TooManyError as error:
        return ask_later(request, automation, error.seconds)
    except NothingDeployedError as error:
        outcomes = outcomes_of(error.resolution, with_keys=True)
        context = {"resolution": error.resolution, "refused": True, "outcomes": outcomes}
        return automation_page(request, automation, context, status=HTTPStatus.CONFLICT)
    except KeptChangingError as error:
        messages.error(request, f"{error.title}. {error.detail}")
    else:
        count = deployment.variables_count
        sentence = ngettext(
            "Deployment #%(number)d was made with %(count)d variable.",
            "Deployment #%(number)d was made with %(count)d variables.",
            count,
        )
        messages.success(request, sentence % {"number": deployment.number, "count": count})
    return redirect("automation_detail", request.organization.uuid, automation.uuid)


@can_read
@require_safe
def automation_history(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """List an automation's deployments, newest first."""
    automation = automation_of(request, uuid)
    rows = Deployment.objects.of(automation)
    last = rows.first()
    context = {"automation": automation, "page": newest_page_of(rows, request.GET, {}), "newest": last}
    return render(request, "envvars/deployment_list.html", context)


@can_read
@require_safe
def deployment_detail(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Show a deployment: where each value came from, which version was read, and its fingerprint."""
    rows = Deployment.objects.for_organization(request.organization).select_related("automation")
    deployment = get_object_or_404(rows, uuid=uuid)
    automation = automation_of(request, deployment.automation.uuid)
    shown = shown_deployed(request).filter(deployment=deployment)
    page = page_of(shown.order_by("key"), request.GET, "key")
    around = Deployment.objects.of(automation)
    context = {
        "automation": automation,
        "deployment": deployment,
        "page": page,
        "rows": shown_sources(request, page.rows),
        "hidden_count": deployment.variables_count - shown.count(),
        "is_newest": not around.filter(number__gt=deployment.number).exists(),
        "previous": around.filter(number__lt=deployment.number).first(),
    }
    return render(request, "envvars/deployment_detail.html", context)


@can_read
@require_safe
def automation_compare(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Compare two of an automation's deployments; at first the newest with the one before."""
    automation = automation_of(request, uuid)
    deployments = list(Deployment.objects.of(automation))
    if len(deployments) < 2:
        return render(request, "envvars/deployment_compare.html", {"automation": automation, "form": None})
    form = CompareForm(request.GET or None, deployments)
    context = {"automation": automation, "form": form}
    if form.is_bound and not form.is_valid():
        return render(request, "envvars/deployment_compare.html", context, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    before, after = form.chosen()
    rows: dict[int, list[DeployedVariable]] = {before.pk: [], after.pk: []}
    for row in shown_deployed(request).filter(deployment__in=[before, after]):
        rows[row.deployment_id].append(row)
    found = differences(rows[before.pk], rows[after.pk])
    sources: dict[DeployedVariable | None, str] = dict(shown_sources(request, chain(*rows.values())))
    every_key = DeployedVariable.objects.filter(deployment__in=[before, after]).values("key").distinct()
    groups = [
        (
            change,
            label,
            [(one, sources.get(one.before), sources.get(one.after)) for one in found if one.change == change],
        )
        for change, label in (
            (Change.ADDED, _("Added")),
            (Change.REMOVED, _("Removed")),
            (Change.CHANGED, _("Changed")),
            (Change.UNCHANGED, _("Unchanged")),
        )
    ]
    context |= {
        "before": before,
        "after": after,
        "groups": groups,
        "shown_count": len(found),
        "hidden_count": every_key.count() - len(found),
    }
    return render(request, "envvars/deployment_compare.html", context)

"""Pages of what is stale: deployed values that vaults hold newer versions of. None is read to find out."""

from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Window
from django.db.models.functions import RowNumber
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from credentials.asking import asking
from crewadmin.limits import TooManyError
from crewadmin.pagination import page_of
from organizations.access import OrganizationRequest

from ..models import DRIFTED, DeployedVariable, Deployment
from ..services.drift import Drift, check_drift
from .shared import ask_later, automation_of, can_read, shown_deployed, shown_sources, stale_automations

#: Variables of one automation that the list of what is stale names; its own page has all.
VARIABLES_NAMED = 10


@can_read
@require_safe
def stale_list(request: OrganizationRequest) -> HttpResponse:
    """List the automations that start with values which vaults hold newer versions of, with these variables."""
    page = page_of(stale_automations(request), request.GET, "name")
    deployments = {
        one.automation_id: one for one in Deployment.objects.in_use().filter(automation__in=page.rows).defer("snapshot")
    }
    named, counts = _named(request, list(deployments.values()))
    rows = []
    for automation in page.rows:
        deployment = deployments.get(automation.pk)
        if deployment is None:  # deleted, or set to read at every start, since the page was asked for
            continue
        drifted = named.get(deployment.pk, [])
        rows.append((automation, deployment, drifted, counts.get(deployment.pk, 0) - len(drifted)))
    return render(request, "envvars/stale_list.html", {"page": page, "rows": rows})


def _named(
    request: OrganizationRequest, deployments: list[Deployment]
) -> tuple[dict[int, list[tuple[DeployedVariable, str]]], dict[int, int]]:
    """Return by deployment the first variables that the member may know of, and how many there are in all."""
    drifted = DeployedVariable.objects.filter(DRIFTED, deployment__in=deployments).order_by()
    counts = dict(drifted.values_list("deployment").annotate(Count("pk")))
    place = Window(RowNumber(), partition_by="deployment", order_by="key")
    shown = shown_deployed(request).filter(DRIFTED, deployment__in=deployments)
    shown = shown.annotate(place=place).filter(place__lte=VARIABLES_NAMED)
    named: dict[int, list[tuple[DeployedVariable, str]]] = {}
    for row, source in shown_sources(request, shown.order_by("key")):
        named.setdefault(row.deployment_id, []).append((row, source))
    return named, counts


@can_read
@require_POST
def drift_check(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Ask the vaults whether what an automation starts with is stale, and say so."""
    automation = automation_of(request, uuid)
    try:
        with asking(request.user):
            found = check_drift(request.organization, request.user, automation=automation)
    except TooManyError as error:
        return ask_later(request, automation, error.seconds)
    if found:
        _tell(request, found[0])
    else:
        messages.info(request, _("Nothing is deployed that could be stale."))
    return redirect("automation_detail", request.organization.uuid, automation.uuid)


def _tell(request: OrganizationRequest, drift: Drift) -> None:
    if count := len(drift.stale):
        text = ngettext("%(count)d deployed value is stale.", "%(count)d deployed values are stale.", count)
        messages.warning(request, text % {"count": count})
    elif not drift.unknown:
        messages.success(request, _("Vaults hold what was deployed."))
    if count := len(drift.unknown):
        text = ngettext("%(count)d value could not be compared.", "%(count)d values could not be compared.", count)
        messages.warning(request, text % {"count": count})

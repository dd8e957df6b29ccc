"""What the pages of variables and automations share: their guards, their rows by UUID, their forms' answers."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from credentials.models import named_to
from credentials.presentation import toast_for_limit
from organizations.access import Feature, Level, OrganizationRequest, require
from organizations.sharing import Grant, flag, listed, object_of, visible

from ..models import DRIFTED, Automation, DeployedVariable, Deployment, EnvironmentVariable
from ..presentation import deployed_source_name

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


def ask_later(request: OrganizationRequest, automation: Automation, seconds: int) -> HttpResponse:
    """Send back a person who has vaults asked too often, or while too many are; say when to try again."""
    toast_for_limit(seconds, _("Too many questions to vaults at once")).add_to(request)
    return redirect("automation_detail", request.organization.uuid, automation.uuid)


def stale_automations(request: OrganizationRequest) -> "QuerySet[Automation]":
    """Return the automations that the member may see and that start with what vaults hold no more, or perhaps so."""
    drifted = DeployedVariable.objects.filter(DRIFTED, deployment=OuterRef("pk"))
    deployments = Deployment.objects.for_organization(request.organization).in_use().filter(Exists(drifted))
    rows = Automation.objects.for_organization(request.organization).filter(deployments__in=deployments)
    return listed(rows.with_stale_since(), request.membership)


def shown_variables(request: OrganizationRequest) -> "QuerySet[EnvironmentVariable]":
    """Return the variables that the member may see, without values, each with what `source_name` asks."""
    rows = EnvironmentVariable.objects.for_organization(request.organization).select_related("credential")
    names_credential = flag(named_to(request.membership, request.access, "credential__"))
    shown: Any = listed(rows.defer("credential__secrets"), request.membership)
    return shown.annotate(names_credential=names_credential)  # type: ignore[no-any-return]  # see listed


def shown_deployed(request: OrganizationRequest) -> "QuerySet[DeployedVariable]":
    """Return the deployed variables that the member may know of, each with what `shown_sources` asks.

    Of a variable that was deleted only what was deployed tells: if it was restricted then, owners see it.
    """
    membership = request.membership
    names_credential = flag(named_to(membership, request.access, "credential__"))
    rows: Any = DeployedVariable.objects.filter(deployment__organization=request.organization)
    if not request.access.owner:
        there = EnvironmentVariable.objects.filter(organization=request.organization)
        seen = visible(there, membership, Grant.READ)
        deleted = Q(restricted=False) & ~Q(variable_uuid__in=there.values("uuid"))
        rows = rows.filter(Q(variable_uuid__in=seen.values("uuid")) | deleted)
    return rows.annotate(names_credential=names_credential)  # type: ignore[no-any-return]  # see listed


def shown_sources(request: OrganizationRequest, rows: Iterable[DeployedVariable]) -> list[tuple[DeployedVariable, str]]:
    """Return rows of `shown_deployed`, each with the name of where its value came from."""
    return [(row, deployed_source_name(row, request.access)) for row in rows]


def posted(request: OrganizationRequest) -> Any:
    """Return what a form is bound to: what was posted, or None for a fresh page."""
    return request.POST if request.method == "POST" else None


def form_page(request: OrganizationRequest, template: str, form: Any, **context: Any) -> HttpResponse:
    """Show a form: 200 when it is fresh, 422 when what was posted was refused."""
    return render(request, template, {"form": form, **context}, status=422 if form.is_bound else 200)

"""Settings > Members: who belongs to the organization, with which role, in which state."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Case, F, QuerySet, Value, When
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crewadmin.pagination import page_of

from ..access import OrganizationRequest, freshly_proven, require
from ..forms import MemberRoleForm
from ..models import Membership, public_id
from ..services import invitations, members
from ..services.owners import LastOwnerError

State = Membership.State


def membership_of(request: OrganizationRequest, uuid: UUID) -> Membership:
    """Return a membership of the request's organization; anything else does not exist."""
    return get_object_or_404(_memberships(request), uuid=uuid)


def _memberships(request: OrganizationRequest) -> QuerySet[Membership]:
    return request.organization.memberships.select_related("organization", "role", "user", "invitation")


def _colleague(request: OrganizationRequest, uuid: UUID) -> Membership:
    """Return the membership of somebody else who joined: one's own ends by leaving, an invitation is revoked."""
    rows = _memberships(request).exclude(state=State.INVITED).exclude(pk=request.membership.pk)
    return get_object_or_404(rows, uuid=uuid)


@require()
@require_safe
def member_list(request: OrganizationRequest) -> HttpResponse:
    """List the members by address. Of somebody invited only the address is shown: their name is theirs to give."""
    rows = _memberships(request).annotate(
        email=F("user__email"), name=Case(When(state=State.INVITED, then=Value("")), default=F("user__name"))
    )
    filters = {}
    if (state := request.GET.get("state", "")) in State.values:
        filters["state"] = state
        rows = rows.filter(state=state)
    if role := public_id(request.GET.get("role")):
        filters["role"] = str(role)
        rows = rows.filter(role__uuid=role)
    context = {
        "page": page_of(rows, request.GET, "email", search=("email", "name"), filters=filters),
        "filters": filters,
        "roles": request.organization.roles.order_by("name"),
        "states": State.choices,
        "can_manage": request.access.owner,
        "own": request.membership,
    }
    return render(request, "organizations/members/list.html", context)


@require(owner=True)
@freshly_proven
@require_http_methods(["GET", "HEAD", "POST"])
def member_edit(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Give a member another role."""
    membership = membership_of(request, uuid)
    form = MemberRoleForm(request.POST if request.method == "POST" else None, membership)
    if form.is_bound and form.is_valid():
        try:
            membership = members.give_role(membership, form.cleaned_data["role"], request.user)
        except LastOwnerError:
            form.add_error("role", _last_owner(membership))
        else:
            details = {"person": members.in_the_log(membership), "role": membership.role}
            messages.success(request, _("%(person)s has the role %(role)s now.") % details)
            return redirect("member_list", request.organization.uuid)
    context = {"form": form, "membership": membership, "person": members.in_the_log(membership)}
    return render(request, "organizations/members/form.html", context, status=422 if form.is_bound else 200)


@require(owner=True)
@freshly_proven
@require_POST
def member_suspend(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Shut a member out until somebody reactivates them."""
    membership = _colleague(request, uuid)
    try:
        members.suspend(membership, request.user)
    except LastOwnerError:
        messages.error(request, _last_owner(membership))
    else:
        messages.success(request, _("%(person)s is suspended and sees nothing here now.") % {"person": membership.user})
    return redirect("member_list", request.organization.uuid)


@require(owner=True)
@freshly_proven
@require_POST
def member_reactivate(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Let a suspended member in again."""
    membership = _colleague(request, uuid)
    members.reactivate(membership, request.user)
    messages.success(request, _("%(person)s is active again.") % {"person": membership.user})
    return redirect("member_list", request.organization.uuid)


@require(owner=True)
@freshly_proven
@require_http_methods(["GET", "HEAD", "POST"])
def member_remove(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Ask, then remove a member, or revoke the invitation of somebody who is only invited."""
    membership = membership_of(request, uuid)
    if membership.pk == request.membership.pk:
        return redirect("member_leave", request.organization.uuid)
    if membership.state == State.INVITED:
        return _revoke(request, membership)
    if request.method != "POST":
        return render(request, "organizations/members/remove.html", {"membership": membership})
    try:
        members.remove(membership, request.user)
    except LastOwnerError:
        return _refused(request, "organizations/members/remove.html", membership)
    messages.success(request, _("%(person)s was removed.") % {"person": membership.user})
    return redirect("member_list", request.organization.uuid)


def _revoke(request: OrganizationRequest, membership: Membership) -> HttpResponse:
    if request.method != "POST":
        return render(request, "organizations/members/revoke.html", {"membership": membership})
    invitations.revoke(membership, request.user)
    email = membership.user.email
    messages.success(request, _("The invitation of %(email)s was revoked; its link is dead.") % {"email": email})
    return redirect("member_list", request.organization.uuid)


@require()
@freshly_proven
@require_http_methods(["GET", "HEAD", "POST"])
def member_leave(request: OrganizationRequest) -> HttpResponse:
    """Ask, then end one's own membership; every member may, whatever the role."""
    membership = request.membership
    if request.method != "POST":
        return render(request, "organizations/members/leave.html", {"membership": membership})
    try:
        members.leave(membership)
    except LastOwnerError:
        return _refused(request, "organizations/members/leave.html", membership)
    messages.success(request, _("You left %(organization)s.") % {"organization": request.organization})
    return redirect("home")


def _refused(request: OrganizationRequest, template: str, membership: Membership) -> HttpResponse:
    context: dict[str, Any] = {"membership": membership, "refusal": _last_owner(membership)}
    return render(request, template, context, status=409)


def _last_owner(membership: Membership) -> str:
    details = {"person": membership.user, "organization": membership.organization}
    return _("%(person)s is the last active owner of %(organization)s. First make somebody else an owner.") % details

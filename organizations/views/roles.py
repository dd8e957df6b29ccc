"""Settings > Roles: what a role's members may do."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from crewadmin.pagination import page_of

from ..access import Feature, Level, OrganizationRequest, freshly_proven, levels_of, levels_of_each, require
from ..forms import RoleForm, SuccessorForm
from ..levels import FEATURE_LABELS, levels_in_words
from ..models import Role
from ..services import roles as services

Kind = Role.Kind


def _role(request: OrganizationRequest, uuid: UUID, *kinds: Role.Kind) -> Role:
    """Return a role of the request's organization and of one of these kinds; anything else does not exist."""
    rows = request.organization.roles.select_related("organization", "group")
    return get_object_or_404(rows, uuid=uuid, kind__in=kinds)


@require()
@require_safe
def role_list(request: OrganizationRequest) -> HttpResponse:
    """List the roles with what they allow and how many have them."""
    page = page_of(request.organization.roles.annotate(members_count=Count("memberships")), request.GET, "name")
    levels = levels_of_each(page.rows)
    context = {
        "page": page,
        "rows": [(role, levels_in_words(levels[role.pk])) for role in page.rows],
        "features": FEATURE_LABELS.values(),
        "can_manage": request.access.owner,
    }
    return render(request, "organizations/roles/list.html", context)


@require(owner=True)
@freshly_proven
@require_http_methods(["GET", "HEAD", "POST"])
def role_add(request: OrganizationRequest) -> HttpResponse:
    """Ask for a new role and store it."""
    return _add(request, None)


@require(owner=True)
@freshly_proven
@require_http_methods(["GET", "HEAD", "POST"])
def role_duplicate(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Ask for a new role that starts with the levels of another one."""
    return _add(request, _role(request, uuid, *Kind))


def _add(request: OrganizationRequest, pattern: Role | None) -> HttpResponse:
    levels: dict[Feature, Level] = levels_of(pattern) if pattern else {}
    form = RoleForm(request.POST if request.method == "POST" else None, initial=levels)
    if form.is_bound and form.is_valid():
        try:
            role = services.add_role(request.organization, request.user, **form.values())
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("Role “%(name)s” was created.") % {"name": role})
            return redirect("role_list", request.organization.uuid)
    return _form_page(request, form, None, pattern)


@require(owner=True)
@freshly_proven
@require_http_methods(["GET", "HEAD", "POST"])
def role_edit(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Change a role's name and levels; the built-in Member role keeps its name, the Owner role is not changed."""
    role = _role(request, uuid, Kind.MEMBER, Kind.CUSTOM)
    form = RoleForm(request.POST if request.method == "POST" else None, role)
    if form.is_bound and form.is_valid():
        try:
            role = services.change_role(role, request.user, **form.values())
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("Role “%(name)s” was saved. It counts from now on.") % {"name": role})
            return redirect("role_list", request.organization.uuid)
    return _form_page(request, form, role, None)


def _form_page(request: OrganizationRequest, form: RoleForm, role: Role | None, pattern: Role | None) -> HttpResponse:
    context = {
        "form": form,
        "role": role,
        "pattern": pattern,
        "members_count": role.memberships.count() if role else 0,
    }
    return render(request, "organizations/roles/form.html", context, status=422 if form.is_bound else 200)


@require(owner=True)
@freshly_proven
@require_http_methods(["GET", "HEAD", "POST"])
def role_delete(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Ask, then delete a custom role; those who have it get the role that the person chooses."""
    role = _role(request, uuid, Kind.CUSTOM)
    members_count = role.memberships.count()
    posted = request.method == "POST"
    form = SuccessorForm(request.POST if posted else None, role) if members_count else None
    if posted and (form is None or form.is_valid()):
        try:
            services.delete_role(role, request.user, successor=form.cleaned_data["successor"] if form else None)
        except services.RoleInUseError:  # somebody got the role meanwhile: the page now asks for another one
            return redirect("role_delete", request.organization.uuid, role.uuid)
        messages.success(request, _("Role “%(name)s” was deleted.") % {"name": role})
        return redirect("role_list", request.organization.uuid)
    context = {"role": role, "members_count": members_count, "form": form}
    return render(request, "organizations/roles/delete.html", context, status=422 if posted else 200)

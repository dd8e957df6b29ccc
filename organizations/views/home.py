"""Where people land after sign-in."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from ..access import OrganizationRequest, memberships_of, require, signed_in


@signed_in
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Go on to the person's first organization or, for support staff, to their pages; or say that there is none."""
    memberships = memberships_of(request.user)
    if not memberships and request.user.is_staff:
        return redirect("admin:index")
    if not memberships:
        return render(request, "organizations/none.html")
    return redirect("organization_home", memberships[0].organization.uuid)


@require()
@require_safe
def organization_home(request: OrganizationRequest) -> HttpResponse:
    """Go on to the first page that the member may see."""
    access, organization = request.access, request.organization
    if access.environment_variables.read:
        return redirect("variable_list", organization.uuid)
    if access.secret_providers.read:
        return redirect("credential_list", organization.uuid)
    return render(request, "organizations/nothing.html")

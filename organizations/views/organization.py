"""Settings > Organization."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from ..access import OrganizationRequest, freshly_proven, require
from ..forms import OrganizationForm
from ..second_factor import has_second_factor
from ..services.organizations import change_organization


@require()
@require_safe
def organization_settings(request: OrganizationRequest) -> HttpResponse:
    """Show every member what the organization is."""
    context = {"is_owner": request.access.owner}
    return render(request, "organizations/detail.html", context)


@require(owner=True)
@freshly_proven
@require_http_methods(["GET", "HEAD", "POST"])
def organization_settings_edit(request: OrganizationRequest) -> HttpResponse:
    """Let an owner change the organization."""
    organization = request.organization
    initial = {"name": organization.name, "requires_mfa": organization.requires_mfa}
    form = OrganizationForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            change_organization(organization, request.user, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("The organization was saved."))
            return redirect("organization_settings", organization.uuid)
    context = {"form": form, "has_second_factor": has_second_factor(request.user)}
    return render(request, "organizations/form.html", context, status=422 if form.is_bound else 200)

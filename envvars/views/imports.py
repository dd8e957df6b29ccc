"""The page that imports environment variables."""

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from crewadmin.importing.source import UPLOAD_LIMITS
from organizations.access import OrganizationRequest
from organizations.importing import Import
from organizations.views.imports import ImportForm, Place, import_page

from ..importing.run import VariableImport
from .shared import can_manage


@can_manage
@require_http_methods(["GET", "HEAD", "POST"])
def variable_import(request: OrganizationRequest) -> HttpResponse:
    """Plan an import of variables, and apply it."""
    organization = request.organization
    place = Place(
        _("Import Environment Variables"),
        _("Environment Variables"),
        reverse("variable_list", args=[organization.uuid]),
        _("From a CSV, JSON or .env file. You see what it would change before anything is stored."),
    )

    def make(form: ImportForm) -> Import:
        source = form.cleaned_data["file"]
        return VariableImport(organization, request.membership, source, form.choices(), UPLOAD_LIMITS)

    form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
    return import_page(request, place, form, make)

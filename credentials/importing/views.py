"""The page that imports credentials."""

from django import forms
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from crewadmin.forms import TextField
from crewadmin.importing.source import UPLOAD_LIMITS, Source
from organizations.access import Feature, Level, OrganizationRequest, freshly_proven, require
from organizations.importing import Import
from organizations.views.imports import ImportForm, Place, import_page, read_upload

from .run import CredentialImport, Defaults


class CredentialImportForm(ImportForm):
    """Also what the files of AWS leave open."""

    name = TextField(
        label=gettext_lazy("Name"),
        max_length=100,
        required=False,
        help_text=gettext_lazy("For a file that names no credential, as the console's accessKeys.csv."),
    )
    region = TextField(
        label=gettext_lazy("Region"),
        max_length=100,
        required=False,
        help_text=gettext_lazy("For rows that have none."),
    )

    profiles = TextField(
        label=gettext_lazy("Profiles to take"),
        max_length=1_000,
        required=False,
        help_text=gettext_lazy("Of a shared credentials file: names with blanks between. Leave it blank to take all."),
    )

    config = forms.FileField(
        label=gettext_lazy("Shared config file"),
        max_length=100,
        required=False,
        help_text=gettext_lazy("Beside a shared credentials file: its regions and roles."),
    )

    test = forms.BooleanField(
        label=gettext_lazy("Test each new or changed credential first"),
        required=False,
        help_text=gettext_lazy(
            "Nothing is stored unless all pass. A page can wait for about ten; the command for all."
        ),
    )

    def clean_config(self) -> Source | None:
        """Read the second file, if there is one."""
        return read_upload(self.cleaned_data["config"]) if self.cleaned_data["config"] else None


@require(Feature.SECRET_PROVIDERS, Level.MANAGE)
@freshly_proven
@require_http_methods(["GET", "HEAD", "POST"])
def credential_import(request: OrganizationRequest) -> HttpResponse:
    """Plan an import of credentials, and apply it."""
    place = Place(
        _("Import Secret Provider Credentials"),
        _("Secret Provider Credentials"),
        reverse("credential_list", args=[request.organization.uuid]),
        _("From a CSV or JSON file, the AWS console's accessKeys.csv, or a shared AWS credentials file."),
        "credentials/import.html",
    )

    def make(form: ImportForm) -> Import:
        cleaned = form.cleaned_data
        return CredentialImport(
            request.organization,
            request.user,
            [cleaned["file"], *([cleaned["config"]] if cleaned["config"] else [])],
            form.choices(),
            UPLOAD_LIMITS,
            defaults=Defaults(cleaned["name"], cleaned["region"], cleaned["profiles"].split()),
            test=cleaned["test"],
        )

    form = CredentialImportForm(request.POST, request.FILES) if request.method == "POST" else CredentialImportForm()
    return import_page(request, place, form, make)

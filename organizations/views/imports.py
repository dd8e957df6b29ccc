"""The page of an import: a file is chosen, its plan is shown, and applied; nothing of the file is kept in between.

With JavaScript the file stays chosen in the browser and is sent again to be applied. Without, the person chooses it
again; that it is the same one is checked by the plan's fingerprint. Uploads are held in memory, never on disk.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_htmx.http import HttpResponseClientRedirect

from crewadmin.forms import TextField
from crewadmin.importing.findings import BadFileError, Finding
from crewadmin.importing.plan import Action, OnConflict, Plan
from crewadmin.importing.source import MEGABYTE, UPLOAD_LIMITS, Source, source_of

from ..access import OrganizationRequest
from ..importing import Choices, ConflictError, FaultyError, Import, MovedError

#: More lines of a plan, or faults of a file, are counted on the page.
MOST_SHOWN = 200


class ImportForm(forms.Form):
    """The file, and what becomes of rows that differ. A page adds what its rows need."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        max_length=100,
        help_text=gettext_lazy("At most 5 MB and 10,000 rows. It is not kept."),
        error_messages={"required": gettext_lazy("Choose a file of at most 5 MB.")},
    )
    on_conflict = forms.ChoiceField(
        label=gettext_lazy("Rows that differ and are not this import's"),
        choices=[
            (OnConflict.FAIL, gettext_lazy("Import nothing")),
            (OnConflict.SKIP, gettext_lazy("Leave them as they are")),
            (OnConflict.UPDATE, gettext_lazy("Replace them by what the file says")),
        ],
    )
    import_name = TextField(
        label=gettext_lazy("Name of the import"),
        max_length=100,
        required=False,
        help_text=gettext_lazy("Rows remember it. Leave it blank to take the file's name."),
    )
    plan = forms.CharField(max_length=64, required=False, widget=forms.HiddenInput)

    def clean_file(self) -> Source:
        """Read the file. Raises ValidationError for what is no text within limits."""
        return read_upload(self.cleaned_data["file"])

    def choices(self) -> Choices:
        """Return what was chosen; only after `is_valid`."""
        name = self.cleaned_data["import_name"] or self.cleaned_data["file"].name
        return Choices(name, OnConflict(self.cleaned_data["on_conflict"]))


def read_upload(file: Any) -> Source:
    """Read an uploaded file. Raises ValidationError for what is no text within limits."""
    if (file.size or 0) > UPLOAD_LIMITS.size:
        raise forms.ValidationError(_("The file is larger than %d MB.") % (UPLOAD_LIMITS.size / MEGABYTE))
    try:
        return source_of(file.name or "", file.read(), UPLOAD_LIMITS)
    except BadFileError as error:
        raise forms.ValidationError(str(error.finding)) from None


@dataclass(frozen=True)
class Place:
    """What a page of an import says and where it leads: heading, name of the list, its address, formats in words."""

    heading: str
    list_name: str
    list_url: str
    formats: str


def import_page(
    request: OrganizationRequest, place: Place, form: ImportForm, make: Callable[[ImportForm], Import]
) -> HttpResponse:
    """Show the form; for a posted file its plan; for a posted plan do it and go to the list."""
    if not form.is_bound:
        return _page(request, place, form)
    if not form.is_valid():
        return _page(request, place, form, status=422)
    run, shown = make(form), form.cleaned_data["plan"]
    try:
        plan = run.apply(shown) if shown else run.plan()
    except (FaultyError, ConflictError, MovedError) as error:
        plan, moved = run.plan(), isinstance(error, MovedError)
        return _page(request, place, form, 422, run, plan, moved=moved)
    if not shown:
        return _page(request, place, form, status=422 if run.findings else 200, run=run, plan=plan)
    messages.success(request, _("Imported: %(counts)s.") % {"counts": _counts(plan)})
    return HttpResponseClientRedirect(place.list_url) if request.htmx else redirect(place.list_url)


def _page(
    request: OrganizationRequest,
    place: Place,
    form: ImportForm,
    status: int = 200,
    run: Import | None = None,
    plan: Plan | None = None,
    *,
    moved: bool = False,
) -> HttpResponse:
    findings: list[Finding] = list(run.findings) if run else []
    context: dict[str, Any] = {"place": place, "form": form, "plan": plan, "moved": moved, "findings": findings}
    if run and plan:
        context |= {
            "findings": findings[:MOST_SHOWN],
            "findings_count": run.findings.count,
            "items": plan.items[:MOST_SHOWN],
            "more": max(0, len(plan.items) - MOST_SHOWN),
            "counts": _counts(plan),
            "fingerprint": run.fingerprint(plan) if plan.changes and not plan.conflicts and not findings else "",
        }
    template = "imports/_plan.html" if request.htmx else "imports/page.html"
    return render(request, template, context, status=status)


def _counts(plan: Plan) -> str:
    shown = [(action, count) for action, count in plan.counts.items() if count or action is Action.CREATE]
    return ", ".join(f"{action.label} {count}" for action, count in shown)

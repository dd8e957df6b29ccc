"""The page of an import: a file is chosen, its plan is shown, and applied; nothing of the file is kept in between.

With JavaScript the file stays chosen in the browser and is sent again to be applied. Without, the person chooses it
again; that it is the same one is checked by the plan's fingerprint. Uploads are held in memory, never on disk.

A file is applied within its request, which its limits keep short; longer ones are for the command. Meanwhile the page
asks how far it is. Whoever closes it loses nothing: the request goes on, and stores all of the file or nothing.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.cache import cache
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_htmx.http import HttpResponseClientRedirect

from crewadmin.forms import TextField
from crewadmin.importing.findings import BadFileError, Finding
from crewadmin.importing.plan import Action, Item, OnConflict, Plan
from crewadmin.importing.source import MEGABYTE, UPLOAD_LIMITS, Source, source_of

from ..access import OrganizationRequest
from ..importing import Choices, ConflictError, Import, NotAppliedError, Progress, Tested

#: More rows with one action, or faults of a file, are counted on the page.
MOST_SHOWN = 200
#: What wants a look comes first.
ACTIONS_SHOWN = (Action.CONFLICT, Action.REMOVE, Action.CHANGE, Action.CREATE, Action.SKIP)
#: Seconds between two notes of how far an import is, and for which one is kept.
PROGRESS_STEP, PROGRESS_KEPT = 0.3, 60


class ImportForm(forms.Form):
    """The file, and what becomes of rows that differ. A page adds what its rows need."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        max_length=100,
        help_text=gettext_lazy("At most 5 MB and 10,000 rows. It is not kept."),
        error_messages={"required": gettext_lazy("Choose a file of at most 5 MB.")},
    )
    on_conflict = forms.ChoiceField(
        label=gettext_lazy("If a row differs that this import did not leave so"),
        choices=[
            (OnConflict.FAIL, gettext_lazy("Import nothing")),
            (OnConflict.SKIP, gettext_lazy("Leave it as it is")),
            (OnConflict.UPDATE, gettext_lazy("Replace it by what the file says")),
        ],
        help_text=gettext_lazy("Somebody added or edited it on a page, or an import of another name brought it."),
    )
    import_name = TextField(
        label=gettext_lazy("Name of the import"),
        max_length=100,
        required=False,
        help_text=gettext_lazy("Rows remember it. Leave it blank to take the file's name."),
    )
    prune = forms.BooleanField(
        label=gettext_lazy("Remove rows of this import that the file no longer has"),
        required=False,
        help_text=gettext_lazy("Only rows that an import of the same name brought and nobody has edited since."),
    )
    plan = forms.CharField(max_length=64, required=False, widget=forms.HiddenInput)
    removals = TextField(max_length=10, required=False, widget=forms.HiddenInput)
    #: What the page asks by how far this request is: a UUID that import.js makes for each.
    ticket = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def clean_file(self) -> Source:
        """Read the file. Raises ValidationError for what is no text within limits."""
        return read_upload(self.cleaned_data["file"])

    def choices(self) -> Choices:
        """Return what was chosen; only after `is_valid`."""
        name = self.cleaned_data["import_name"] or self.cleaned_data["file"].name
        return Choices(name, OnConflict(self.cleaned_data["on_conflict"]), self.cleaned_data["prune"])


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
    """What a page of an import says and where it leads: heading, name of the list, its address, formats in words.

    `template` is that of the page: imports/page.html, or one that extends it.
    """

    heading: str
    list_name: str
    list_url: str
    formats: str
    template: str = "imports/page.html"


def import_page(
    request: OrganizationRequest, place: Place, form: ImportForm, make: Callable[[ImportForm], Import]
) -> HttpResponse:
    """Show the form; for a posted file its plan; for a posted plan do it and go to the list."""
    if "progress" in request.GET:
        return JsonResponse({"percent": cache.get(_progress_key(request, request.GET["progress"]))})
    if not form.is_bound:
        return _page(request, place, form)
    if not form.is_valid():
        return _page(request, place, form, status=422)
    run, shown = make(form), form.cleaned_data["plan"]
    part = partial(_progress, request, form.cleaned_data["ticket"])
    plan = run.plan(part(0, 40) if shown else part(0, 100))
    if run.findings:
        return _page(request, place, form, 422, run, plan)
    if not shown:
        return _page(request, place, form, 200, run, plan)
    if shown != run.fingerprint(plan):
        return _page(request, place, form, 422, run, plan, moved=True)
    if plan.counts[Action.REMOVE] and form.cleaned_data["removals"].strip() != str(plan.counts[Action.REMOVE]):
        return _page(request, place, form, 422, run, plan, unconfirmed=True)
    tests = _tests(run, part(40, 60))
    if any(tested.failure for tested in tests):
        return _page(request, place, form, 422, run, plan, tests=tests)
    try:
        plan = run.apply(shown, part(60, 100))
    except NotAppliedError as error:
        plan, moved = run.plan(), not isinstance(error, ConflictError)
        return _page(request, place, form, 422, run, plan, moved=moved)
    messages.success(request, _("Imported: %(counts)s.") % {"counts": _counts(plan)})
    return HttpResponseClientRedirect(place.list_url) if request.htmx else redirect(place.list_url)


def _tests(run: Import, progress: Progress) -> list[Tested]:
    tests: list[Tested] = []
    for tested in run.tested(patient=False):
        tests.append(tested)
        progress(len(tests), len(tests) + 1)
    return tests


def _progress_key(request: OrganizationRequest, ticket: UUID | str) -> str:
    """Return where it is noted how far a request of this person is."""
    return f"import:{request.user.pk}:{str(ticket)[:36]}"


def _progress(request: OrganizationRequest, ticket: UUID | None, start: int, end: int) -> Progress:
    """Return what notes now and then how far the request is, from `start` to `end` percent, for the page that waits."""
    told = [0.0]

    def progress(line: int, last: int) -> None:
        if ticket and time.monotonic() - told[0] > PROGRESS_STEP:
            told[0] = time.monotonic()
            cache.set(
                _progress_key(request, ticket), round(start + (end - start) * line / max(last, line, 1)), PROGRESS_KEPT
            )

    return progress


def _page(
    request: OrganizationRequest,
    place: Place,
    form: ImportForm,
    status: int = 200,
    run: Import | None = None,
    plan: Plan | None = None,
    *,
    moved: bool = False,
    unconfirmed: bool = False,
    tests: Sequence[Tested] = (),
) -> HttpResponse:
    findings: list[Finding] = list(run.findings) if run else []
    context: dict[str, Any] = {"place": place, "form": form, "plan": plan, "moved": moved, "findings": findings}
    if run and plan:
        context |= {
            "findings": findings[:MOST_SHOWN],
            "findings_count": run.findings.count,
            "more_findings": max(0, run.findings.count - MOST_SHOWN),
            "several": len(run.sources) > 1,
            "groups": list(_groups(plan)),
            "differing": sum(item.action is Action.CONFLICT and bool(item.fields) for item in plan.items),
            "counts": _counts(plan),
            "fingerprint": run.fingerprint(plan) if plan.changes and not plan.conflicts and not findings else "",
            "removals": plan.counts[Action.REMOVE],
            "unconfirmed": unconfirmed,
            "tests": tests,
        }
    template = "imports/_plan.html" if request.htmx else place.template
    return render(request, template, context, status=status)


def _groups(plan: Plan) -> Iterator[tuple[Action, int, list[Item], int]]:
    """Yield each action with how many rows it has, the first of them, and how many are left out."""
    for action in ACTIONS_SHOWN:
        items = [item for item in plan.items if item.action is action]
        if items:
            yield action, len(items), items[:MOST_SHOWN], max(0, len(items) - MOST_SHOWN)


def _counts(plan: Plan) -> str:
    shown = [(action, count) for action, count in plan.counts.items() if count or action is Action.CREATE]
    return ", ".join(f"{action.label} {count}" for action, count in shown)

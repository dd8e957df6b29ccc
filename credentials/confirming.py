"""Ask before a change breaks something: the preview as a page, and the change that waits behind it.

A change waits in the page itself, sealed for the person and the address, for ten minutes: what was typed is not stored,
and no page shows it.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from crewadmin.forms import TextField
from crewadmin.limits import with_retry_after
from crewadmin.redaction import Secret
from crewadmin.sealing import SealError, open_for_person, seal_for_person
from organizations.access import OrganizationRequest

from .impact import Change, Effect, Preview, Verdict, preview_of
from .services import MovedError

#: Seconds for which a change waits.
WAITS = 600
#: Rows that a page shows; the others are counted.
EFFECTS_SHOWN = 50
#: How often a change that breaks nothing is tried again because something else changed in between.
_TRIES = 2


@dataclass(frozen=True)
class Waiting:
    """A change that waits: what is to be stored, the state it was tried in, and whether it needs a name typed."""

    values: Mapping[str, Any] = field(repr=False)
    state: str
    needs_name: bool


@dataclass(frozen=True)
class Question:
    """What the page says: its heading, the button that does it, the way back, and the name that is typed."""

    heading: str
    button: str
    back_url: str
    back_name: str
    name: str
    is_danger: bool = False
    #: Whether the member may be told as whom the vaults are opened; the accounts are told in any case.
    tells_identity: bool = True


class ConfirmForm(forms.Form):
    """The name of the credential, typed by hand where something would break."""

    confirmed_name = TextField(
        label=gettext_lazy("Name of the credential"),
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}),
    )

    def __init__(self, data: Any, name: str, *, needs_name: bool) -> None:
        super().__init__(data)
        self._name, self._needs_name = name, needs_name
        self.fields["confirmed_name"].help_text = _("Type %(name)s to confirm.") % {"name": name}

    def clean_confirmed_name(self) -> str:
        """Refuse another name."""
        typed: str = self.cleaned_data["confirmed_name"]
        if self._needs_name and typed != self._name:
            raise forms.ValidationError(_("This is not the name. Type %(name)s.") % {"name": self._name})
        return typed


def waiting_change(request: OrganizationRequest) -> Waiting | None:
    """Return the change that waits in what was posted, or None; one that waited for too long is said to be gone."""
    sealed = request.POST.get("change", "")
    if not sealed:
        return None
    try:
        content = json.loads(open_for_person(_purpose(request), sealed).reveal())
    except SealError:
        content = {"until": 0}
    if content["until"] >= time.time():
        return Waiting(content["values"], content["state"], content["needs_name"])
    messages.warning(request, _("Nothing was changed: the preview is older than ten minutes. Do it again."))
    return None


def is_answer(request: OrganizationRequest) -> bool:
    """Whether what was posted answers a question, in time or not; too late it is no request by itself."""
    return "change" in request.POST


def do_or_ask(
    request: OrganizationRequest,
    question: Question,
    values: Mapping[str, Any],
    waiting: Waiting | None,
    change: Callable[[], Change],
    save: Callable[[str, str], HttpResponse],
) -> HttpResponse:
    """Try a change; store it if nothing breaks and no other account is read, else ask, and store it once confirmed.

    `values` is what waits in the meantime: texts and what JSON holds. `save` stores the change and answers; it gets the
    state that was tried and a sentence about how that went, and raises MovedError if the state is another one.
    """
    moved, again = False, "again" in request.POST
    form = ConfirmForm(request.POST if waiting and not again else None, question.name, needs_name=_needs_name(waiting))
    if waiting and not again and form.is_valid():
        try:
            return save(waiting.state, "")
        except MovedError:
            moved = True
    preview = preview_of(change(), request.membership)
    for _try in range(_TRIES if waiting is None else 0):
        if preview.asks:
            break
        try:
            return save(preview.state, preview.summary)
        except MovedError:
            moved, preview = True, preview_of(change(), request.membership)
    if moved or again:
        form = ConfirmForm(None, question.name, needs_name=False)
    sealed = _sealed(request, Waiting(values, preview.state, preview.needs_name))
    context = {"question": question, "preview": preview, "form": form, "sealed": sealed, "moved": moved}
    status = 429 if preview.seconds else 422 if moved or form.errors else 200
    response = render(request, "credentials/impact.html", context | _shown(request, preview), status=status)
    return with_retry_after(response, preview.seconds)


def _needs_name(waiting: Waiting | None) -> bool:
    return waiting is not None and waiting.needs_name


def _shown(request: OrganizationRequest, preview: Preview) -> dict[str, Any]:
    """Return the rows that the member may see, worst first, and the numbers that stand for the others."""
    sees = request.access.environment_variables.read
    effects = [effect for effect in preview.effects if sees and effect.use.shown]
    hidden = [effect for effect in preview.effects if not (sees and effect.use.shown)]
    return {
        "effects": effects[:EFFECTS_SHOWN],
        "effects_more": max(0, len(effects) - EFFECTS_SHOWN),
        "counts": _counts(preview.effects),
        "hidden": _counts(hidden) if hidden else [],
        "is_broken": bool(preview.count(Verdict.BREAKS)),
        "changes_account": any(move.changes_account for move in preview.moves),
    }


def _counts(effects: Sequence[Effect]) -> list[str]:
    """Return how many uses have each verdict that is there, in words, the worst first."""
    numbers = {verdict: sum(effect.verdict is verdict for effect in effects) for verdict in Verdict}
    return [_count(verdict, number) for verdict, number in numbers.items() if number]


def _count(verdict: Verdict, number: int) -> str:
    text = {
        Verdict.BREAKS: ngettext("%d would break", "%d would break", number),
        Verdict.UNKNOWN: ngettext("%d could not be checked", "%d could not be checked", number),
        Verdict.STAYS_BROKEN: ngettext("%d has no value now either", "%d have no value now either", number),
        Verdict.WORKS: ngettext("%d works", "%d work", number),
    }[verdict]
    return text % number


def _sealed(request: OrganizationRequest, waiting: Waiting) -> str:
    content = {
        "until": time.time() + WAITS,
        "values": waiting.values,
        "state": waiting.state,
        "needs_name": waiting.needs_name,
    }
    return seal_for_person(_purpose(request), Secret(json.dumps(content)))


def _purpose(request: OrganizationRequest) -> str:
    """Return what a change is sealed for: this person, at this address, which names organization and credential."""
    return f"change {request.user.pk} {request.path}"

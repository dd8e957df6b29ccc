"""Settings > Connection problems: everything that can go wrong with a provider, and what a pasted error text means."""

from collections.abc import Mapping
from dataclasses import dataclass

from django import forms
from django.core.validators import MaxLengthValidator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from crewadmin.forms import UnshownTextarea
from organizations.access import Feature, Level, OrganizationRequest, require

from .providers.aws.pasted import MAX_TEXT, PastedExplanation, explain_pasted
from .providers.failures import Failure, FailureCode, Owner, Text, explain

MAX_QUERY = 200

#: Stand for facts that differ from case to case, to be seen as such.
_BLANKS = {"region": _("[region]"), "secret_name": _("[secret]")}
_FACT_LABELS: dict[str, Text] = {
    "action": _("Action"),
    "operation": _("Operation"),
    "policy_type": _("Policy"),
    "account": _("Account"),
    "region": _("Region"),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of the catalogue; `code` is its anchor on the page."""

    code: FailureCode
    failure: Failure

    def matches(self, words: list[str]) -> bool:
        """Whether all words (in lower case) occur in its title, cause, steps or code."""
        text = " ".join(map(str, (self.failure.title, self.failure.cause, *self.failure.steps, self.code))).casefold()
        return all(word in text for word in words)


@dataclass(frozen=True, slots=True)
class Group:
    """The problems whose repair is one owner's job."""

    owner: Owner
    heading: str
    problems: list[Problem]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The problems that a search found, by owner: from what was entered here to AWS itself."""

    query: str
    groups: list[Group]

    @property
    def count(self) -> int:
        """How many problems were found."""
        return sum(len(group.problems) for group in self.groups)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a pasted text means; of the text itself only facts that were recognized."""

    code: FailureCode | None
    failure: Failure
    owner: str
    facts: list[tuple[Text, str]]


class PasteForm(forms.Form):
    """An error text to explain."""

    text = forms.CharField(
        label=_("Explain an error text from AWS"),
        help_text=_(
            "Copied from a log, a terminal or the AWS console. It is explained on this server without asking AWS, "
            "then dropped: it is neither stored, logged nor shown again, except for facts such as the action."
        ),
        # Not as max_length: browsers would cut the end off without a word, and the end says what went wrong.
        validators=[
            MaxLengthValidator(
                MAX_TEXT,
                message=ngettext_lazy(
                    "Paste less: at most %(limit_value)d character; this text has %(show_value)d.",
                    "Paste less: at most %(limit_value)d characters; this text has %(show_value)d.",
                    "limit_value",
                ),
            )
        ],
        error_messages={"required": _("Paste the error text first.")},
        widget=UnshownTextarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
    )


def catalogue_of(query: str = "") -> Catalogue:
    """Return the problems in which every word of `query` occurs; all of them without a query."""
    query = query.replace("\0", "").strip()[:MAX_QUERY]
    words = query.casefold().split()
    found = [problem for code in FailureCode if (problem := Problem(code, _in_words(code, {}))).matches(words)]
    groups = [Group(owner, str(owner.label), [one for one in found if one.failure.owner is owner]) for owner in Owner]
    return Catalogue(query, [group for group in groups if group.problems])


@require(Feature.SECRET_PROVIDERS, Level.READ)
@require_safe
def failure_catalogue(request: OrganizationRequest) -> HttpResponse:
    """List everything that can go wrong, or what a search (`q`) finds of it."""
    return _page(request, PasteForm(), catalogue_of(request.GET.get("q", "")))


@require(Feature.SECRET_PROVIDERS, Level.READ)
@require_http_methods(["GET", "HEAD", "POST"])
def failure_explain(request: OrganizationRequest) -> HttpResponse:
    """Explain a pasted error text, on the catalogue's page; an address without a text leads there, with its search."""
    if request.method != "POST":
        address = reverse("failure_catalogue", args=[request.organization.uuid])
        return redirect(f"{address}?{request.GET.urlencode()}" if request.GET else address)
    form = PasteForm(request.POST)
    if not form.is_valid():
        return _page(request, form, catalogue_of(), status=422)
    return _page(request, PasteForm(), catalogue_of(), _answer(explain_pasted(form.cleaned_data["text"])))


def _page(
    request: OrganizationRequest, form: PasteForm, catalogue: Catalogue, answer: Answer | None = None, status: int = 200
) -> HttpResponse:
    context = {"form": form, "catalogue": catalogue, "answer": answer}
    return render(request, "credentials/catalogue.html", context, status=status)


def _answer(explanation: PastedExplanation) -> Answer:
    code, facts = explanation.code, explanation.facts
    failure = _in_words(code, facts) if code else explanation.failure
    named = [(label, facts[name]) for name, label in _FACT_LABELS.items() if name in facts]
    return Answer(code, failure, str(failure.owner.label) if code else "", named)


def _in_words(code: FailureCode, facts: Mapping[str, str]) -> Failure:
    return explain(code, {**{name: str(blank) for name, blank in _BLANKS.items()}, **facts})

"""The page with the IAM policy for exactly the secrets that variables refer to, held against one that is pasted.

AWS is not asked: what is known of account and KMS keys comes from the connection tests. What is pasted is not stored.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from organizations.access import Feature, Level, OrganizationRequest, require
from organizations.sharing import Grant, object_of, visible

from .models import Credential
from .providers.aws.policies import (
    ACCOUNT_ID_PLACEHOLDER,
    Document,
    SecretFact,
    fits_managed_policy,
    least_privilege_policy,
    pretty,
)
from .providers.aws.policy_comparison import Comparison, Reason, State, Verdict, compare
from .providers.aws.policy_document import Patterns, PolicyError
from .providers.base import Step, StepState
from .testing import HISTORY
from .usage import secrets_of, uses_of


# --- What is offered ------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Offer:
    """The policy for a credential: `covered` are the secrets in it, `left_out` names that no secret can have.

    `batch`: with BatchGetSecretValue, which nothing needs but which reads several secrets in one call.
    """

    covered: tuple[SecretFact, ...]
    left_out: tuple[str, ...]
    region: str
    account_id: str | None
    batch: bool = False

    @cached_property
    def document(self) -> Document:
        """The policy."""
        return least_privilege_policy(self.covered, region=self.region, account_id=self.account_id, batch=self.batch)

    @cached_property
    def text(self) -> str:
        """The policy as the JSON to paste."""
        return pretty(self.document)

    @property
    def is_complete(self) -> bool:
        """Whether the policy can be pasted as it is, and be compared with another."""
        return ACCOUNT_ID_PLACEHOLDER not in self.text

    @property
    def fits(self) -> bool:
        """Whether IAM takes it as one customer-managed policy."""
        return fits_managed_policy(self.document)

    @property
    def unknown_keys(self) -> int:
        """How many secrets have a KMS key that no test has seen."""
        return sum(fact.kms_key is None for fact in self.covered)


def offer_for(credential: Credential, uses: "QuerySet[Any]", *, batch: bool = False) -> Offer:
    """Return the policy that covers what these uses read with a credential, from what its tests have shown."""
    region, steps = credential.config["region"], list(_passed_steps(credential))
    keys = _keys_in(steps)
    facts = [SecretFact(name, keys.get(name)) for name in secrets_of(uses)]
    covered = tuple(fact for fact in facts if _can_be_named(fact, region))
    left_out = tuple(fact.secret for fact in facts if fact not in covered)
    return Offer(covered, left_out, region, _account_of(credential, steps), batch)


def _passed_steps(credential: Credential) -> Iterator[Mapping[str, Any]]:
    """Yield what the last tests have shown of the credential as it is now, the newest first."""
    tests = credential.tests.filter(credential_version=credential.version).order_by("-created_at", "-pk")
    for test in tests[:HISTORY]:
        yield from (step for step in test.steps if step["state"] == StepState.PASSED)


def _keys_in(steps: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the KMS key of each secret that was described; the empty text stands for AWS's own key."""
    keys: dict[str, str] = {}
    for step in steps:
        if step["step"] == Step.DESCRIBE:
            keys.setdefault(step["facts"]["secret_name"], step["facts"].get("kms_key", ""))
    return keys


def _account_of(credential: Credential, steps: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the number of the account whose secrets are read: the role's, without a role the user's."""
    if role_arn := credential.config["role_arn"]:
        return str(role_arn.split(":")[4])
    accounts = (step["facts"].get("account") for step in steps if step["step"] == Step.IDENTITY)
    return next(filter(None, accounts), None)


def _can_be_named(fact: SecretFact, region: str) -> bool:
    try:
        least_privilege_policy([fact], region=region)
    except ValueError:
        return False
    return True


# --- What another policy differs in ---------------------------------------------------------------------------------
class PolicyForm(forms.Form):
    """An existing policy to hold against what is `needed`; its cleaned value is the Comparison."""

    policy = forms.CharField(
        label=gettext_lazy("Policy of the IAM user or role"),
        help_text=gettext_lazy("JSON, as the IAM console shows it. It is compared here and not stored."),
        error_messages={"required": gettext_lazy("Paste the JSON text of a policy.")},
        strip=False,  # lines and columns count from where the text begins
        widget=forms.Textarea(attrs={"rows": 12, "autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, data: Mapping[str, Any] | None, needed: Document) -> None:
        super().__init__(data)
        self._needed = needed

    def clean_policy(self) -> Comparison:
        """Compare; a text that is no policy is refused with line and column, or the statement."""
        try:
            return compare(self.cleaned_data["policy"], self._needed)
        except PolicyError as error:
            raise ValidationError(str(error), code="policy") from None


class Difference(NamedTuple):
    """One thing that differs: the actions, the resources they work on, and what the policy says to that."""

    actions: str
    resources: str
    why: str


@dataclass(frozen=True)
class ComparisonView:
    """A comparison in words; `level` is success, warning or error."""

    level: str
    title: str
    missing: list[Difference]
    wider: list[Difference]
    not_judged: list[str]


_TITLES = {
    Verdict.SAME: ("success", gettext_lazy("The same: it grants exactly what is needed")),
    Verdict.WIDER: ("warning", gettext_lazy("Wider: it grants what is needed, and more")),
    Verdict.MISSING: ("error", gettext_lazy("Missing: it does not grant all that is needed")),
    Verdict.MISSING_AND_WIDER: ("error", gettext_lazy("Missing and wider: not all that is needed, and more than that")),
}
_REASONS = {
    Reason.CONDITION: gettext_lazy("Statement %(number)d (%(effect)s) has a condition."),
    Reason.VARIABLE: gettext_lazy("Statement %(number)d (%(effect)s) has a resource that depends on who asks."),
}


def in_words(comparison: Comparison) -> ComparisonView:
    """Return a comparison as the page says it."""
    level, title = _TITLES[comparison.verdict]
    not_judged = [
        str(_REASONS[one.reason]) % {"number": one.statement, "effect": one.effect} for one in comparison.not_judged
    ]
    if not_judged and comparison.verdict is Verdict.SAME:
        level, title = "warning", gettext_lazy("The same, as far as it can be judged")
    return ComparisonView(level, str(title), _missing(comparison), _wider(comparison), not_judged)


def _missing(comparison: Comparison) -> list[Difference]:
    """Return what is not granted; actions that fail alike on the same resource come together."""
    actions: dict[tuple[str, str], list[str]] = defaultdict(list)
    for need in comparison.needs:
        if need.state is not State.GRANTED:
            why = _why_missing(need.state, _numbers(need.statements), partly=need.partly)
            if need.depends_on:
                why += " " + _("It may depend on what was not judged: %(which)s.") % {
                    "which": _numbers(need.depends_on)
                }
            actions[need.resource, why].append(need.action)
    return [Difference(", ".join(found), resource, why) for (resource, why), found in actions.items()]


def _why_missing(state: State, which: str, *, partly: bool) -> str:
    if state is State.DENIED:
        words = _("Some of it is denied by %(which)s.") if partly else _("Denied by %(which)s.")
    else:
        words = _("Only some of it is allowed, by %(which)s.") if partly else _("Not allowed.")
    return words % {"which": which}


def _wider(comparison: Comparison) -> list[Difference]:
    return [
        Difference(
            _listed(wider.actions),
            _listed(wider.resources),
            _("Allowed by %(which)s, and not needed.") % {"which": _numbers([wider.statement])},
        )
        for wider in comparison.wider
    ]


def _listed(patterns: Patterns) -> str:
    texts = ", ".join(patterns.texts)
    return _("everything except %(texts)s") % {"texts": texts} if patterns.inverted else texts


def _numbers(statements: Iterable[int]) -> str:
    numbers = [str(number) for number in statements]
    return ngettext("statement %(numbers)s", "statements %(numbers)s", len(numbers)) % {"numbers": ", ".join(numbers)}


# --- The page -------------------------------------------------------------------------------------------------------
@require(Feature.SECRET_PROVIDERS, Level.MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def credential_policy(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Show the policy for exactly what variables read; POST compares a pasted one with it.

    `?batch=1` adds BatchGetSecretValue. Of variables that are hidden from the member it says only how many there are.
    """
    rows = Credential.objects.for_organization(request.organization).filter(provider="aws")
    credential = object_of(rows, request.membership, uuid, Grant.MANAGE)
    uses = uses_of(credential)
    shown = visible(uses, request.membership, Grant.READ)
    offer = offer_for(credential, shown, batch=bool(request.GET.get("batch")))
    posted = request.POST if request.method == "POST" and offer.is_complete else None
    form = PolicyForm(posted, offer.document)
    comparison = in_words(form.cleaned_data["policy"]) if form.is_valid() else None
    context = {"credential": credential, "offer": offer, "form": form, "comparison": comparison}
    context["uses_hidden"] = uses.count() - shown.count()
    return render(request, "credentials/policy.html", context, status=422 if form.errors else 200)

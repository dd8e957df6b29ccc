"""How connection tests read: steps, facts and toasts, from what is stored as codes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from .models import ConnectionTest
from .providers.base import SkipReason, Step, StepState
from .providers.failures import MAY_BE_PROPAGATION, FailureCode, explain

#: After a change in IAM; "a minute or two" in the guide, with some room for a person to get here.
_PROPAGATION = timedelta(minutes=5)
#: As long as this after a change the page tries again by itself.
_JUST_CREATED = timedelta(minutes=2)
#: A page that shows an older failure does not.
_JUST_TESTED = timedelta(seconds=20)

FACT_LABELS = {
    "account": gettext_lazy("Account"),
    "arn": gettext_lazy("Identity"),
    "secret_name": gettext_lazy("Secret"),
    "kms_key": gettext_lazy("KMS key"),
    "action": gettext_lazy("Action"),
    "policy_type": gettext_lazy("Policy"),
    "request_id": gettext_lazy("Request ID"),
    "skew_seconds": gettext_lazy("Clock difference in seconds"),
}
SKIPPED = {
    SkipReason.EARLIER_STEP_FAILED: gettext_lazy("Not tried, because an earlier step failed."),
    SkipReason.NO_ROLE: gettext_lazy("Not needed: no Role ARN is set."),
    SkipReason.NO_TARGET: gettext_lazy("Not tried: no variable refers to a secret yet. Name one to read it."),
    SkipReason.DEFAULT_KEY: gettext_lazy("Not needed: the key aws/secretsmanager asks for no permission of its own."),
    SkipReason.NOT_CONCLUSIVE: gettext_lazy("Could not be found out this time. Everything works without it."),
    SkipReason.NOT_TRACED: gettext_lazy("Known once it is traced."),
}
_MESSAGE_LEVELS = {"success": messages.SUCCESS, "warning": messages.WARNING, "error": messages.ERROR}


@dataclass(frozen=True)
class Toast:
    """A short message: its level (success, warning, error), a sentence, and one more that may be empty."""

    level: str
    title: str
    detail: str

    @property
    def message_level(self) -> int:
        """Its level in the numbers of Django's messages."""
        return _MESSAGE_LEVELS[self.level]

    def add_to(self, request: HttpRequest) -> None:
        """Have the next page show it."""
        messages.add_message(request, self.message_level, self.title, extra_tags=self.detail)


@dataclass(frozen=True)
class StepView:
    """One step of a test, as the page shows it.

    `hint` tells the outcome in one line while the step is folded: why it was skipped, what failed, who signed in.
    `is_open` marks the one step that people should read first. `milliseconds` is None where there is nothing to time.
    """

    label: str
    state: str
    milliseconds: int | None
    hint: str
    title: str
    detail: str
    owner: str
    steps: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    is_open: bool = False


def steps_of(test: ConnectionTest) -> list[StepView]:
    """Return a test's steps in words, open the first that failed, or else the first that carries an advice.

    Soon after the credential was entered, what new IAM credentials show is named.
    """
    is_new = test.credential is None or test.created_at - test.credential.updated_at < _PROPAGATION
    first = test.failed_step or _advised_step(test)
    return [replace(_step_view(step, is_new=is_new), is_open=step == first) for step in test.shown_steps]


def toast_for(test: ConnectionTest) -> Toast:
    """Return what the person who asked for a test is told: what was proven, or which step failed and what to do."""
    if test.failure:
        first = test.failure.steps[0] if test.failure.steps else test.failure.cause
        return Toast("error", str(test.failure.title), str(first))
    if advice := _advised_step(test):
        failure = explain(FailureCode(advice["code"]), advice["facts"])
        return Toast("warning", str(failure.title), str(failure.steps[0] if failure.steps else failure.cause))
    title = _("Connected to %(provider)s") % {"provider": test.provider_label}
    return Toast("success", title, _proof(test))


def toast_for_trust(code: FailureCode | None) -> Toast:
    """Return what a check of the role's trust policy showed; accepting what it must refuse is an error."""
    if code is None:
        return Toast("warning", _("There is no role to check"), _("This credential signs in without one."))
    level = {
        FailureCode.TRUST_WITHOUT_EXTERNAL_ID: "error",
        FailureCode.TRUST_REQUIRES_EXTERNAL_ID: "success",
    }.get(code, "warning")
    failure = explain(code)
    detail = failure.cause if level == "success" else failure.steps[0]
    return Toast(level, str(failure.title), str(detail))


def may_pass_soon(test: ConnectionTest) -> bool:
    """Whether the first failure is one that new IAM users, keys and policies show until AWS has spread them."""
    if test.failed_step is None or test.credential is None:
        return False
    is_new = test.created_at - test.credential.updated_at < _JUST_CREATED
    is_fresh = timezone.now() - test.created_at < _JUST_TESTED
    return is_new and is_fresh and FailureCode(test.failed_step["code"]) in MAY_BE_PROPAGATION


def toast_for_limit(seconds: int, title: str = "") -> Toast:
    """Return what the person is told who asks too often; `title` if it is for something else than a test."""
    detail = ngettext("Try again in %(seconds)d second.", "Try again in %(seconds)d seconds.", seconds)
    return Toast("warning", title or _("Too many connection tests at once"), detail % {"seconds": seconds})


def _proof(test: ConnectionTest) -> str:
    """Say how far the test went."""
    facts: dict[str, str] = {}
    for step in test.shown_steps:
        facts |= step["facts"]
    passed = {step["step"] for step in test.steps if step["state"] == StepState.PASSED}
    if Step.READ in passed and test.hides_secret:
        return _("Signed in to account %(account)s, listed secrets and read one.") % {
            "account": facts.get("account", "")
        }
    if Step.READ in passed:
        return _("Signed in to account %(account)s, listed secrets and read “%(secret)s”.") % {
            "account": facts.get("account", ""),
            "secret": facts.get("secret_name", ""),
        }
    return _(
        "Signed in to account %(account)s and listed secrets. No secret was read: no variable refers to one yet."
    ) % {"account": facts.get("account", "")}


def _advised_step(test: ConnectionTest) -> dict[str, Any] | None:
    """Return the first step that did its work and still carries an advice; nothing depends on the batch."""
    return next((step for step in test.shown_steps if step["code"] and step["step"] != Step.BATCH), None)


def _step_view(step: Mapping[str, Any], *, is_new: bool) -> StepView:
    failure = explain(FailureCode(step["code"]), step["facts"]) if step["code"] else None
    skipped = str(SKIPPED[SkipReason(step["skipped"])]) if step["skipped"] else ""
    proven = step["facts"].get("arn") or step["facts"].get("secret_name", "")
    return StepView(
        label=str(Step(step["step"]).label),
        state=step["state"],
        milliseconds=step["milliseconds"],
        hint=str(failure.title) if failure else skipped or proven,
        title=str(failure.title) if failure else "",
        detail=str(failure.cause) if failure else skipped,
        owner=str(failure.owner.label) if failure else "",
        steps=tuple(str(line) for line in failure.steps) + _propagation(step["code"], is_new=is_new) if failure else (),
        facts=tuple((str(label), step["facts"][name]) for name, label in FACT_LABELS.items() if name in step["facts"]),
    )


def _propagation(code: str, *, is_new: bool) -> tuple[str, ...]:
    """Return one more thing to do where the failure may pass by itself."""
    if not is_new or FailureCode(code) not in MAY_BE_PROPAGATION:
        return ()
    just_created = explain(FailureCode.JUST_CREATED)
    return (f"{just_created.title}. {just_created.steps[0]}",)

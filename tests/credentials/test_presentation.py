"""How a stored test reads: what the toast says, and each step in words, those of earlier releases included."""

from dataclasses import asdict
from typing import Any

import pytest

from credentials.models import ConnectionTest, Credential
from credentials.presentation import StepView, steps_of, toast_for
from credentials.providers.base import SkipReason, Step, StepResult, StepState
from credentials.providers.failures import FailureCode, explain

pytestmark = pytest.mark.django_db

F = FailureCode
PASSED, FAILED, SKIPPED = StepState.PASSED, StepState.FAILED, StepState.SKIPPED
SIGNED_IN = StepResult(Step.IDENTITY, PASSED, facts={"account": "123456789012"})
LISTED = StepResult(Step.LIST, PASSED)
READ = StepResult(Step.READ, PASSED, facts={"secret_name": "db"})
BATCH = "secretsmanager:BatchGetSecretValue"
BATCH_DENIED = StepResult(Step.BATCH, PASSED, code=F.BATCH_DENIED, facts={"secret_name": "db", "action": BATCH})
PROVEN = "Signed in to account 123456789012, listed secrets and read “db”."


def stored(credential: Credential, *steps: StepResult) -> ConnectionTest:
    ok = all(step.state is not FAILED for step in steps)
    test = ConnectionTest.objects.create(
        organization=credential.organization,
        credential=credential,
        provider=credential.provider,
        credential_version=1,
        ok=ok,
        steps=[asdict(step) for step in steps],
    )
    return ConnectionTest.objects.select_related("credential").get(pk=test.pk)


def last_step(credential: Credential, step: StepResult) -> StepView:
    return steps_of(stored(credential, SIGNED_IN, step))[-1]


def test_a_missing_right_to_batch_leaves_a_success_a_success(aws_prod: Credential) -> None:
    toast = toast_for(stored(aws_prod, SIGNED_IN, LISTED, READ, BATCH_DENIED))
    assert (toast.level, toast.title) == ("success", "Connected to AWS Secrets Manager")
    assert toast.detail == PROVEN


def test_whoever_denies_the_batch_the_test_is_a_success(aws_prod: Credential) -> None:
    denied = StepResult(Step.BATCH, PASSED, code=F.DENIED_BY_ORGANIZATION, facts={"action": BATCH})
    assert toast_for(stored(aws_prod, SIGNED_IN, LISTED, READ, denied)).level == "success"


@pytest.mark.parametrize(
    "batch",
    [StepResult(Step.BATCH, PASSED), StepResult(Step.BATCH, SKIPPED, skipped=SkipReason.NOT_CONCLUSIVE)],
)
def test_a_batch_that_is_allowed_or_unknown_is_no_word_in_the_toast(batch: StepResult, aws_prod: Credential) -> None:
    assert toast_for(stored(aws_prod, SIGNED_IN, LISTED, READ, batch)).detail == PROVEN


def test_a_region_without_secrets_stays_a_warning(aws_prod: Credential) -> None:
    empty = StepResult(Step.LIST, PASSED, code=F.NO_SECRETS_IN_REGION, facts={"count": "0", "region": "us-west-2"})
    for steps in ([SIGNED_IN, empty], [SIGNED_IN, empty, READ, BATCH_DENIED]):
        toast = toast_for(stored(aws_prod, *steps))
        assert (toast.level, toast.title) == ("warning", "No secrets found in us-west-2")


def test_a_failure_is_the_toast_whatever_is_advised(aws_prod: Credential) -> None:
    denied = StepResult(Step.LIST, FAILED, code=F.LIST_DENIED)
    toast = toast_for(stored(aws_prod, SIGNED_IN, denied, READ, BATCH_DENIED))
    assert (toast.level, toast.title) == ("error", str(explain(F.LIST_DENIED).title))


def test_the_step_says_which_action_to_add_and_what_it_is_good_for(aws_prod: Credential) -> None:
    view = last_step(aws_prod, BATCH_DENIED)
    assert (view.label, view.state) == ("Read several at once", "passed")
    assert BATCH in view.title
    assert "Everything works without it" in view.detail
    assert view.steps[0] == f"Add one action to the policy of the IAM user or the role: {BATCH}."
    assert ("Action", BATCH) in view.facts


def test_what_kms_refuses_is_shown_at_its_own_step_with_the_key(aws_prod: Credential) -> None:
    facts = {"secret_name": "db", "kms_key": "alias/crew"}
    test = stored(aws_prod, SIGNED_IN, LISTED, READ, StepResult(Step.DECRYPT, FAILED, code=F.KMS_DENIED, facts=facts))
    read, decrypt = steps_of(test)[-2:]
    assert (read.label, read.state, read.title) == ("Read a secret", "passed", "")
    assert (decrypt.label, decrypt.state) == ("Decrypt it", "failed")
    assert ("KMS key", "alias/crew") in decrypt.facts
    assert toast_for(test).title == decrypt.title


@pytest.mark.parametrize("reason", SkipReason)
def test_every_reason_to_skip_a_step_has_a_sentence(reason: SkipReason, aws_prod: Credential) -> None:
    view = last_step(aws_prod, StepResult(Step.DECRYPT, SKIPPED, skipped=reason))
    assert view.detail.endswith(".")
    assert view.title == ""


def test_a_key_that_needs_no_permission_is_named(aws_prod: Credential) -> None:
    view = last_step(aws_prod, StepResult(Step.DECRYPT, SKIPPED, skipped=SkipReason.DEFAULT_KEY))
    assert "aws/secretsmanager" in view.detail


#: As released before there were steps for decrypting and for batches: what KMS refuses was the reading's.
OLD: list[dict[str, Any]] = [
    {"step": step, "state": "passed", "milliseconds": 3, "code": None, "skipped": None, "facts": {}}
    for step in ("shape", "identity", "assume_role", "list", "describe", "read")
]


def test_a_test_of_before_these_steps_is_still_shown(aws_prod: Credential) -> None:
    test = stored(aws_prod)
    test.steps = OLD
    assert [view.label for view in steps_of(test)][-1] == "Read a secret"
    assert toast_for(test).level == "success"
    test.steps = [*OLD[:-1], {**OLD[-1], "state": "failed", "code": "kms_denied", "facts": {"secret_name": "db"}}]
    test.ok = False
    assert "kms:Decrypt" in steps_of(test)[-1].title
    assert "kms:Decrypt" in toast_for(test).title

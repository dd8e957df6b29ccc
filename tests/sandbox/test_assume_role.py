"""AssumeRole asks the caller's policies and the role's trust policy, and does not say which of them refused."""

import pytest

from sandbox import seed
from sandbox.seed import policy
from tests.sandbox.clients import Refusal, refusal


def denied(role=seed.ROLE_ARN, caller=seed.READER.arn):
    text = f"User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role}"
    return Refusal("AccessDenied", 403, text)


def trust(principal, **conditions):
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    return policy({**statement, "Condition": conditions} if conditions else statement)


def test_a_wrong_external_id_is_refused(as_user):
    assert refusal(as_user().assume, external_id="wrong") == denied()


def test_a_missing_external_id_is_refused(as_user):
    assert refusal(as_user().assume, external_id=None) == denied()


def test_a_user_without_the_inline_policy_is_refused(sandbox, as_user):
    sandbox.remove_inline_policy()

    assert refusal(as_user().assume) == denied()


def test_a_role_that_does_not_exist_is_refused(sandbox, as_user):
    sandbox.put_user_policy(policy({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}))
    role = f"arn:aws:iam::{seed.ACCOUNT_ID}:role/NoSuchRole"

    assert refusal(as_user().assume, role) == denied(role)


def test_a_role_that_trusts_somebody_else_is_refused(sandbox, as_user):
    sandbox.set_trust_policy(trust("arn:aws:iam::999999999999:root"))

    assert refusal(as_user().assume) == denied()


def test_a_role_that_requires_mfa_is_refused(sandbox, as_user):
    sandbox.set_trust_policy(trust(seed.ACCOUNT_ID, Bool={"aws:MultiFactorAuthPresent": "true"}))

    assert refusal(as_user().assume) == denied()


def test_an_explicit_deny_of_the_user_beats_the_trust(sandbox, as_user):
    sandbox.set_trust_policy(trust(seed.READER.arn, StringEquals={"sts:ExternalId": seed.EXTERNAL_ID}))
    assert as_user().assume().token
    sandbox.put_user_policy(policy({"Effect": "Deny", "Action": "sts:*", "Resource": "*"}))

    assert refusal(as_user().assume) == denied()


def test_an_explicit_deny_of_the_role_beats_the_trust(sandbox, as_user):
    allow = trust(seed.READER.arn)["Statement"][0]
    sandbox.set_trust_policy(policy(allow, {**allow, "Effect": "Deny", "Principal": {"AWS": seed.ACCOUNT_ID}}))

    assert refusal(as_user().assume, external_id=None) == denied()


@pytest.mark.parametrize("principal", [seed.ACCOUNT_ID, f"arn:aws:iam::{seed.ACCOUNT_ID}:root", seed.READER.arn])
def test_the_account_its_root_and_the_user_itself_can_be_trusted(sandbox, as_user, principal):
    sandbox.set_trust_policy(trust(principal))

    assert as_user().assume(external_id=None).sts.get_caller_identity()["Account"] == seed.ACCOUNT_ID


def test_trusting_the_account_leaves_the_decision_to_the_users_policies(sandbox, as_user):
    sandbox.set_trust_policy(trust(seed.ACCOUNT_ID))

    assert refusal(as_user(seed.NO_KMS).assume) == denied(caller=seed.NO_KMS.arn)


def test_trusting_the_user_itself_needs_no_policy_of_the_user(sandbox, as_user):
    sandbox.set_trust_policy(trust(seed.NO_KMS.arn))

    assert as_user(seed.NO_KMS).assume(external_id=None).token


def test_an_external_id_may_be_matched_by_pattern(sandbox, as_user):
    sandbox.set_trust_policy(trust(seed.ACCOUNT_ID, StringLike={"sts:ExternalId": "crew-*"}))

    assert as_user().assume(external_id="crew-7").token
    assert refusal(as_user().assume, external_id="other") == denied()
    assert refusal(as_user().assume, external_id=None) == denied()


@pytest.mark.parametrize(
    ("seconds", "bound"), [(899, "greater than or equal to 900"), (43_201, "less than or equal to 43200")]
)
def test_a_duration_outside_the_limits_is_refused(as_user, seconds, bound):
    text = f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: "

    assert refusal(as_user().assume, DurationSeconds=seconds) == (
        "ValidationError",
        400,
        f"{text}Member must have value {bound}",
    )


def test_a_duration_above_the_roles_maximum_is_refused(as_user):
    assert refusal(as_user().assume, DurationSeconds=3601) == (
        "ValidationError",
        400,
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )


def test_a_session_cannot_chain_for_more_than_an_hour(sandbox, as_user):
    sandbox.set_trust_policy(trust([seed.ACCOUNT_ID, seed.ROLE_ARN]))
    session = as_user().assume()

    assert session.assume(DurationSeconds=900).token
    assert refusal(session.assume, DurationSeconds=3601) == (
        "ValidationError",
        400,
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
    )


@pytest.mark.parametrize("role", [seed.READER.arn, "x" * 20])
def test_an_arn_that_is_no_roles_is_refused(as_user, role):
    assert refusal(as_user().assume, role) == ("ValidationError", 400, "Request ARN is invalid")


def test_an_external_id_with_a_space_is_refused(as_user):
    answer = refusal(as_user().assume, external_id="a b")

    assert (answer.code, answer.status) == ("ValidationError", 400)
    assert "Value 'a b' at 'externalId' failed to satisfy constraint" in answer.message


def test_session_policies_are_refused_rather_than_ignored(as_user):
    assert refusal(as_user().assume, Policy="{}").code == "ValidationError"


def test_the_identity_needs_no_permission_and_no_deny_hides_it(sandbox, as_user):
    sandbox.put_user_policy(policy({"Effect": "Deny", "Action": "*", "Resource": "*"}))

    assert as_user().sts.get_caller_identity()["Arn"] == seed.READER.arn


def test_actions_the_sandbox_does_not_have_are_refused(as_user):
    answer = refusal(as_user().sts.get_session_token)

    assert (answer.code, answer.status) == ("InvalidAction", 400)

"""The guide's set-ups and its table of symptoms, against the sandbox, which refuses as AWS does."""

from datetime import timedelta

import pytest

from credentials.providers.aws.provider import AwsSecretsManager
from credentials.providers.base import (
    Fetched,
    ProbeResult,
    ProviderError,
    SecretId,
    SkipReason,
    Step,
    StepState,
    VersionStage,
)
from credentials.providers.failures import FailureCode
from crewadmin.redaction import Secret
from sandbox import seed
from sandbox.aws import Sandbox

from .conftest import fetch

ASSUMED = {"role_arn": seed.ROLE_ARN, "external_id": seed.EXTERNAL_ID}


def opened(user: seed.User = seed.READER, /, **settings: str) -> AwsSecretsManager:
    entered = {
        "region": seed.REGION,
        "access_key_id": user.access_key_id,
        "secret_access_key": user.secret_access_key,
        **settings,
    }
    form = AwsSecretsManager.form(entered)
    assert form.is_valid(), form.errors
    config, secrets = form.settings({})
    return AwsSecretsManager(config, Secret(secrets))


def failed(result: ProbeResult) -> tuple[Step, FailureCode | None]:
    assert result.failure is not None
    return result.failure.step, result.failure.code


@pytest.mark.parametrize(("user", "entered"), [(seed.READER, {}), (seed.READER, ASSUMED), (seed.ROLE_ONLY, ASSUMED)])
@pytest.mark.parametrize("secret", seed.SECRETS, ids=lambda secret: secret.name)
def test_the_guides_two_methods_connect_and_read(
    user: seed.User, entered: dict[str, str], secret: seed.Secret, sandbox: Sandbox
) -> None:
    aws = opened(user, **entered)
    result = aws.probe(secret.name)
    assert result.ok, result.failure
    assert result.steps[1].facts["account"] == seed.ACCOUNT_ID
    answer = fetch(aws, [secret.name])[secret.name]
    assert isinstance(answer, Fetched)
    assert answer.value is not None
    assert (answer.value.reveal(), answer.version_id) == (secret.value, secret.version_id)


def test_a_secret_is_read_by_its_arn_too(sandbox: Sandbox) -> None:
    assert isinstance(fetch(opened(), [seed.DATABASE.arn])[seed.DATABASE.arn], Fetched)


@pytest.mark.parametrize(
    ("entered", "expected"),
    [
        ({"access_key_id": "AKIARZPUZDIKZEXAMPLE"}, (Step.IDENTITY, FailureCode.ACCESS_KEY_ID_UNKNOWN)),
        ({"secret_access_key": "w" * 40}, (Step.IDENTITY, FailureCode.SECRET_ACCESS_KEY_WRONG)),
        ({"region": "eu-south-1"}, (Step.IDENTITY, FailureCode.REGION_NOT_ENABLED)),
        ({**ASSUMED, "external_id": "another-id"}, (Step.ASSUME_ROLE, FailureCode.ROLE_NOT_ASSUMED)),
        ({"role_arn": seed.ROLE_ARN}, (Step.ASSUME_ROLE, FailureCode.ROLE_NOT_ASSUMED)),
        ({**ASSUMED, "role_arn": seed.ROLE_ARN + "X"}, (Step.ASSUME_ROLE, FailureCode.ROLE_NOT_ASSUMED)),
    ],
)
def test_what_was_entered_wrong_is_named(
    entered: dict[str, str], expected: tuple[Step, FailureCode], sandbox: Sandbox
) -> None:
    assert failed(opened(**entered).probe(seed.OPENAI_KEY.name)) == expected


def test_a_deactivated_key_is_not_known_any_more(sandbox: Sandbox) -> None:
    sandbox.deactivate_key()
    assert failed(opened().probe()) == (Step.IDENTITY, FailureCode.ACCESS_KEY_ID_UNKNOWN)


@pytest.mark.parametrize("minutes", [-30, 30])
def test_a_wrong_clock_is_told_from_a_wrong_secret(minutes: int, sandbox: Sandbox) -> None:
    sandbox.set_clock_offset(timedelta(minutes=minutes))
    result = opened().probe()
    assert failed(result) == (Step.IDENTITY, FailureCode.CLOCK_SKEW)
    assert result.failure is not None
    assert abs(int(result.failure.facts["skew_seconds"]) + minutes * 60) < 5


def test_a_policy_that_is_not_attached_is_named_with_its_action(sandbox: Sandbox) -> None:
    sandbox.detach_policy()
    result = opened().probe(seed.OPENAI_KEY.name)
    assert failed(result) == (Step.LIST, FailureCode.LIST_DENIED)
    assert result.failure is not None
    assert result.failure.facts["action"] == "secretsmanager:ListSecrets"
    assert result.failure.facts["arn"] == seed.READER.arn


def test_a_reader_of_some_secrets_fails_the_test_and_still_reads_them(sandbox: Sandbox) -> None:
    result = opened(seed.SCOPED_READER).probe(seed.PAYMENTS_KEY.name)
    assert failed(result) == (Step.LIST, FailureCode.LIST_DENIED)
    assert [str(step.state) for step in result.steps[-4:]] == ["passed"] * 4


def test_a_key_that_may_not_be_used_is_named(sandbox: Sandbox) -> None:
    assert failed(opened(seed.NO_KMS).probe(seed.PAYMENTS_KEY.name)) == (Step.DECRYPT, FailureCode.KMS_DENIED)


def test_a_disabled_key_is_told_from_a_forbidden_one(sandbox: Sandbox) -> None:
    sandbox.disable_kms_key()
    assert failed(opened().probe(seed.PAYMENTS_KEY.name)) == (Step.DECRYPT, FailureCode.KMS_KEY_UNUSABLE)


def test_only_a_customers_key_is_asked_for_permission(sandbox: Sandbox) -> None:
    steps = {secret: opened().probe(secret.name).steps[-2] for secret in (seed.OPENAI_KEY, seed.PAYMENTS_KEY)}
    assert steps[seed.OPENAI_KEY].skipped is SkipReason.DEFAULT_KEY
    assert steps[seed.PAYMENTS_KEY].facts == {"kms_key": seed.KMS_KEY_ARN}


BATCH = {"Effect": "Allow", "Action": "secretsmanager:BatchGetSecretValue", "Resource": "*"}


def test_the_guides_policy_lacks_one_action_for_batches_and_the_test_passes(sandbox: Sandbox) -> None:
    result = opened().probe(seed.DATABASE.name)
    assert result.ok
    assert (result.steps[-1].state, result.steps[-1].code) == (StepState.PASSED, FailureCode.BATCH_DENIED)
    assert result.steps[-1].facts["action"] == "secretsmanager:BatchGetSecretValue"
    sandbox.put_user_policy(seed.policy(BATCH))
    assert opened().probe(seed.DATABASE.name).steps[-1].code is None


def test_a_batch_cannot_meet_a_condition_on_the_version_stage(sandbox: Sandbox) -> None:
    read = {
        "Effect": "Allow",
        "Action": "secretsmanager:GetSecretValue",
        "Resource": "*",
        "Condition": {"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}},
    }
    others = {**BATCH, "Action": ["secretsmanager:ListSecrets", "secretsmanager:DescribeSecret", BATCH["Action"]]}
    sandbox.set_policy(seed.policy(read, others))
    result = opened().probe(seed.DATABASE.name)
    assert result.ok
    assert result.steps[-1].code is FailureCode.BATCH_DENIED
    assert result.steps[-1].facts["action"] == "secretsmanager:GetSecretValue"


def trusting(**condition: dict[str, str]) -> dict[str, object]:
    principal = {"AWS": f"arn:aws:iam::{seed.ACCOUNT_ID}:root"}
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": condition}


@pytest.mark.parametrize(
    ("statement", "outcomes"),
    [
        (trusting(StringEquals={"sts:ExternalId": seed.EXTERNAL_ID}), ["refused", "refused"]),
        (trusting(), ["accepted", "accepted"]),
        (trusting(StringLike={"sts:ExternalId": "*"}), ["refused", "accepted"]),
        (trusting(StringEqualsIfExists={"sts:ExternalId": seed.EXTERNAL_ID}), ["accepted", "refused"]),
    ],
)
def test_a_trust_policy_that_does_not_require_the_external_id_is_found_out(
    statement: dict[str, object], outcomes: list[str], sandbox: Sandbox
) -> None:
    sandbox.set_trust_policy(seed.policy(statement))
    aws = opened(seed.ROLE_ONLY, **ASSUMED)
    assert aws.probe().ok  # the credential itself works with all of them
    check = aws.check_trust()
    assert [str(answer.outcome) for answer in check.answers] == outcomes
    refused = outcomes == ["refused", "refused"]
    assert check.code is (FailureCode.TRUST_REQUIRES_EXTERNAL_ID if refused else FailureCode.TRUST_WITHOUT_EXTERNAL_ID)
    assert [call.action for call in sandbox.calls][-2:] == ["AssumeRole", "AssumeRole"]


def test_a_credential_without_a_role_asks_nothing_about_trust(sandbox: Sandbox) -> None:
    assert not opened().check_trust().applicable
    assert sandbox.calls == []


def test_a_missing_inline_policy_is_named(sandbox: Sandbox) -> None:
    sandbox.remove_inline_policy()
    step, code = failed(opened(**ASSUMED).probe())
    assert step is Step.ASSUME_ROLE
    assert code in (FailureCode.ASSUME_ROLE_NOT_ALLOWED, FailureCode.ROLE_NOT_ASSUMED)


def test_a_region_without_secrets_is_an_advice(sandbox: Sandbox) -> None:
    result = opened(region=seed.EMPTY_REGION).probe()
    assert result.ok
    assert result.steps[3].code is FailureCode.NO_SECRETS_IN_REGION


def test_what_is_wrong_with_each_secret_is_told_apart(sandbox: Sandbox) -> None:
    sandbox.put_secret("bytes", b"\x00\x01")
    sandbox.delete_secret(seed.DATABASE.name)
    answers = fetch(opened(), [seed.OPENAI_KEY.name, "missing", seed.DATABASE.name, "not a name", "bytes"])
    codes = {name: answer.code for name, answer in answers.items() if isinstance(answer, ProviderError)}
    assert codes["missing"] is FailureCode.SECRET_NOT_FOUND
    assert codes[seed.DATABASE.name] is FailureCode.SECRET_DELETED
    assert answers["bytes"] == Fetched(None, answers["bytes"].version_id)  # type: ignore[union-attr]  # a Fetched
    assert isinstance(answers[seed.OPENAI_KEY.name], Fetched)


def test_many_secrets_cost_one_sign_in_and_one_call_each(sandbox: Sandbox) -> None:
    names = [f"many/{number}" for number in range(40)]
    for name in names:
        sandbox.put_secret(name, f"value of {name}")
    answers = fetch(opened(seed.ROLE_ONLY, **ASSUMED), names + names)
    assert all(isinstance(answer, Fetched) for answer in answers.values())
    assert [call.action for call in sandbox.calls].count("AssumeRole") == 1
    assert [call.action for call in sandbox.calls].count("BatchGetSecretValue") == 1  # which is denied
    assert len(sandbox.calls) == 42


BATCHES = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "secretsmanager:BatchGetSecretValue", "Resource": "*"}],
}


def test_many_secrets_are_read_in_batches_where_that_is_allowed(sandbox: Sandbox) -> None:
    names = [f"many/{number}" for number in range(40)]
    for name in names:
        sandbox.put_secret(name, f"value of {name}")
    sandbox.put_user_policy(BATCHES)
    answers = fetch(opened(), names)
    for name, answer in answers.items():
        assert isinstance(answer, Fetched)
        assert answer.value is not None
        assert answer.value.reveal() == f"value of {name}"
    assert [call.action for call in sandbox.calls] == ["BatchGetSecretValue"] * 2


def test_what_is_wrong_with_each_secret_of_a_batch_is_told_apart(sandbox: Sandbox) -> None:
    sandbox.put_user_policy(BATCHES)
    sandbox.put_secret("bytes", b"\x00\x01")
    sandbox.delete_secret(seed.DATABASE.name)
    answers = fetch(opened(), [seed.OPENAI_KEY.name, "missing", seed.DATABASE.name, "bytes", seed.OPENAI_KEY.arn])
    codes = {name: answer.code for name, answer in answers.items() if isinstance(answer, ProviderError)}
    assert codes == {"missing": FailureCode.SECRET_NOT_FOUND, seed.DATABASE.name: FailureCode.SECRET_DELETED}
    assert answers["bytes"] == Fetched(None, answers["bytes"].version_id)  # type: ignore[union-attr]  # a Fetched
    assert [call.action for call in sandbox.calls] == ["BatchGetSecretValue"]


def test_versions_follow_a_rotation_without_reading(sandbox: Sandbox) -> None:
    current, previous = SecretId(seed.OPENAI_KEY.name), SecretId(seed.OPENAI_KEY.name, VersionStage.PREVIOUS)
    before = opened().versions([current, previous])
    assert before[current] == seed.OPENAI_KEY.version_id
    failure = before[previous]
    assert isinstance(failure, ProviderError)
    assert failure.code is FailureCode.SECRET_WITHOUT_VALUE
    sandbox.put_secret(seed.OPENAI_KEY.name, "rotated")
    after = opened().versions([current, previous])
    assert after[current] != before[current]
    assert after[previous] == before[current]
    assert {call.action for call in sandbox.calls} == {"DescribeSecret"}


def test_a_version_of_a_deleted_and_of_a_missing_secret_is_told_apart(sandbox: Sandbox) -> None:
    sandbox.delete_secret(seed.DATABASE.name)
    answers = opened().versions([SecretId(seed.DATABASE.name), SecretId("missing")])
    assert [answer.code for answer in answers.values() if isinstance(answer, ProviderError)] == [
        FailureCode.SECRET_DELETED,
        FailureCode.SECRET_NOT_FOUND,
    ]


def test_names_are_listed_by_their_beginning_deleted_ones_with_their_date(sandbox: Sandbox) -> None:
    for number in range(25):
        sandbox.put_secret(f"many/{number:02}", "x")
    sandbox.delete_secret("many/03")
    listed = {secret.name: secret for secret in opened().list_names("many/0")}
    assert sorted(listed) == [f"many/{number:02}" for number in range(10)]
    assert [name for name, secret in listed.items() if secret.deletes_at] == ["many/03"]
    assert len(opened().list_names("many/")) == 20
    assert opened().list_names("MANY/") == ()  # capital letters count
    assert {secret.name for secret in opened().list_names("!many/1")} == {f"many/{number}" for number in range(10, 20)}


def test_a_user_is_identified_by_aws(sandbox: Sandbox) -> None:
    facts = opened(seed.NO_KMS).identify()
    assert (facts["account"], facts["arn"]) == (seed.ACCOUNT_ID, seed.NO_KMS.arn)
    assert [call.action for call in sandbox.calls] == ["GetCallerIdentity"]


def test_a_role_is_identified_by_its_arn_without_a_call(sandbox: Sandbox) -> None:
    assert opened(seed.ROLE_ONLY, **ASSUMED).identify() == {"account": seed.ACCOUNT_ID, "arn": seed.ROLE_ARN}
    assert sandbox.calls == []


def test_keys_that_open_nothing_identify_nobody(sandbox: Sandbox) -> None:
    with pytest.raises(ProviderError) as refused:
        opened(secret_access_key=seed.READER.secret_access_key[::-1]).identify()
    assert refused.value.code is FailureCode.SECRET_ACCESS_KEY_WRONG

"""Secrets Manager asks for every action and every secret, then for the key, then whether the value is there."""

import pytest

from sandbox import seed
from sandbox.seed import policy
from tests.sandbox.clients import Refusal, refusal
from tests.sandbox.test_guide import denied

NOT_FOUND = Refusal("ResourceNotFoundException", 400, "Secrets Manager can't find the specified secret.")
DELETED = Refusal(
    "InvalidRequestException",
    400,
    "You can't perform this operation on the secret because it was marked for deletion.",
)
BATCH = {"Effect": "Allow", "Action": "secretsmanager:BatchGetSecretValue", "Resource": "*"}


def test_a_secret_that_does_not_exist_is_not_found(as_user):
    assert refusal(as_user().read, "crewai/typo") == NOT_FOUND


def test_names_are_case_sensitive(as_user):
    assert refusal(as_user().read, "CrewAI/OpenAI-API-Key") == NOT_FOUND


def test_a_secret_of_another_region_is_not_found(as_user):
    assert refusal(as_user(region=seed.EMPTY_REGION).read, "crewai/openai-api-key") == NOT_FOUND
    assert refusal(as_user(region=seed.EMPTY_REGION).read, seed.OPENAI_KEY.arn) == NOT_FOUND


def test_a_secret_of_another_account_needs_its_resource_policy(as_user):
    arn = seed.OPENAI_KEY.arn.replace(seed.ACCOUNT_ID, "999999999999")

    assert refusal(as_user().read, arn) == Refusal(
        "AccessDeniedException",
        400,
        f"User: {seed.READER.arn} is not authorized to perform: secretsmanager:GetSecretValue on resource: {arn} "
        "because no resource-based policy allows the secretsmanager:GetSecretValue action",
    )


def test_a_secret_marked_for_deletion_is_described_but_not_read(sandbox, as_user):
    sandbox.delete_secret("crewai/openai-api-key")

    assert refusal(as_user().read, "crewai/openai-api-key") == DELETED
    assert as_user().secrets.describe_secret(SecretId="crewai/openai-api-key")["DeletedDate"]


def test_without_the_policy_nothing_is_allowed(sandbox, as_user):
    sandbox.detach_policy()

    assert refusal(as_user().secrets.list_secrets) == denied(seed.READER.arn, "secretsmanager:ListSecrets")
    assert refusal(as_user().read, "crewai/openai-api-key") == denied(
        seed.READER.arn, "secretsmanager:GetSecretValue", seed.OPENAI_KEY.arn
    )
    assert refusal(as_user().secrets.describe_secret, SecretId="crewai/openai-api-key") == denied(
        seed.READER.arn, "secretsmanager:DescribeSecret", seed.OPENAI_KEY.arn
    )

    sandbox.attach_policy()
    assert as_user().read("crewai/openai-api-key") == seed.OPENAI_KEY.value


def test_a_replaced_policy_holds_for_the_role_too(sandbox, as_user):
    sandbox.set_policy(policy({"Effect": "Allow", "Action": "secretsmanager:List*", "Resource": "*"}))
    session = as_user(seed.ROLE_ONLY).assume()

    assert session.secrets.list_secrets()["SecretList"]
    assert refusal(session.read, "database-credentials").code == "AccessDeniedException"


def test_an_explicit_deny_says_so(sandbox, as_user):
    sandbox.put_user_policy(
        policy({"Effect": "Deny", "Action": "secretsmanager:GetSecretValue", "Resource": seed.DATABASE.arn})
    )

    assert refusal(as_user().read, "database-credentials") == Refusal(
        "AccessDeniedException",
        400,
        f"User: {seed.READER.arn} is not authorized to perform: secretsmanager:GetSecretValue "
        f"on resource: {seed.DATABASE.arn} with an explicit deny in an identity-based policy",
    )
    assert as_user().read("crewai/openai-api-key")


def test_a_condition_on_the_version_stage_needs_the_stage_in_the_call(sandbox, as_user):
    sandbox.set_policy(
        policy(
            {
                "Effect": "Allow",
                "Action": "secretsmanager:GetSecretValue",
                "Resource": "*",
                "Condition": {"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}},
            }
        )
    )

    assert as_user().read("crewai/openai-api-key", VersionStage="AWSCURRENT") == seed.OPENAI_KEY.value
    assert refusal(as_user().read, "crewai/openai-api-key").code == "AccessDeniedException"


def test_writing_is_refused(as_user):
    answer = refusal(as_user().secrets.put_secret_value, SecretId="database-credentials", SecretString="x")

    assert answer == denied(seed.READER.arn, "secretsmanager:PutSecretValue", seed.DATABASE.arn)


def test_a_rotated_secret_has_a_previous_value(sandbox, as_user):
    sandbox.put_secret("crewai/openai-api-key", "second")

    assert as_user().read("crewai/openai-api-key") == "second"
    assert as_user().read("crewai/openai-api-key", VersionStage="AWSPREVIOUS") == seed.OPENAI_KEY.value


def test_a_stage_without_a_value_is_not_found(as_user):
    assert refusal(as_user().read, "crewai/openai-api-key", VersionStage="AWSPENDING") == Refusal(
        "ResourceNotFoundException",
        400,
        "Secrets Manager can't find the specified secret value for staging label: AWSPENDING",
    )


def test_a_version_that_does_not_exist_is_not_found(as_user):
    version = "99999999-aaaa-4aaa-8aaa-000000000009"

    assert refusal(as_user().read, "crewai/openai-api-key", VersionId=version) == Refusal(
        "ResourceNotFoundException",
        400,
        f"Secrets Manager can't find the specified secret value for VersionId: {version}",
    )


def test_a_binary_secret_is_read_as_bytes(sandbox, as_user):
    sandbox.put_secret("crewai/keystore", b"\x00\xff")

    answer = as_user().secrets.get_secret_value(SecretId="crewai/keystore")

    assert answer["SecretBinary"] == b"\x00\xff"
    assert "SecretString" not in answer


def test_a_disabled_key_cannot_decrypt(sandbox, as_user):
    assert as_user().read("crewai/payments-key") == seed.PAYMENTS_KEY.value
    sandbox.disable_kms_key()

    assert refusal(as_user().read, "crewai/payments-key") == Refusal(
        "DecryptionFailure",
        400,
        "Secrets Manager can't decrypt the protected secret text using the provided KMS key.",
    )
    assert as_user().read("crewai/openai-api-key") == seed.OPENAI_KEY.value


def test_kms_permission_may_be_scoped_to_the_key(sandbox, as_user):
    key = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": seed.KMS_KEY_ARN}
    sandbox.put_user_policy(policy(key), seed.NO_KMS)
    assert as_user(seed.NO_KMS).read("crewai/payments-key") == seed.PAYMENTS_KEY.value

    sandbox.put_user_policy(policy({**key, "Resource": seed.KMS_KEY_ARN[:-1] + "0"}), seed.NO_KMS)
    assert refusal(as_user(seed.NO_KMS).read, "crewai/payments-key").message == "Access to KMS is not allowed"


def test_the_guides_policy_does_not_allow_batches(as_user):
    assert refusal(as_user().secrets.batch_get_secret_value, SecretIdList=["database-credentials"]) == denied(
        seed.READER.arn, "secretsmanager:BatchGetSecretValue"
    )


def test_a_batch_reads_what_each_secret_allows_and_reports_the_rest(sandbox, as_user):
    sandbox.put_user_policy(policy(BATCH), seed.SCOPED_READER)
    sandbox.put_secret("crewai/old", "x")
    sandbox.delete_secret("crewai/old")

    answer = as_user(seed.SCOPED_READER).secrets.batch_get_secret_value(
        SecretIdList=["crewai/openai-api-key", "database-credentials", "crewai/typo", "crewai/old"]
    )

    assert [value["SecretString"] for value in answer["SecretValues"]] == [seed.OPENAI_KEY.value]
    assert {error["SecretId"]: (error["ErrorCode"], error["Message"]) for error in answer["Errors"]} == {
        "database-credentials": denied(seed.SCOPED_READER.arn, "secretsmanager:GetSecretValue", seed.DATABASE.arn)[::2],
        "crewai/typo": NOT_FOUND[::2],
        "crewai/old": DELETED[::2],
    }


def test_a_batch_asks_for_the_key_of_each_secret(sandbox, as_user):
    sandbox.put_user_policy(policy(BATCH), seed.NO_KMS)

    answer = as_user(seed.NO_KMS).secrets.batch_get_secret_value(
        SecretIdList=["crewai/payments-key", "database-credentials"]
    )

    assert [value["Name"] for value in answer["SecretValues"]] == ["database-credentials"]
    assert [error["Message"] for error in answer["Errors"]] == ["Access to KMS is not allowed"]


def test_a_batch_of_twenty_is_answered_and_of_twenty_one_refused(sandbox, as_user):
    sandbox.put_user_policy(policy(BATCH))
    names = [f"crewai/{number}" for number in range(21)]
    for name in names:
        sandbox.put_secret(name, "x")

    assert len(as_user().secrets.batch_get_secret_value(SecretIdList=names[:20])["SecretValues"]) == 20
    answer = refusal(as_user().secrets.batch_get_secret_value, SecretIdList=names)
    assert (answer.code, answer.status) == ("ValidationException", 400)
    assert answer.message.endswith("Member must have length less than or equal to 20")


def test_a_made_up_page_token_is_refused(as_user):
    answer = refusal(as_user().secrets.list_secrets, NextToken="made-up")

    assert (answer.code, answer.status) == ("InvalidNextTokenException", 400)


def test_pages_follow_each_other(as_user):
    first = as_user().secrets.list_secrets(MaxResults=2)
    second = as_user().secrets.list_secrets(MaxResults=2, NextToken=first["NextToken"])

    assert len(first["SecretList"]) == 2
    assert len(second["SecretList"]) == 1
    assert "NextToken" not in second


@pytest.mark.parametrize(("prefix", "count"), [("crewai/", 2), ("CrewAI/", 0), ("data", 1)])
def test_names_are_filtered_by_prefix(as_user, prefix, count):
    answer = as_user().secrets.list_secrets(Filters=[{"Key": "name", "Values": [prefix]}])

    assert len(answer["SecretList"]) == count

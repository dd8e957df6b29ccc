"""The guide's two methods work, and each seeded user can do what it is there to show, and no more."""

import base64
import json

import pytest

from sandbox import seed
from tests.sandbox.clients import Refusal, refusal

SESSION_ARN = f"arn:aws:sts::{seed.ACCOUNT_ID}:assumed-role/{seed.ROLE_NAME}/crewadmin"


def denied(user_arn, action, resource=None):
    where = f" on resource: {resource}" if resource else ""
    return Refusal(
        "AccessDeniedException",
        400,
        f"User: {user_arn} is not authorized to perform: {action}{where} "
        f"because no identity-based policy allows the {action} action",
    )


def test_static_keys_identify_list_describe_and_read(as_user):
    reader = as_user()

    assert reader.sts.get_caller_identity()["Arn"] == seed.READER.arn
    assert reader.sts.get_caller_identity()["Account"] == seed.ACCOUNT_ID
    assert {entry["Name"] for entry in reader.secrets.list_secrets()["SecretList"]} == {
        "crewai/openai-api-key",
        "database-credentials",
        "crewai/payments-key",
    }
    assert reader.secrets.describe_secret(SecretId="crewai/openai-api-key")["ARN"] == seed.OPENAI_KEY.arn
    assert reader.read("crewai/openai-api-key") == seed.OPENAI_KEY.value


def test_the_role_with_its_external_id_identifies_lists_and_reads(as_user):
    session = as_user(seed.ROLE_ONLY).assume()

    assert session.sts.get_caller_identity()["Arn"] == SESSION_ARN
    assert len(session.secrets.list_secrets()["SecretList"]) == 3
    assert session.read("database-credentials") == seed.DATABASE.value


def test_the_role_only_user_reads_nothing_itself(as_user):
    clients = as_user(seed.ROLE_ONLY)

    assert refusal(clients.secrets.list_secrets) == denied(seed.ROLE_ONLY.arn, "secretsmanager:ListSecrets")
    assert refusal(clients.read, "crewai/openai-api-key") == denied(
        seed.ROLE_ONLY.arn, "secretsmanager:GetSecretValue", seed.OPENAI_KEY.arn
    )


@pytest.mark.parametrize("secret", [seed.OPENAI_KEY, seed.PAYMENTS_KEY])
def test_the_scoped_reader_reads_secrets_in_its_scope_by_name_and_arn(as_user, secret):
    assert as_user(seed.SCOPED_READER).read(secret.name) == secret.value
    assert as_user(seed.SCOPED_READER).read(secret.arn) == secret.value


def test_the_scoped_reader_can_neither_list_nor_read_outside_its_scope(as_user):
    clients = as_user(seed.SCOPED_READER)

    assert refusal(clients.secrets.list_secrets) == denied(seed.SCOPED_READER.arn, "secretsmanager:ListSecrets")
    assert refusal(clients.read, "database-credentials") == denied(
        seed.SCOPED_READER.arn, "secretsmanager:GetSecretValue", seed.DATABASE.arn
    )


def test_the_scoped_readers_typo_outside_its_scope_looks_like_a_lack_of_permission(as_user):
    assert refusal(as_user(seed.SCOPED_READER).read, "databse") == denied(
        seed.SCOPED_READER.arn, "secretsmanager:GetSecretValue", "databse"
    )


def test_the_user_without_kms_reads_all_but_the_secret_under_the_customers_key(as_user):
    clients = as_user(seed.NO_KMS)

    assert clients.read("crewai/openai-api-key") == seed.OPENAI_KEY.value
    assert refusal(clients.read, "crewai/payments-key") == Refusal(
        "AccessDeniedException", 400, "Access to KMS is not allowed"
    )


def test_the_database_secret_is_a_json_object_with_text_number_and_nesting(as_user):
    value = json.loads(as_user().read("database-credentials"))

    assert value["username"] == "crewai_app"
    assert value["port"] == 5432
    assert value["options"]["pool"] == {"size": 10}


def test_only_the_payments_key_is_under_a_customers_key(as_user):
    keys = {entry["Name"]: entry.get("KmsKeyId") for entry in as_user().secrets.list_secrets()["SecretList"]}

    assert keys == {
        "crewai/openai-api-key": None,
        "database-credentials": None,
        "crewai/payments-key": seed.KMS_KEY_ARN,
    }


def test_the_other_enabled_region_is_empty(as_user):
    assert as_user(region=seed.EMPTY_REGION).secrets.list_secrets()["SecretList"] == []


def test_arns_and_versions_do_not_change_with_a_reset(sandbox, as_user):
    before = as_user().secrets.get_secret_value(SecretId="database-credentials")
    sandbox.reset()
    after = as_user().secrets.get_secret_value(SecretId="database-credentials")

    assert (before["ARN"], before["VersionId"]) == (after["ARN"], after["VersionId"])


@pytest.mark.parametrize("user", seed.USERS)
def test_keys_have_the_length_and_the_account_of_real_ones(user):
    account = (int.from_bytes(base64.b32decode(user.access_key_id[4:])[:6], "big") & 0x7FFFFFFFFF80) >> 7

    assert (len(user.access_key_id), len(user.secret_access_key)) == (20, 40)
    assert str(account) == seed.ACCOUNT_ID
    assert user.secret_access_key not in repr(user)

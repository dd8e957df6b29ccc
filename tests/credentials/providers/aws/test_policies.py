"""The policies that people paste into the IAM console."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials.providers.aws.policies import (
    SecretFact,
    assume_role_policy,
    fits_managed_policy,
    least_privilege_policy,
    pretty,
    read_policy,
    trust_policy,
)
from sandbox import seed

ACCOUNT = "123456789012"
NAME_ARN = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:crewai/openai-api-key"
KEY_ARN = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/0f5e1c2a-3b4d-4e6f-8a90-b1c2d3e4f5a6"


def least(*facts: SecretFact | tuple[str, str | None], region: str = "us-east-1", batch: bool = False) -> dict:
    return least_privilege_policy(facts, region=region, account_id=ACCOUNT, batch=batch)


def statement(policy: dict, sid: str) -> dict:
    (found,) = [found for found in policy["Statement"] if found["Sid"] == sid]
    return found


def sids(policy: dict) -> list[str]:
    return [found["Sid"] for found in policy["Statement"]]


def test_the_read_policy_is_the_guides_word_for_word() -> None:
    assert read_policy() == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "SecretsManagerRead",
                "Effect": "Allow",
                "Action": [
                    "secretsmanager:ListSecrets",
                    "secretsmanager:GetSecretValue",
                    "secretsmanager:DescribeSecret",
                ],
                "Resource": "*",
            },
            {"Sid": "KMSDecrypt", "Effect": "Allow", "Action": ["kms:DescribeKey", "kms:Decrypt"], "Resource": "*"},
        ],
    }


def test_the_policies_are_those_that_the_sandbox_was_set_up_with() -> None:
    assert read_policy() == seed.READ_POLICY
    assert assume_role_policy(seed.ROLE_ARN) == seed.ASSUME_POLICY
    assert trust_policy(seed.ACCOUNT_ID, seed.EXTERNAL_ID) == seed.TRUST_POLICY


def test_changing_a_policy_does_not_change_the_next() -> None:
    read_policy()["Statement"][1]["Action"].append("kms:*")
    assert read_policy()["Statement"][1]["Action"] == ["kms:DescribeKey", "kms:Decrypt"]


def test_without_a_role_the_guides_placeholder_stands_in_its_place() -> None:
    assert assume_role_policy()["Statement"][0]["Resource"] == "ROLE_ARN_FROM_ABOVE"


def test_without_an_external_id_the_trust_policy_has_no_condition() -> None:
    assert "Condition" not in trust_policy(ACCOUNT)["Statement"][0]


def test_the_principal_is_the_account_in_its_partition_or_a_placeholder() -> None:
    assert trust_policy(ACCOUNT, partition="aws-cn")["Statement"][0]["Principal"] == {
        "AWS": f"arn:aws-cn:iam::{ACCOUNT}:root"
    }
    assert trust_policy(None)["Statement"][0]["Principal"] == {"AWS": "arn:aws:iam::ACCOUNT_ID:root"}


def test_a_complete_arn_is_taken_as_it_is_and_others_get_their_six_characters() -> None:
    policy = least((f"{NAME_ARN}-aB3dEf", None), (NAME_ARN, None), ("database-credentials", None))
    assert statement(policy, "SecretsManagerRead")["Resource"] == [
        f"{NAME_ARN}-??????",
        f"{NAME_ARN}-aB3dEf",
        f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:database-credentials-??????",
    ]


def test_a_name_that_ends_like_an_arn_still_gets_its_six_characters() -> None:
    (resource,) = statement(least(("my-secret", None)), "SecretsManagerRead")["Resource"]
    assert resource.endswith(":secret:my-secret-??????")


def test_exactly_reading_and_describing_is_allowed_on_the_secrets() -> None:
    assert statement(least(("a", None)), "SecretsManagerRead")["Action"] == [
        "secretsmanager:GetSecretValue",
        "secretsmanager:DescribeSecret",
    ]


@pytest.mark.parametrize(
    ("batch", "actions"),
    [
        (False, ["secretsmanager:ListSecrets"]),
        (True, ["secretsmanager:ListSecrets", "secretsmanager:BatchGetSecretValue"]),
    ],
)
def test_what_cannot_be_limited_to_secrets_has_a_statement_of_its_own(batch: bool, actions: list[str]) -> None:
    policy = least(("a", None), batch=batch)
    assert statement(policy, "SecretsManagerList") == {
        "Sid": "SecretsManagerList",
        "Effect": "Allow",
        "Action": actions,
        "Resource": "*",
    }
    assert [found["Sid"] for found in policy["Statement"] if found["Resource"] == "*"] == ["SecretsManagerList"]


def test_without_a_customers_key_there_is_no_statement_on_kms() -> None:
    policy = least(("a", None), ("b", "alias/aws/secretsmanager"))
    assert sids(policy) == ["SecretsManagerList", "SecretsManagerRead"]


def test_exactly_the_keys_of_the_secrets_may_decrypt() -> None:
    abroad = "arn:aws:kms:eu-west-1:210987654321:key/mrk-1234"
    policy = least(("a", KEY_ARN), ("b", "1234-abcd"), ("c", KEY_ARN), ("d", abroad))
    assert statement(policy, "KMSDecrypt") == {
        "Sid": "KMSDecrypt",
        "Effect": "Allow",
        "Action": ["kms:DescribeKey", "kms:Decrypt"],
        "Resource": [abroad, KEY_ARN, f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234-abcd"],
    }


def test_a_key_known_by_its_alias_is_found_by_a_condition_because_iam_knows_no_alias_as_resource() -> None:
    policy = least(("a", f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/crewai"), ("b", "alias/billing"))
    assert "KMSDecrypt" not in sids(policy)
    found = statement(policy, "KMSDecryptByAlias1")
    assert found["Resource"] == [f"arn:aws:kms:us-east-1:{ACCOUNT}:key/*"]
    assert found["Condition"] == {
        "ForAnyValue:StringEquals": {"kms:ResourceAliases": ["alias/billing", "alias/crewai"]}
    }


def test_aliases_of_different_accounts_are_not_mixed() -> None:
    policy = least(("a", "arn:aws:kms:us-east-1:210987654321:alias/x"), ("b", "alias/x"))
    assert sids(policy)[2:] == ["KMSDecryptByAlias1", "KMSDecryptByAlias2"]
    assert [found["Resource"] for found in policy["Statement"][2:]] == [
        [f"arn:aws:kms:us-east-1:{ACCOUNT}:key/*"],
        ["arn:aws:kms:us-east-1:210987654321:key/*"],
    ]


@pytest.mark.parametrize(
    ("region", "partition"), [("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_the_partition_is_the_regions(region: str, partition: str) -> None:
    policy = least(("a", "1234-abcd"), region=region)
    assert statement(policy, "SecretsManagerRead")["Resource"] == [
        f"arn:{partition}:secretsmanager:{region}:{ACCOUNT}:secret:a-??????"
    ]
    assert statement(policy, "KMSDecrypt")["Resource"] == [f"arn:{partition}:kms:{region}:{ACCOUNT}:key/1234-abcd"]


def test_an_unknown_account_is_a_placeholder() -> None:
    policy = least_privilege_policy([("a", None)], region="us-east-1")
    assert statement(policy, "SecretsManagerRead")["Resource"] == [
        "arn:aws:secretsmanager:us-east-1:ACCOUNT_ID:secret:a-??????"
    ]


def test_without_secrets_only_listing_is_left() -> None:
    assert sids(least()) == ["SecretsManagerList"]


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "*",
        "a*",
        "a?",
        "${aws:username}",
        "a b",
        "a#key",
        'a"',
        "a\n",
        "x" * 513,
        f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:*",
        f"arn:aws:secretsmanager:*:{ACCOUNT}:secret:a",
        f"arn:aws:s3:us-east-1:{ACCOUNT}:secret:a",
    ],
)
def test_what_cannot_name_one_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="neither the name nor the ARN") as refused:
        least((secret, None))
    assert not secret or secret not in str(refused.value)


@pytest.mark.parametrize(
    "key", ["*", "alias/*", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/*", "key/a", "alias/", "arn:aws:kms:*:1:key/a"]
)
def test_what_cannot_name_one_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="of a KMS key"):
        least(("a", key))


FACTS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b/c", "my-secret", NAME_ARN, f"{NAME_ARN}-aB3dEf"]),
        st.sampled_from([None, KEY_ARN, "1234-abcd", "alias/x", "alias/aws/secretsmanager"]),
    ),
    max_size=8,
)


@settings(database=None, deadline=None)
@given(FACTS, st.randoms())
def test_order_and_repetition_of_the_facts_do_not_matter(facts: list[tuple[str, str | None]], random: object) -> None:
    shuffled = facts * 2
    random.shuffle(shuffled)
    assert pretty(least(*facts)) == pretty(least(*shuffled))


def test_the_text_to_paste_is_the_policy_as_json() -> None:
    policy = least(("a", KEY_ARN))
    assert json.loads(pretty(policy)) == policy
    assert "\n" in pretty(policy)


def test_a_policy_of_very_many_secrets_does_not_fit_one_managed_policy() -> None:
    assert fits_managed_policy(least(*((f"secret-{n}", None) for n in range(60))))
    assert not fits_managed_policy(least(*((f"secret-{n}", None) for n in range(100))))

"""The policy for exactly the secrets that variables refer to, and a pasted policy held against it."""

import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credentials.models import Credential
from credentials.policy import offer_for
from credentials.services import change_credential
from credentials.testing import run_connection_test
from credentials.usage import uses_of
from organizations.models import Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import store_direct, store_reference, store_role_credential
from tests.pages import errors_beside, html_of, text_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
PLACE = f"{seed.REGION}:{seed.ACCOUNT_ID}"


@pytest.fixture
def tested(acme: Organization, alice: User, aws_prod: Credential, sandbox: Sandbox) -> Credential:
    """A credential with two variables on one secret and one on another, whose connection test passed."""
    store_reference(acme, "DATABASE_USER", "database-credentials#username", aws_prod)
    store_reference(acme, "DATABASE_PASSWORD", "database-credentials#password")
    store_reference(acme, "PAYMENTS_KEY", "crewai/payments-key", aws_prod)
    store_direct(acme, "LOG_LEVEL", "debug")
    run_connection_test(aws_prod, alice, "crewai/payments-key")
    return aws_prod


def address(credential: Credential) -> str:
    return reverse("credential_policy", args=[credential.organization.uuid, credential.uuid])


def policy_of(response: Any) -> Any:
    """The policy as it would be pasted."""
    found = re.search(r"<pre><code>(.*?)</code></pre>", html_of(response), re.DOTALL)
    return json.loads(unescape(found[1])) if found else None


def resources(policy: Any, sid: str) -> list[str]:
    (statement,) = [one for one in policy["Statement"] if one["Sid"] == sid]
    found: list[str] = statement["Resource"]
    return found


def paste(sign_in: SignIn, alice: User, credential: Credential, policy: object) -> Any:
    text = policy if isinstance(policy, str) else json.dumps(policy, indent=2)
    return sign_in(alice).post(address(credential), {"policy": text})


# --- The policy -----------------------------------------------------------------------------------------------------
def test_it_covers_exactly_the_secrets_that_variables_refer_to(
    tested: Credential, alice: User, sign_in: SignIn
) -> None:
    policy = policy_of(sign_in(alice).get(address(tested)))
    assert resources(policy, "SecretsManagerRead") == [
        f"arn:aws:secretsmanager:{PLACE}:secret:crewai/payments-key-??????",
        f"arn:aws:secretsmanager:{PLACE}:secret:database-credentials-??????",
    ]
    assert resources(policy, "SecretsManagerList") == "*"
    assert resources(policy, "KMSDecrypt") == [seed.KMS_KEY_ARN]


def test_every_secret_of_a_template_is_covered(acme: Organization, tested: Credential) -> None:
    store_reference(acme, "URL", "http://${crewai/user}:${database-credentials#password|url}@${crewai/host}/", tested)
    assert [fact.secret for fact in offer_for(tested, uses_of(tested)).covered] == [
        "crewai/host",
        "crewai/payments-key",
        "crewai/user",
        "database-credentials",
    ]


def test_what_no_test_has_seen_is_said(tested: Credential, alice: User, sign_in: SignIn) -> None:
    words = text_of(sign_in(alice).get(address(tested)))
    assert "The KMS key of 1 secret is not known." in words
    assert f"crewai/payments-key {seed.KMS_KEY_ARN}" in words
    assert "database-credentials KMS key not known" in words
    run_connection_test(tested, alice, "database-credentials")
    words = text_of(sign_in(alice).get(address(tested)))
    assert "is not known" not in words
    assert "database-credentials AWS default key" in words


def test_without_a_test_the_account_is_a_placeholder_and_nothing_can_be_compared(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    store_reference(acme, "DATABASE_USER", "database-credentials#username")
    client = sign_in(alice)
    response = client.get(address(aws_prod))
    assert "ACCOUNT_ID" in resources(policy_of(response), "SecretsManagerRead")[0]
    assert "The account is not known yet." in text_of(response)
    assert "<textarea" not in html_of(response)
    assert client.post(address(aws_prod), {"policy": "{}"}).status_code == 200


def test_facts_from_before_a_change_are_not_used(tested: Credential, alice: User) -> None:
    assert offer_for(tested, uses_of(tested)).account_id == seed.ACCOUNT_ID
    changed = change_credential(
        tested,
        alice,
        name=tested.name,
        config=tested.config | {"region": seed.EMPTY_REGION},
        secrets=tested.secrets.reveal(),
        is_default=True,
    )
    offer = offer_for(changed, uses_of(changed))
    assert offer.account_id is None
    assert {fact.kms_key for fact in offer.covered} == {None}


def test_with_a_role_the_account_is_the_roles(acme: Organization, alice: User) -> None:
    credential = store_role_credential(acme, alice)
    store_reference(acme, "DATABASE_USER", "database-credentials#username", credential)
    assert offer_for(credential, uses_of(credential)).account_id == seed.ACCOUNT_ID
    assert offer_for(credential, uses_of(credential)).is_complete


def test_a_name_that_no_secret_can_have_is_left_out_and_named(
    acme: Organization, tested: Credential, alice: User, sign_in: SignIn
) -> None:
    variable = store_reference(acme, "WRONG", "wrong", tested)
    variable.secret_references.update(secret_name="every*<b>")
    response = sign_in(alice).get(address(tested))
    assert "no secret in AWS can have this name: every*<b>" in text_of(response)
    assert "every*" not in json.dumps(policy_of(response))


def test_batch_reading_is_added_on_demand(tested: Credential, alice: User, sign_in: SignIn) -> None:
    client = sign_in(alice)
    assert "BatchGetSecretValue" not in json.dumps(policy_of(client.get(address(tested))))
    with_batch = policy_of(client.get(address(tested), {"batch": "1"}))
    assert "secretsmanager:BatchGetSecretValue" in with_batch["Statement"][0]["Action"]


def test_a_policy_that_is_too_long_for_iam_says_so(
    acme: Organization, tested: Credential, alice: User, sign_in: SignIn
) -> None:
    assert "6,144" not in text_of(sign_in(alice).get(address(tested)))
    for number in range(80):
        store_reference(acme, f"KEY_{number}", f"crewai/a-rather-long-name-of-a-secret-{number}", tested)
    assert "longer than the 6,144 characters" in text_of(sign_in(alice).get(address(tested)))


def test_without_a_secret_there_is_nothing_to_offer(
    aws_prod: Credential, acme: Organization, alice: User, sign_in: SignIn
) -> None:
    store_direct(acme, "LOG_LEVEL", "debug")
    response = sign_in(alice).get(address(aws_prod))
    assert "No secret to cover yet" in text_of(response)
    assert policy_of(response) is None


def test_only_people_who_manage_credentials_see_it(
    tested: Credential, carol: User, mallory: User, sign_in: SignIn
) -> None:
    assert sign_in(carol).get(address(tested)).status_code == 403
    assert sign_in(mallory).get(address(tested)).status_code == 404


# --- Comparing ------------------------------------------------------------------------------------------------------
def test_the_offered_policy_is_the_same(tested: Credential, alice: User, sign_in: SignIn) -> None:
    offered = policy_of(sign_in(alice).get(address(tested)))
    words = text_of(paste(sign_in, alice, tested, offered))
    assert "The same: it grants exactly what is needed" in words
    assert "Missing" not in words
    assert "Wider" not in words


def test_the_guides_policy_is_wider(tested: Credential, alice: User, sign_in: SignIn) -> None:
    words = text_of(paste(sign_in, alice, tested, seed.READ_POLICY))
    assert "Wider: it grants what is needed, and more" in words
    assert "secretsmanager:GetSecretValue, secretsmanager:DescribeSecret on *" in words
    assert "Allowed by statement 1, and not needed." in words


def test_what_is_missing_is_named_with_its_resource(tested: Credential, alice: User, sign_in: SignIn) -> None:
    words = text_of(paste(sign_in, alice, tested, seed.SCOPED_POLICY))
    assert "Missing and wider" in words
    assert "secretsmanager:ListSecrets on * Not allowed." in words
    database = f"arn:aws:secretsmanager:{PLACE}:secret:database-credentials-??????"
    assert f"secretsmanager:GetSecretValue, secretsmanager:DescribeSecret on {database} Not allowed." in words
    assert f"kms:DescribeKey on {seed.KMS_KEY_ARN} Not allowed." in words


def test_a_deny_counts_and_a_part_of_one_too(tested: Credential, alice: User, sign_in: SignIn) -> None:
    offered = policy_of(sign_in(alice).get(address(tested)))
    secrets = f"arn:aws:secretsmanager:{PLACE}:secret"
    offered["Statement"] += [
        {"Effect": "Deny", "Action": "secretsmanager:Get*", "Resource": f"{secrets}:crewai/*"},
        {"Effect": "Deny", "Action": "secretsmanager:Get*", "Resource": f"{secrets}:database-credentials-abcdef"},
    ]
    words = text_of(paste(sign_in, alice, tested, offered))
    assert f"on {secrets}:crewai/payments-key-?????? Denied by statement 4." in words
    assert f"on {secrets}:database-credentials-?????? Some of it is denied by statement 5." in words


def test_what_depends_on_the_request_is_named_as_not_judged(tested: Credential, alice: User, sign_in: SignIn) -> None:
    offered = policy_of(sign_in(alice).get(address(tested)))
    condition = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
    denied = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}
    words = text_of(paste(sign_in, alice, tested, {**offered, "Statement": [*offered["Statement"], denied]}))
    assert "The same, as far as it can be judged" in words
    assert "Not judged Statement 4 (Deny) has a condition." in words
    offered["Statement"][0]["Condition"] = condition
    words = text_of(paste(sign_in, alice, tested, offered))
    assert "Not allowed. It may depend on what was not judged: statement 1." in words


def test_everything_except_is_said_as_such(tested: Credential, alice: User, sign_in: SignIn) -> None:
    everything_but = {"Effect": "Allow", "NotAction": ["iam:*", "sts:*"], "Resource": "*"}
    words = text_of(paste(sign_in, alice, tested, {"Version": "2012-10-17", "Statement": everything_but}))
    assert "everything except iam:*, sts:* on *" in words


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{\r\n  "Version": "2012-10-17"\r\n  "Statement": []\r\n}', "Line 3, column 3: A comma is missing here"),
        ('\n\n{"Statement": [,]}', "Line 3, column 16: A value must follow here"),
        ('{"Version": "2012-10-17"}', "A policy is a JSON object with Version and Statement."),
        ('{"Statement": [{"Effect": "allow", "Action": "*", "Resource": "*"}]}', "Statement 1: Effect must be"),
        (" \n", "Paste the JSON text of a policy."),
        ("", "Paste the JSON text of a policy."),
        ('{"Statement": "' + "x" * 70_000 + '"}', "This is longer than any policy (64 KB)."),
    ],
)
def test_what_is_no_policy_is_refused_with_the_place(
    tested: Credential, alice: User, sign_in: SignIn, text: str, problem: str
) -> None:
    response = paste(sign_in, alice, tested, text)
    assert response.status_code == 422
    assert problem in errors_beside(response, "policy")


def test_what_is_pasted_stays_text_in_the_box_and_is_not_stored(
    tested: Credential, alice: User, sign_in: SignIn
) -> None:
    policy = '{"Statement": {"Sid": "</textarea><script>", "Effect": "Allow", "Action": "*", "Resource": "*"}}'
    client = sign_in(alice)
    with CaptureQueriesContext(connection) as queries:
        response = client.post(address(tested), {"policy": policy})
    assert response.status_code == 200
    assert "</textarea><script>" not in html_of(response)
    assert "&lt;/textarea&gt;&lt;script&gt;" in html_of(response)
    assert [query["sql"] for query in queries if not query["sql"].startswith("SELECT")] == []

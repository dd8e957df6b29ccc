"""Step 7 of the guide: every row of its table of symptoms is told apart, against an AWS that really refuses."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from credentials.models import ConnectionTest, Credential
from credentials.providers.failures import FailureCode, explain
from organizations.models import Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import store_credential
from tests.pages import text_of, toasts_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


@dataclass(frozen=True)
class Symptom:
    """A set-up that goes wrong, and what the toast must say."""

    name: str
    code: FailureCode
    title: str
    level: str = "error"
    user: seed.User = seed.READER
    config: dict[str, Any] = field(default_factory=dict)
    external_id: str = ""
    secret: str = ""
    arrange: Callable[[Sandbox], None] = lambda _sandbox: None
    secret_access_key: str | None = None


def _no_trust(sandbox: Sandbox) -> None:
    sandbox.set_trust_policy(
        seed.policy({"Effect": "Allow", "Principal": {"AWS": seed.NO_KMS.arn}, "Action": "sts:AssumeRole"})
    )


ASSUME: dict[str, Any] = {"user": seed.ROLE_ONLY, "config": {"role_arn": seed.ROLE_ARN}}
ROLE_NOT_ASSUMED = "The role could not be assumed (sts:AssumeRole)"
SYMPTOMS = [
    Symptom(
        "the policy is not attached",
        FailureCode.LIST_DENIED,
        "This credential may not list secrets (secretsmanager:ListSecrets)",
        arrange=lambda sandbox: sandbox.detach_policy(),
    ),
    Symptom(
        "the policy lacks the KMSDecrypt statement",
        FailureCode.KMS_DENIED,
        "The secret is encrypted with a key this credential may not use (kms:Decrypt)",
        user=seed.NO_KMS,
        secret=seed.PAYMENTS_KEY.name,
    ),
    Symptom(
        "the access key id is mistyped",
        FailureCode.ACCESS_KEY_ID_UNKNOWN,
        "AWS does not know this access key ID",
        config={"access_key_id": "AKIARZPUZDIKAEXAMPLF"},
    ),
    Symptom(
        "the secret access key is mistyped",
        FailureCode.SECRET_ACCESS_KEY_WRONG,
        "The secret access key is wrong",
        secret_access_key="MadeUp+Reader/0001/opens/nothing/EXAMPLF",
    ),
    Symptom(
        "the region is not enabled in the account",
        FailureCode.REGION_NOT_ENABLED,
        "This account has not enabled af-south-1",
        config={"region": "af-south-1"},
    ),
    Symptom(
        "the region holds no secret",
        FailureCode.NO_SECRETS_IN_REGION,
        "No secrets found in us-west-2",
        level="warning",
        config={"region": seed.EMPTY_REGION},
    ),
    Symptom(
        "the user has no inline policy for the role",
        FailureCode.ROLE_NOT_ASSUMED,
        ROLE_NOT_ASSUMED,
        **ASSUME,
        external_id=seed.EXTERNAL_ID,
        arrange=lambda sandbox: sandbox.remove_inline_policy(seed.ROLE_ONLY),
    ),
    Symptom(
        "the role trusts somebody else",
        FailureCode.ROLE_NOT_ASSUMED,
        ROLE_NOT_ASSUMED,
        **ASSUME,
        external_id=seed.EXTERNAL_ID,
        arrange=_no_trust,
    ),
    Symptom(
        "the External ID does not match",
        FailureCode.ROLE_NOT_ASSUMED,
        ROLE_NOT_ASSUMED,
        **ASSUME,
        external_id="another-made-up-id",
    ),
    Symptom("the External ID is missing", FailureCode.ROLE_NOT_ASSUMED, ROLE_NOT_ASSUMED, **ASSUME),
    # Beyond the table, and easily taken for one of its rows
    Symptom(
        "the policy covers only some secrets",
        FailureCode.READ_DENIED,
        "This credential may not read database-credentials (secretsmanager:GetSecretValue)",
        secret=seed.DATABASE.name,
        arrange=lambda sandbox: sandbox.set_policy(
            seed.policy(
                {
                    "Effect": "Allow",
                    "Action": ["secretsmanager:ListSecrets", "secretsmanager:DescribeSecret"],
                    "Resource": "*",
                }
            )
        ),
    ),
    Symptom(
        "the secret lives in another region",
        FailureCode.SECRET_NOT_FOUND,
        "Secret not found: database-credentials",
        config={"region": seed.EMPTY_REGION},
        secret=seed.DATABASE.name,
    ),
    Symptom(
        "this server's clock is wrong",
        FailureCode.CLOCK_SKEW,
        "This server's clock is wrong, so AWS refuses its requests",
        arrange=lambda sandbox: sandbox.set_clock_offset(timedelta(hours=1)),
    ),
    Symptom(
        "the key that encrypts the secret is disabled",
        FailureCode.KMS_KEY_UNUSABLE,
        "The secret's KMS key is disabled or waits for deletion",
        secret=seed.PAYMENTS_KEY.name,
        arrange=lambda sandbox: sandbox.disable_kms_key(),
    ),
]


@pytest.fixture(params=SYMPTOMS, ids=lambda symptom: symptom.name)
def symptom(request: pytest.FixtureRequest) -> Symptom:
    found: Symptom = request.param
    return found


def arrange(symptom: Symptom, acme: Organization, alice: User, sandbox: Sandbox) -> Credential:
    """Set up AWS and store the credential; what AWS was asked before is forgotten."""
    symptom.arrange(sandbox)
    credential = store_credential(acme, alice, user=symptom.user, external_id=symptom.external_id, **symptom.config)
    if symptom.secret_access_key:
        credential.secrets = {"secret_access_key": symptom.secret_access_key}
        credential.save()
    return credential


def test_the_toast_names_the_cause_and_what_to_do(
    symptom: Symptom, acme: Organization, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    credential = arrange(symptom, acme, alice, sandbox)
    url = reverse("credential_test", args=[acme.uuid, credential.uuid])
    response = sign_in(alice).post(url, {"secret_name": symptom.secret}, follow=True)
    (toast,) = toasts_of(response)
    assert (toast.level, toast.title) == (symptom.level, symptom.title)
    assert toast.detail
    test = ConnectionTest.objects.get()
    assert symptom.code in [step["code"] for step in test.steps]
    assert test.ok == (symptom.level == "warning")
    failure = explain(symptom.code, next(step["facts"] for step in test.steps if step["code"] == symptom.code))
    for line in (failure.cause, *failure.steps):
        assert " ".join(str(line).split()) in text_of(response)


def test_no_two_symptoms_share_a_title() -> None:
    titles = {symptom.code: symptom.title for symptom in SYMPTOMS}
    assert len(titles) == len(set(titles.values())) == 11


def test_everything_that_can_fail_has_a_title_of_its_own() -> None:
    titles = [str(explain(code).title) for code in FailureCode]
    assert len(titles) == len(set(titles))


def test_right_after_the_set_up_the_page_says_that_aws_may_need_a_minute(
    acme: Organization, alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    """The last row: the test passes right after the IAM user was created, and fails the next time."""
    client = sign_in(alice)
    url = reverse("credential_test", args=[acme.uuid, aws_prod.uuid])
    assert toasts_of(client.post(url, follow=True))[0].level == "success"
    sandbox.deactivate_key()
    response = client.post(url, {"secret_name": ""}, follow=True)
    assert toasts_of(response)[0].title == "AWS does not know this access key ID"
    advice = "AWS may not know new IAM credentials everywhere yet. Wait a minute, then run Test Connection again."
    assert advice in text_of(response)

    Credential.objects.filter(pk=aws_prod.pk).update(updated_at=timezone.now() - timedelta(hours=1))
    assert advice not in text_of(client.post(url, {"secret_name": ""}, follow=True))


def test_a_failure_that_time_does_not_heal_is_not_blamed_on_time(
    acme: Organization, alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    url = reverse("credential_test", args=[acme.uuid, aws_prod.uuid])
    sandbox.disable_kms_key()
    response = sign_in(alice).post(url, {"secret_name": seed.PAYMENTS_KEY.name}, follow=True)
    assert "The secret's KMS key is disabled" in text_of(response)
    assert "AWS may not know new IAM credentials" not in text_of(response)

"""The guide's table of symptoms in a browser: somebody changes IAM, presses Test Connection, and reads what is wrong.

Each change is made in the sandbox's IAM, not in the credential, unless the row is about the credential.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from credentials.models import ConnectionTest
from organizations.models import Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import store_credential, store_role_credential

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

READ_WITHOUT_KMS = seed.policy(
    {
        "Effect": "Allow",
        "Action": ["secretsmanager:ListSecrets", "secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
        "Resource": "*",
    }
)
ANOTHER_EXTERNAL_ID = seed.policy(
    {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{seed.ACCOUNT_ID}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "changed-in-iam-only"}},
    }
)
ANOTHER_USER = seed.policy(
    {"Effect": "Allow", "Principal": {"AWS": seed.NO_KMS.arn}, "Action": "sts:AssumeRole"},
)


@dataclass(frozen=True)
class Row:
    """What is changed in IAM, which credential is tested, and what the page must say: title, a step to take."""

    change: Callable[[Sandbox], None]
    credential: str
    title: str
    advice: str
    secret: str = ""
    step: str = ""


ROLE_NOT_ASSUMED = "The role could not be assumed (sts:AssumeRole)"
TABLE = {
    "detach-the-policy": Row(
        lambda sandbox: sandbox.detach_policy(),
        "aws-prod",
        "This credential may not list secrets (secretsmanager:ListSecrets)",
        "Attach CrewAISecretsManagerRead to the IAM user",
        step="List secrets",
    ),
    "wrong-user": Row(
        lambda _sandbox: None,
        "aws-wrong-user",
        "This credential may not list secrets (secretsmanager:ListSecrets)",
        f"Identity {seed.ROLE_ONLY.arn}",
        step="List secrets",
    ),
    "drop-kmsdecrypt": Row(
        lambda sandbox: sandbox.set_policy(READ_WITHOUT_KMS),
        "aws-prod",
        "The secret is encrypted with a key this credential may not use (kms:Decrypt)",
        "In KMS open the key and check that its key policy allows the user or the role",
        secret=seed.PAYMENTS_KEY.name,
        step="Decrypt it",
    ),
    "scope-the-policy": Row(
        lambda sandbox: sandbox.set_policy(seed.SCOPED_POLICY),
        "aws-prod",
        "This credential may not list secrets (secretsmanager:ListSecrets)",
        'ListSecrets works only with Resource "*"',
        step="List secrets",
    ),
    "delete-the-inline-policy": Row(
        lambda sandbox: sandbox.remove_inline_policy(seed.ROLE_ONLY),
        "aws-role",
        ROLE_NOT_ASSUMED,
        "an inline policy must allow sts:AssumeRole on exactly this role",
        step="Assume the role",
    ),
    "wrong-external-id": Row(
        lambda sandbox: sandbox.set_trust_policy(ANOTHER_EXTERNAL_ID),
        "aws-role",
        ROLE_NOT_ASSUMED,
        "External ID: it must equal the one in the trust policy",
        step="Assume the role",
    ),
    "role-trusts-somebody-else": Row(
        lambda sandbox: sandbox.set_trust_policy(ANOTHER_USER),
        "aws-role",
        ROLE_NOT_ASSUMED,
        "Trust relationships: the user's account or the user must be the principal",
        step="Assume the role",
    ),
    "deactivate-the-key": Row(
        lambda sandbox: sandbox.deactivate_key(),
        "aws-prod",
        "AWS does not know this access key ID",
        "If it is inactive, activate it",
        step="Sign in to AWS",
    ),
    "mistyped-secret-access-key": Row(
        lambda _sandbox: None,
        "aws-mistyped",
        "The secret access key is wrong",
        "paste the secret access key again",
        step="Sign in to AWS",
    ),
    "another-region-without-secrets": Row(
        lambda _sandbox: None,
        "aws-elsewhere",
        "No secrets found in us-west-2",
        "choose that region",
        step="List secrets",
    ),
    "another-region-that-is-not-enabled": Row(
        lambda _sandbox: None,
        "aws-not-enabled",
        "This account has not enabled eu-south-1",
        "enable eu-south-1 under Account, AWS Regions",
        step="Sign in to AWS",
    ),
    "secret-of-another-region": Row(
        lambda _sandbox: None,
        "aws-elsewhere",
        f"Secret not found: {seed.DATABASE.name}",
        "Check that the credential's region and account are the secret's",
        secret=seed.DATABASE.name,
        step="Describe a secret",
    ),
}


def press_test_connection(page: Page, name: str, secret: str) -> None:
    page.get_by_role("link", name="Secret Provider Credentials").first.click()
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_label("Secret to read in the test").fill(secret)
    page.get_by_role("button", name="Test Connection").click()


def test_each_row_of_the_guide_s_table_is_told_when_iam_is_changed(
    acme: Organization, alice: User, sandbox: Sandbox, enter: Callable[[User], Page], picture: Callable[[str], None]
) -> None:
    store_credential(acme, alice, "aws-prod")
    store_credential(acme, alice, "aws-wrong-user", seed.ROLE_ONLY)
    store_credential(acme, alice, "aws-elsewhere", region=seed.EMPTY_REGION)
    store_credential(acme, alice, "aws-not-enabled", region="eu-south-1")
    store_role_credential(acme, alice)
    mistyped = store_credential(acme, alice, "aws-mistyped")
    mistyped.secrets = {"secret_access_key": seed.READER.secret_access_key[:-1] + "F"}
    mistyped.save()
    page = enter(alice)
    for name, row in TABLE.items():
        sandbox.reset()
        ConnectionTest.objects.all().delete()  # more than ten in a minute
        row.change(sandbox)
        press_test_connection(page, row.credential, row.secret)
        expect(page.locator("#toasts .toast").last, name).to_contain_text(row.title)
        opened = page.locator("details.step-body[open]")
        expect(opened, name).to_have_count(1)
        expect(opened.locator("summary"), name).to_contain_text(row.step)
        expect(opened, name).to_contain_text(row.title)
        expect(opened, name).to_contain_text(row.advice)
        picture(f"symptom-{name}")
    sandbox.reset()
    ConnectionTest.objects.all().delete()
    press_test_connection(page, "aws-role", seed.PAYMENTS_KEY.name)
    expect(page.locator("#toasts .toast").last).to_contain_text("Connected to AWS Secrets Manager")
    expect(page.locator("details.step-body[open]")).to_have_count(0)


def test_steps_fold_and_unfold_by_keyboard_and_without_javascript(
    acme: Organization, alice: User, sandbox: Sandbox, enter: Callable[..., Page], open_page: Callable[..., Page]
) -> None:
    store_credential(acme, alice, "aws-prod")
    sandbox.detach_policy()
    page = enter(alice, page=open_page(java_script_enabled=False))
    press_test_connection(page, "aws-prod", "")
    signed_in = page.locator("details.step-body").filter(has_text="Sign in to AWS")
    expect(signed_in.get_by_text("Request ID")).to_be_hidden()
    signed_in.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(signed_in.get_by_text("Request ID")).to_be_visible()
    failed = page.locator("details.step-body").filter(has_text="List secrets")
    failed.locator("summary").focus()
    page.keyboard.press("Space")
    expect(failed.get_by_text("Attach CrewAISecretsManagerRead")).to_be_hidden()
    expect(failed.locator("summary")).to_contain_text("may not list secrets")

"""The AWS guide, steps 5 to 7, followed by the owner of an organization in a browser."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from credentials.models import Credential
from organizations.models import Organization, User
from sandbox import seed
from sandbox.aws import Sandbox

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Enter = Callable[[User], Page]
Picture = Callable[[str], None]


def add_credential(page: Page, **fields: str) -> None:
    """Fill the form as the guide says, and send it."""
    values = {
        "Name": "aws-prod",
        "Region": seed.REGION,
        "Access Key ID": seed.READER.access_key_id,
        "Secret Access Key": seed.READER.secret_access_key,
    } | fields
    page.get_by_role("link", name="Add Credential").first.click()
    for label, value in values.items():
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_role("button", name="Create").click()


def run_test(page: Page, name: str) -> None:
    row = page.get_by_role("row").filter(has_text=name)
    row.get_by_role("button", name="Test Connection").click()


def toast(page: Page) -> Any:
    return page.locator("#toasts .toast").last


def test_the_guide_from_sign_in_to_the_success_toast(
    acme: Organization, alice: User, sandbox: Sandbox, enter: Enter, picture: Picture
) -> None:
    page = enter(alice)
    page.get_by_role("link", name="Secret Provider Credentials").click()
    expect(page.get_by_role("heading", name="Secret Provider Credentials", level=1)).to_be_visible()
    picture("1-empty-state")
    page.get_by_role("link", name="Add Credential").first.click()
    expect(page.get_by_role("heading", name="Add Secret Provider Credential")).to_be_visible()
    picture("2-add-form")
    page.get_by_label("Name", exact=True).fill("aws-prod")
    page.get_by_label("Region", exact=True).fill("N. Virginia")
    page.get_by_label("Access Key ID", exact=True).fill(f" {seed.READER.access_key_id}\t")
    page.get_by_label("Secret Access Key", exact=True).fill(seed.READER.secret_access_key)
    page.get_by_label("Set as default credential for this provider").check()
    page.get_by_role("button", name="Create").click()
    row = page.get_by_role("row").filter(has_text="aws-prod")
    expect(row).to_contain_text("(default)")
    expect(row).to_contain_text("us-east-1")
    picture("3-created")
    address = page.url
    run_test(page, "aws-prod")
    expect(toast(page)).to_contain_text("Connected to AWS Secrets Manager")
    expect(toast(page)).to_contain_text(seed.ACCOUNT_ID)
    assert page.url == address, "the toast comes without another page"
    picture("4-success-toast")
    assert Credential.objects.get().last_test.ok


def test_assume_role_with_its_external_id(
    acme: Organization, alice: User, sandbox: Sandbox, enter: Enter, picture: Picture
) -> None:
    page = enter(alice)
    page.get_by_role("link", name="Secret Provider Credentials").click()
    keys = {"Access Key ID": seed.ROLE_ONLY.access_key_id, "Secret Access Key": seed.ROLE_ONLY.secret_access_key}
    add_credential(page, **keys, **{"Role ARN": seed.ROLE_ARN, "External ID": seed.EXTERNAL_ID})
    run_test(page, "aws-prod")
    expect(toast(page)).to_contain_text("Connected to AWS Secrets Manager")
    assert ("sts", "AssumeRole", None) in [tuple(call) for call in sandbox.calls] or any(
        "AssumeRole" in str(call) for call in sandbox.calls
    )
    picture("5-assume-role")


@pytest.mark.parametrize(
    ("case", "fields", "message"),
    [
        (
            "wrong-external-id",
            {"Role ARN": seed.ROLE_ARN, "External ID": "not-the-one-of-the-role"},
            "role could not be assumed",
        ),
        (
            "mistyped-secret-key",
            {"Secret Access Key": seed.READER.secret_access_key.replace("Reader", "Raeder")},
            "secret access key",
        ),
        ("mistyped-key-id", {"Access Key ID": "AKIARZPUZDIKZEXAMPLE"}, "access key ID"),
        (
            "no-list-permission",
            {
                "Access Key ID": seed.SCOPED_READER.access_key_id,
                "Secret Access Key": seed.SCOPED_READER.secret_access_key,
            },
            "secretsmanager:ListSecrets",
        ),
        ("empty-region", {"Region": seed.EMPTY_REGION}, "No secrets found in us-west-2"),
        ("region-not-enabled", {"Region": "eu-south-1"}, "has not enabled eu-south-1"),
    ],
)
def test_each_mistake_has_its_own_message(
    acme: Organization,
    alice: User,
    sandbox: Sandbox,
    enter: Enter,
    picture: Picture,
    case: str,
    fields: dict[str, str],
    message: str,
) -> None:
    page = enter(alice)
    page.get_by_role("link", name="Secret Provider Credentials").click()
    add_credential(page, **fields)
    run_test(page, "aws-prod")
    expect(toast(page)).to_contain_text(message, ignore_case=True)
    expect(toast(page)).to_have_css("opacity", "1")  # it fades in
    picture(f"6-{case}")


def test_a_customer_key_without_decrypt_is_named_as_such(
    acme: Organization, alice: User, sandbox: Sandbox, enter: Enter, picture: Picture
) -> None:
    page = enter(alice)
    page.get_by_role("link", name="Secret Provider Credentials").click()
    keys = {"Access Key ID": seed.NO_KMS.access_key_id, "Secret Access Key": seed.NO_KMS.secret_access_key}
    add_credential(page, **keys)
    page.get_by_role("link", name="aws-prod").click()
    page.get_by_label("Secret to read in the test").fill("crewai/payments-key")
    page.get_by_role("button", name="Test Connection").click()
    expect(toast(page)).to_contain_text("kms:Decrypt")
    expect(toast(page)).to_have_css("opacity", "1")
    picture("7-no-decrypt")


def test_without_javascript_the_toast_comes_with_the_next_page(
    acme: Organization, alice: User, sandbox: Sandbox, aws_prod: Credential, open_page: Callable[..., Page], enter: Any
) -> None:
    page = enter(alice, page=open_page(java_script_enabled=False))
    page.get_by_role("link", name="Secret Provider Credentials").click()
    run_test(page, "aws-prod")
    expect(page.locator("#toasts")).to_contain_text("Connected to AWS Secrets Manager")


def test_an_invalid_form_names_each_error_beside_its_field_and_keeps_the_rest(
    acme: Organization, alice: User, enter: Enter, picture: Picture
) -> None:
    page = enter(alice)
    page.get_by_role("link", name="Secret Provider Credentials").click()
    add_credential(page, **{"Access Key ID": "AIDARZPUZDIKAEXAMPLE", "External ID": "x", "Region": "us-esat-1"})
    expect(page.get_by_label("Name", exact=True)).to_have_value("aws-prod")
    for label in ("Region", "Access Key ID", "External ID"):
        expect(page.get_by_label(label, exact=True)).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Secret Access Key", exact=True)).to_have_value("")
    picture("8-invalid-form")


def test_what_is_typed_can_be_tried_before_it_is_created(
    acme: Organization, alice: User, sandbox: Sandbox, enter: Enter, picture: Picture
) -> None:
    page = enter(alice)
    page.get_by_role("link", name="Secret Provider Credentials").click()
    page.get_by_role("link", name="Add Credential").first.click()
    page.get_by_label("Region", exact=True).fill(seed.REGION)
    page.get_by_label("Access Key ID", exact=True).fill(seed.READER.access_key_id)
    page.get_by_label("Secret Access Key", exact=True).fill(seed.READER.secret_access_key[::-1])
    page.get_by_role("button", name="Test Connection").click()
    outcome = page.locator("#try-result")
    expect(outcome).to_contain_text("secret access key", ignore_case=True)
    page.get_by_label("Secret Access Key", exact=True).fill(seed.READER.secret_access_key)
    page.get_by_role("button", name="Test Connection").click()
    expect(outcome).to_contain_text("Connected to AWS Secrets Manager")
    expect(page.get_by_label("Secret Access Key", exact=True)).to_have_value(seed.READER.secret_access_key)
    picture("9-tried-before-created")
    page.get_by_label("Name", exact=True).fill("aws-prod")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("row").filter(has_text="aws-prod")).to_be_visible()

"""A used credential is changed, and another one deleted: what would break is shown before, and takes a name typed."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from credentials.models import Credential
from envvars.models import EnvironmentVariable
from organizations.models import Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.browser.conftest import NARROW, WIDE, accessibility_problems
from tests.builders import restrict_to, store_automation, store_credential, store_reference

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Enter = Callable[..., Page]


@pytest.fixture
def used(acme: Organization, alice: User, aws_prod: Credential, sandbox: Sandbox) -> Credential:
    """Three variables are read with the default: two name it, one relies on it. Another region has two secrets."""
    crew = store_automation(acme)
    store_reference(acme, "API_KEY", seed.OPENAI_KEY.name, aws_prod, [crew])
    store_reference(acme, "DATABASE_PASSWORD", f"{seed.DATABASE.name}#password", aws_prod, [crew])
    store_reference(acme, "PAYMENTS_KEY", seed.PAYMENTS_KEY.name)
    for secret in (seed.OPENAI_KEY, seed.DATABASE):
        sandbox.put_secret(secret.name, secret.value, seed.EMPTY_REGION)
    return aws_prod


def test_a_wrong_region_is_noticed_before_it_is_saved(
    used: Credential, alice: User, enter: Enter, picture: Callable[[str], None]
) -> None:
    page = enter(alice)
    page.get_by_role("link", name="Secret Provider Credentials").click()
    page.get_by_role("link", name="aws-prod").click()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Region").fill(seed.EMPTY_REGION)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Save the changes of aws-prod?")).to_be_visible()
    row = page.get_by_role("listitem").filter(has_text="PAYMENTS_KEY")
    expect(row).to_contain_text("would break")
    expect(row).to_contain_text("Secret not found")
    expect(page.get_by_role("listitem").filter(has_text="API_KEY")).to_contain_text("works")
    picture("impact-preview")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("This is not the name. Type aws-prod.")).to_be_visible()
    assert Credential.objects.get().config["region"] == seed.REGION
    page.get_by_label("Name of the credential").fill("aws-prod")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Credential “aws-prod” was saved.")).to_be_visible()
    assert Credential.objects.get().config["region"] == seed.EMPTY_REGION


def test_a_used_credential_is_deleted_and_its_variables_are_read_with_another(
    acme: Organization, used: Credential, alice: User, enter: Enter, picture: Callable[[str], None]
) -> None:
    store_credential(acme, alice, "aws-scoped", seed.SCOPED_READER)
    store_credential(acme, alice, "aws-stage")
    page = enter(alice)
    page.goto(f"/organizations/{acme.uuid}/settings/credentials/{used.uuid}/")
    page.get_by_role("link", name="Delete").click()
    expect(page.get_by_text("This credential is in use")).to_be_visible()
    picture("delete-reassign")
    page.get_by_label("Read them with").select_option(label="aws-scoped")
    page.get_by_role("button", name="Reassign and delete").click()
    expect(page.get_by_role("listitem").filter(has_text="DATABASE_PASSWORD")).to_contain_text("would break")
    picture("delete-reassign-preview")
    page.get_by_role("link", name="Cancel").click()
    page.get_by_label("Read them with").select_option(label="aws-stage")
    page.get_by_role("button", name="Reassign and delete").click()
    expect(page.get_by_text("“aws-prod” was deleted; 3 variables are read with “aws-stage” now.")).to_be_visible()
    expect(page.get_by_text("3 of 3 variables work after this change.")).to_be_visible()
    picture("delete-reassigned")
    assert {one.credential.name for one in EnvironmentVariable.objects.all() if one.credential} == {"aws-stage"}


def test_without_javascript_the_preview_and_its_answer_work(used: Credential, alice: User, open_page: Enter) -> None:
    page = open_page(java_script_enabled=False)
    page.goto("/account/login/")
    page.get_by_label("Email").or_(page.get_by_label("E-mail")).first.fill(alice.email)
    page.get_by_label("Password", exact=True).fill("correct horse battery staple")
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"/organizations/{used.organization.uuid}/settings/credentials/{used.uuid}/edit/")
    page.get_by_label("Access Key ID").fill(seed.NO_KMS.access_key_id)
    page.get_by_text("Replace").first.click()
    page.get_by_label("New Secret Access Key").fill(seed.NO_KMS.secret_access_key)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("2 of 3 variables work after this change.")).to_be_visible()
    assert seed.NO_KMS.secret_access_key not in page.content()
    page.get_by_label("Name of the credential").fill("aws-prod")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Credential “aws-prod” was saved.")).to_be_visible()
    assert Credential.objects.get().secrets.reveal() == {"secret_access_key": seed.NO_KMS.secret_access_key}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_preview_and_the_lists_are_accessible_and_fit(
    acme: Organization,
    used: Credential,
    alice: User,
    enter: Enter,
    open_page: Callable[..., Page],
    keep: Callable[[Page, str], None],
    theme: str,
    size: dict[str, int],
) -> None:
    template = f"postgres://${{{seed.DATABASE.name}#username}}:${{{seed.DATABASE.name}#password|url}}@host/${{other}}"
    store_reference(acme, "DATABASE_URL", template, used)
    hidden = store_automation(acme, "Payroll crew", "payroll-crew")
    restrict_to(hidden, alice.memberships.get())
    base = f"/organizations/{acme.uuid}"
    credential = f"{base}/settings/credentials/{used.uuid}"
    store_credential(acme, alice, "aws-stage")
    page = enter(alice, page=open_page(viewport=size, color_scheme=theme))
    problems: list[str] = []

    def look(name: str) -> None:
        problems.extend(f"{name}: {problem}" for problem in accessibility_problems(page))
        if page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") > 0:
            problems.append(f"{name} is wider than the window")
        keep(page, f"{name}-{theme}-{size['width']}")

    for name, address in {
        "used-by": f"{credential}/#used-heading",
        "uses": f"{credential}/uses/",
        "delete": f"{credential}/delete/",
        "secret": f"{base}/environment-variables/secret/?name={seed.DATABASE.name}",
        "secret-empty": f"{base}/environment-variables/secret/?name=nothing",
    }.items():
        page.goto(address)
        look(name)
    page.goto(f"{credential}/edit/")
    page.get_by_label("Role ARN").fill(seed.ROLE_ARN)
    page.get_by_label("Region").fill(seed.EMPTY_REGION)
    page.get_by_label("External ID", exact=True).fill(seed.EXTERNAL_ID)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("would break").first).to_be_visible()
    look("preview")
    assert problems == []

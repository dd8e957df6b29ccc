"""Support staff find what a person asks about, by keyboard and on a phone; the organization's owner reads of it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from credentials.models import Credential
from organizations.models import Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.browser.conftest import NARROW
from tests.browser.test_keyboard import reach

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_who_may_only_look_goes_through_lists_by_keyboard_and_the_owner_reads_of_it(
    acme: Organization,
    alice: User,
    bob: User,
    aws_prod: Credential,
    support: User,
    open_page: Callable[..., Page],
    enter: Callable[..., Page],
    keep: Callable[[Page, str], None],
) -> None:
    page = enter(support, page=open_page(viewport=NARROW))
    expect(page.get_by_role("heading", name="Support", exact=True)).to_be_visible()
    page.get_by_label("Navigation").focus()
    page.keyboard.press("Enter")
    keep(page, "support-navigation-390")
    reach(page, "link", "Secret provider credentials")
    page.keyboard.press("Enter")
    page.wait_for_url("**/credentials/credential/")
    expect(page.get_by_role("checkbox")).to_have_count(0)
    reach(page, "searchbox", "Search by name or organization")
    page.keyboard.type("acme")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=acme")
    page.locator("summary").filter(has_text="Default:").focus()
    page.keyboard.press("Enter")
    reach(page, "link", "Yes")
    page.keyboard.press("Enter")
    page.wait_for_url("**is_default__exact=1**q=acme**")
    reach(page, "link", "aws-prod")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="aws-prod")).to_be_visible()
    assert seed.READER.secret_access_key not in page.content()
    assert seed.READER.access_key_id not in page.content()
    page.get_by_role("link", name="Secret provider credentials").last.click()
    expect(page.get_by_role("searchbox")).to_have_value("acme")
    page.get_by_role("link", name="aws-prod").click()
    page.get_by_role("link", name="Acme").click()
    expect(page.get_by_role("heading", name="Acme")).to_be_visible()

    owner = enter(alice, page=open_page())
    owner.goto(f"/organizations/{acme.uuid}/settings/audit-log/")
    owner.get_by_label("Person").fill(support.email)
    owner.get_by_role("button", name="Filter").click()
    told = owner.get_by_role("row")
    expect(told.nth(1)).to_contain_text("Sam Support looked at Acme, as support staff: organization")
    expect(told.filter(has_text="looked at aws-prod, as support staff")).to_have_count(2)
    expect(told.filter(has_text="secret provider credentials, 1 row")).to_have_count(4)
    keep(owner, "support-told")


def test_a_support_person_tests_a_credential_again_and_suspends_a_member(
    acme: Organization,
    alice: User,
    bob: User,
    aws_prod: Credential,
    sandbox: Sandbox,
    helper: User,
    open_page: Callable[..., Page],
    enter: Callable[..., Page],
    keep: Callable[[Page, str], None],
) -> None:
    page = enter(helper)
    page.get_by_label("Main").get_by_role("link", name="Secret provider credentials").click()
    page.get_by_label("Choose aws-prod").check()
    page.get_by_role("button", name="Test the connection again").click()
    expect(page.locator("#toasts")).to_contain_text("“aws-prod”: Connected to AWS Secrets Manager")
    expect(page.get_by_role("row").filter(has_text="aws-prod")).to_contain_text("Healthy")
    expect(page.locator("#toasts .toast.show:not(.showing)")).to_be_visible()
    keep(page, "support-tested")
    page.get_by_label("Main").get_by_role("link", name="Memberships").click()
    page.get_by_label("Choose Bob in Acme").check()
    page.get_by_role("button", name="Suspend").click()
    expect(page.get_by_role("heading", name="Suspend?")).to_be_visible()
    page.get_by_role("button", name="Suspend").click()
    expect(page.locator("#toasts")).to_contain_text("Bob in Acme was suspended.")
    expect(page.get_by_role("row").filter(has_text="Bob")).to_contain_text("Suspended")

    owner = enter(alice, page=open_page())
    owner.goto(f"/organizations/{acme.uuid}/settings/audit-log/?person={helper.email}")
    told = owner.get_by_role("row")
    expect(told.filter(has_text="Sam Support tested the connection of aws-prod: passed")).to_have_count(1)
    expect(told.filter(has_text="Sam Support suspended the member Bob")).to_have_count(1)


def test_the_products_theme_holds_for_support_staff_too(
    aws_prod: Credential, support: User, enter: Callable[..., Page]
) -> None:
    page = enter(support)
    page.locator("summary").filter(has_text="Sam Support").click()
    page.get_by_role("button", name="Dark").click()
    page.goto("/support/credentials/credential/")
    assert page.evaluate("document.documentElement.dataset.bsTheme") == "dark"
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    expect(page.get_by_role("button", name="Dark")).to_have_count(0)  # one switch, inside the closed menu

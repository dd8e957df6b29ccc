"""Connection problems in a browser: a pasted error text, and an entry that a link leads to."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from organizations.models import Organization, User
from tests.browser.conftest import NARROW, WIDE, accessibility_problems

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

DENIED = (
    "An error occurred (AccessDeniedException) when calling the GetSecretValue operation: User: "
    "arn:aws:iam::123456789012:user/made-up-reader is not authorized to perform: kms:Decrypt on resource: key"
)
TITLE = "AWS error: The secret is encrypted with a key this credential may not use (kms:Decrypt)"


def explain(page: Page, text: str) -> None:
    page.get_by_label("Explain an error text from AWS").fill(text)
    page.get_by_role("button", name="Explain").click()


@pytest.mark.parametrize(("theme", "size"), [("light", WIDE), ("dark", NARROW)], ids=["light-wide", "dark-narrow"])
def test_a_pasted_error_is_explained_and_leads_to_its_entry(
    acme: Organization,
    alice: User,
    open_page: Callable[..., Page],
    enter: Callable[..., Page],
    keep: Callable[[Page, str], None],
    theme: str,
    size: dict[str, int],
) -> None:
    page = enter(alice, page=open_page(viewport=size, color_scheme=theme))
    address = f"/organizations/{acme.uuid}/settings/credentials/problems/"
    page.goto(address)
    explain(page, DENIED)
    expect(page.get_by_role("heading", name=TITLE)).to_be_in_viewport()
    expect(page.locator("#answer")).to_contain_text("123456789012")
    expect(page.get_by_label("Explain an error text from AWS")).to_have_value("")
    assert "made-up-reader" not in page.content()
    assert accessibility_problems(page) == []
    keep(page, f"problem-explained-{theme}")
    page.locator("#answer").get_by_role("link", name="kms_denied").click()
    expect(page.locator("#kms_denied:target")).to_be_in_viewport()
    assert accessibility_problems(page) == []
    keep(page, f"problem-entry-{theme}")
    page.goto(address)
    explain(page, " ")
    expect(page.get_by_label("Explain an error text from AWS")).to_be_focused()
    expect(page.get_by_text("Paste the error text first.")).to_be_visible()
    assert accessibility_problems(page) == []
    keep(page, f"problem-invalid-{theme}")
    explain(page, "the coffee machine is out of beans")
    expect(page.locator("#answer")).to_contain_text("none of the AWS errors known here")
    assert accessibility_problems(page) == []
    keep(page, f"problem-unknown-{theme}")


def test_without_javascript_the_page_searches_and_explains(
    acme: Organization, alice: User, open_page: Callable[..., Page], enter: Callable[..., Page]
) -> None:
    page = enter(alice, page=open_page(java_script_enabled=False))
    page.get_by_role("link", name="Connection problems").click()
    explain(page, DENIED)
    expect(page.get_by_role("heading", name=TITLE)).to_be_visible()
    page.get_by_label("Search by words or code").fill("earlier kms")
    page.keyboard.press("Enter")
    expect(page.get_by_role("article")).to_have_count(1)
    expect(page.locator("#kms_key_changed")).to_be_visible()

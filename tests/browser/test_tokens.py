"""A service token in the browser: copied once, gone after a reload, rotated, revoked."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from envvars.models import ServiceToken
from envvars.services.tokens import token_of
from organizations.models import Organization, User
from tests.browser.conftest import accessibility_problems
from tests.builders import store_automation

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
TOKEN = re.compile(r"crewadmin_[0-9a-f]{12}_[A-Za-z0-9_-]{43}")


def shown_on(page: Page) -> str:
    expect(page.get_by_role("heading", name="Service token created")).to_be_visible()
    assert accessibility_problems(page) == []
    return TOKEN.findall(page.content())[0]


def test_a_token_is_created_rotated_and_revoked_and_shown_only_once(
    acme: Organization, alice: User, enter: Callable[..., Page], picture: Callable[[str], None]
) -> None:
    crew = store_automation(acme)
    page = enter(alice)
    page.goto(f"/organizations/{acme.uuid}/automations/{crew.uuid}/")
    page.get_by_role("link", name="Create service token").click()
    page.get_by_label("Name").fill("Production cluster")
    page.get_by_label("Works for").select_option(label="30 days")
    page.get_by_role("button", name="Create").click()
    text = shown_on(page)
    picture("token-created")
    assert token_of(text)

    page.reload()
    assert text not in page.content()
    expect(page.get_by_text("A token is shown only once.")).to_be_visible()
    assert ServiceToken.objects.count() == 1
    row = page.get_by_role("listitem").filter(has_text="Production cluster")
    expect(row).to_contain_text("never used")

    row.get_by_role("link", name="Rotate").click()
    page.get_by_label("The old token works for").select_option(label="no longer")
    page.get_by_role("button", name="Rotate").click()
    successor = shown_on(page)
    assert token_of(successor)
    assert token_of(text) is None
    page.get_by_role("link", name="Done").click()
    picture("tokens-listed")

    page.get_by_role("link", name="Revoke Production cluster").click()
    picture("token-revoke")
    page.get_by_role("button", name="Revoke service token").click()
    expect(page.get_by_text("was revoked.")).to_be_visible()
    assert token_of(successor) is None
    assert successor not in page.content()


def test_a_name_that_redirects_programs_is_stored_with_a_tick(
    acme: Organization, alice: User, enter: Callable[..., Page], picture: Callable[[str], None]
) -> None:
    page = enter(alice)
    page.goto(f"/organizations/{acme.uuid}/environment-variables/add/")
    page.get_by_label("Key").fill("HTTPS_PROXY")
    page.locator("textarea[name=value]").fill("http://proxy.example")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Programs send their network traffic")).to_be_visible()
    assert accessibility_problems(page) == []
    picture("variable-name-asked")
    page.get_by_label("I know what this name does to programs").check()
    page.locator("textarea[name=value]").fill("http://proxy.example")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Variable HTTPS_PROXY was created.")).to_be_visible()

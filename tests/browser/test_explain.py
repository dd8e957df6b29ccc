"""Explaining a variable in the browser: from the automation to the hop that failed, without a page load."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from credentials.models import Credential
from organizations.models import Organization, User
from sandbox.aws import Sandbox
from tests.browser.conftest import NARROW, accessibility_problems
from tests.builders import store_automation, store_reference, store_role_credential

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_trace_leads_to_the_hop_that_failed_and_shows_no_value(
    acme: Organization,
    alice: User,
    aws_prod: Credential,
    sandbox: Sandbox,
    enter: Callable[..., Page],
    picture: Callable[[str], None],
) -> None:
    crew = store_automation(acme)
    role = store_role_credential(acme, alice)
    text = "postgres://${database-credentials#username}:${database-credentials#pasword|url}@host/app"
    store_reference(acme, "DATABASE_URL", text, role, [crew])
    store_reference(acme, "API_KEY", "crewai/openai-api-key", automations=[crew])
    page = enter(alice)
    page.goto(f"/organizations/{acme.uuid}/automations/{crew.uuid}/")
    page.get_by_role("link", name="Explain : DATABASE_URL").or_(
        page.get_by_role("link", name="Explain: DATABASE_URL")
    ).first.click()
    expect(page.get_by_role("heading", name="DATABASE_URL")).to_be_visible()
    assert accessibility_problems(page) == []
    picture("explain-stored")
    here = page.url
    page.evaluate("window.stillHere = true")

    trace = page.get_by_role("button", name="Trace")
    trace.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("No value: JSON key not found in database-credentials")).to_be_visible()
    assert page.evaluate("window.stillHere") is True
    assert page.url == here
    expect(page.get_by_role("button", name="Trace again")).to_be_focused()
    expect(page.get_by_text("Perhaps “password” is meant.")).to_be_visible()
    expect(page.locator("details[open]")).to_have_count(1)
    assert accessibility_problems(page) == []
    picture("explain-failed")
    page.set_viewport_size(NARROW)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    page.emulate_media(color_scheme="dark")
    picture("explain-failed-narrow-dark")


def test_it_works_without_javascript(
    acme: Organization,
    alice: User,
    aws_prod: Credential,
    sandbox: Sandbox,
    open_page: Callable[..., Page],
    enter: Callable[..., Page],
    keep: Callable[[Page, str], None],
) -> None:
    variable = store_reference(acme, "DB_PASSWORD", "database-credentials#password")
    page = enter(alice, page=open_page(java_script_enabled=False))
    page.goto(f"/organizations/{acme.uuid}/environment-variables/{variable.uuid}/explain/")
    page.get_by_role("button", name="Trace").click()
    expect(page.get_by_text("The variable has a value")).to_be_visible()
    assert "made-up-database-password" not in page.content()
    keep(page, "explain-passed")

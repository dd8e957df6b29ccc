"""The way from sign-in to a tested credential without a mouse."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from organizations.models import Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def reach(page: Page, role: str, name: str, *, most: int = 40) -> None:
    """Press Tab until a control has the focus; fails if it cannot be reached or shows no focus."""
    control = page.get_by_role(role, name=name, exact=True).first  # type: ignore[arg-type]  # a name of a role
    for _press in range(most):
        page.keyboard.press("Tab")
        if control.evaluate("one => one === document.activeElement"):
            style = control.evaluate("one => { const s = getComputedStyle(one); return s.outlineStyle + s.boxShadow }")
            assert style != "nonenone", f"{name} has the focus and does not show it"
            return
    raise AssertionError(f"Tab does not reach {name}")


def test_a_credential_is_added_and_tested_by_keyboard(
    acme: Organization, alice: User, sandbox: Sandbox, page: Page, picture: Callable[[str], None]
) -> None:
    page.goto("/account/login/")
    reach(page, "textbox", "Email")
    page.keyboard.type(alice.email)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/organizations/**")
    reach(page, "link", "Secret Provider Credentials")
    page.keyboard.press("Enter")
    page.wait_for_url("**/credentials/")
    reach(page, "link", "Add Credential")
    page.keyboard.press("Enter")
    page.wait_for_url("**/add/")
    reach(page, "textbox", "Name")
    page.keyboard.type("aws-prod")
    reach(page, "combobox", "Region")
    page.keyboard.type(seed.REGION)
    page.keyboard.press("Escape")
    reach(page, "textbox", "Access Key ID")
    page.keyboard.type(seed.READER.access_key_id)
    page.keyboard.press("Tab")
    page.keyboard.type(seed.READER.secret_access_key)
    picture("keyboard-form")
    page.keyboard.press("Enter")
    page.wait_for_url("**/credentials/")
    reach(page, "button", "Test Connection : aws-prod")
    page.keyboard.press("Enter")
    expect(page.locator("#toasts .toast").last).to_contain_text("Connected to AWS Secrets Manager")


def test_menus_open_and_close_by_keyboard(
    acme: Organization, alice: User, page: Page, enter: Callable[[User], Page]
) -> None:
    enter(alice)
    page.locator("summary").filter(has_text="Alice").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()

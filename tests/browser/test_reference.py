"""The reference of a variable: picked from what the vault holds by mouse or by keyboard, checked before it is saved."""

import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from credentials.models import Credential
from credentials.providers.aws.provider import AwsSecretsManager
from credentials.providers.base import ListedSecret
from envvars.models import EnvironmentVariable
from organizations.models import Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.browser.conftest import NARROW, WIDE, accessibility_problems
from tests.browser.test_keyboard import reach
from tests.builders import store_credential

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Enter = Callable[..., Page]
NAMES = ["crewai/openai-api-key", "crewai/payments-key", "database-credentials"]
PASSWORD = json.loads(seed.DATABASE.value)["password"]


@pytest.fixture
def form_page(acme: Organization, alice: User, aws_prod: Credential, sandbox: Sandbox, enter: Enter) -> Page:
    """The form of a new variable that is read with the default credential."""
    return opened(enter(alice), acme)


def opened(page: Page, organization: Organization) -> Page:
    page.goto(f"/organizations/{organization.uuid}/environment-variables/add/")
    page.get_by_label("Value Source", exact=True).select_option("Use AWS default")
    return page


def field(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Secret Name")


def options(page: Page) -> Locator:
    return page.get_by_role("listbox", name="Suggestions").get_by_role("option")


def said(page: Page) -> Locator:
    return page.locator("[data-combobox-status]")


def test_a_secret_and_its_key_are_picked_by_mouse_checked_and_saved(
    form_page: Page, picture: Callable[[str], None]
) -> None:
    page = form_page
    page.get_by_label("Key", exact=True).fill("DATABASE_PASSWORD")
    field(page).click()
    expect(options(page)).to_have_text([re.compile(name) for name in NAMES])
    picture("picker-all")
    field(page).press_sequentially("data")
    expect(options(page)).to_have_count(1)
    options(page).first.click()
    expect(field(page)).to_have_value("database-credentials")
    expect(field(page)).to_be_focused()
    expect(field(page)).to_have_attribute("aria-expanded", "false")
    field(page).press_sequentially("#")
    expect(options(page)).to_contain_text(["options", "password", "port", "username", "options.pool"])
    picture("picker-keys")
    options(page).filter(has_text="password").click()
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#reference-check")).to_contain_text("Found")
    expect(page.locator("#reference-check")).to_contain_text("JSON with these keys: options, password, port, username")
    assert PASSWORD not in page.content()
    picture("picker-checked")
    page.get_by_role("button", name="Create").click()
    page.wait_for_url("**/environment-variables/")
    assert EnvironmentVariable.objects.get().reference == "database-credentials#password"


def test_a_secret_and_its_key_are_picked_and_checked_by_keyboard(form_page: Page) -> None:
    page = form_page
    reach(page, "combobox", "Secret Name")
    page.keyboard.press("ArrowDown")
    expect(options(page).first).to_have_attribute("aria-selected", "true")
    expect(said(page)).to_have_text("3 secrets")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    active = field(page).get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").text_content().strip() == "database-credentials"  # type: ignore[union-attr]
    page.keyboard.press("ArrowDown")  # around the end
    expect(options(page).first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(field(page)).to_have_value("database-credentials")
    expect(field(page)).not_to_have_attribute("aria-activedescendant", "anything")
    page.keyboard.type("#PASS")
    expect(options(page)).to_have_text(["password"])
    page.keyboard.press("Escape")
    expect(options(page)).to_have_count(0)
    expect(field(page)).to_have_value("database-credentials#PASS")
    page.keyboard.press("ArrowDown")
    expect(options(page).first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(field(page)).to_have_value("database-credentials#password")
    reach(page, "button", "Check", most=2)
    page.keyboard.press("Enter")
    expect(page.locator("#reference-check")).to_contain_text("Found")
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("x")
    expect(page.locator("#reference-check")).to_be_empty()  # it was said of something else


def test_enter_in_a_field_saves_and_does_not_check(form_page: Page) -> None:
    form_page.get_by_label("Key", exact=True).fill("DATABASE_PASSWORD")
    field(form_page).fill("database-credentials#password")
    field(form_page).press("Enter")
    form_page.wait_for_url("**/environment-variables/")
    assert EnvironmentVariable.objects.get().reference == "database-credentials#password"


def test_the_part_of_a_template_under_the_caret_is_completed(form_page: Page, picture: Callable[[str], None]) -> None:
    page = form_page
    field(page).press_sequentially("postgres://${data")
    expect(options(page)).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.type("#user")
    expect(options(page)).to_have_text(["username"])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(field(page)).to_have_value("postgres://${database-credentials#username}")
    page.keyboard.type(":${database-credentials#pasword|url}@host")
    expect(options(page)).to_have_count(0)
    page.get_by_role("button", name="Check").click()
    found = page.locator("#reference-check .note")
    expect(found).to_have_count(2)
    expect(found.first).to_contain_text("Found")
    expect(found.last).to_contain_text("JSON key not found in database-credentials")
    expect(found.last).to_contain_text("Perhaps password is meant")
    picture("picker-template-checked")


def test_the_vault_that_is_asked_follows_the_chosen_value_source(
    form_page: Page, acme: Organization, alice: User, sandbox: Sandbox
) -> None:
    store_credential(acme, alice, "aws-empty", region=seed.EMPTY_REGION)
    page = form_page
    page.reload()
    source = page.get_by_label("Value Source", exact=True)
    source.select_option("Use AWS default")
    field(page).click()
    expect(options(page)).to_have_count(3)
    source.select_option("aws-empty (AWS Secrets Manager)")
    expect(page.locator("[data-combobox-popup]")).to_be_hidden()
    field(page).click()
    expect(said(page)).to_contain_text("No secrets found in us-west-2")
    source.select_option("Direct Value")
    expect(field(page)).to_be_hidden()


def test_without_the_right_to_list_the_field_says_so_and_takes_a_typed_name(
    form_page: Page, sandbox: Sandbox, picture: Callable[[str], None]
) -> None:
    sandbox.set_policy(seed.SCOPED_POLICY)
    field(form_page).press_sequentially("crewai/openai-api-key")
    expect(said(form_page)).to_contain_text("This credential may not list secrets. Type the name")
    expect(field(form_page)).to_have_attribute("aria-expanded", "false")
    picture("picker-denied")
    form_page.get_by_role("button", name="Check").click()
    expect(form_page.locator("#reference-check")).to_contain_text("Found")


def test_a_slow_vault_is_waited_for_and_a_late_answer_is_not_shown(
    form_page: Page, monkeypatch: pytest.MonkeyPatch, picture: Callable[[str], None]
) -> None:
    go_on = threading.Event()

    def slow(provider: Any, prefix: str) -> tuple[ListedSecret, ...]:
        go_on.wait(10)
        return (ListedSecret("slower"),)

    monkeypatch.setattr(AwsSecretsManager, "list_names", slow)
    field(form_page).press_sequentially("slow")
    expect(form_page.locator(".combobox-waiting")).to_be_visible()
    expect(said(form_page)).to_have_text("Asking the vault…")
    picture("picker-waiting")
    form_page.keyboard.press("Escape")
    go_on.set()
    form_page.wait_for_timeout(500)
    expect(form_page.locator("[data-combobox-popup]")).to_be_hidden()
    field(form_page).press_sequentially("er")
    expect(options(form_page)).to_contain_text(["slower"])


def test_without_javascript_it_is_a_text_field_and_check_keeps_what_is_typed(
    acme: Organization,
    alice: User,
    aws_prod: Credential,
    sandbox: Sandbox,
    enter: Enter,
    open_page: Callable[..., Page],
    keep: Callable[[Page, str], None],
) -> None:
    page = opened(enter(alice, page=open_page(java_script_enabled=False)), acme)
    secret_name = page.get_by_role("textbox", name="Secret Name")
    secret_name.fill("database-credentials#pasword")
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#reference-check")).to_contain_text("Perhaps password is meant")
    keep(page, "picker-without-javascript")
    expect(secret_name).to_have_value("database-credentials#pasword")
    expect(page.get_by_label("Value Source", exact=True)).to_have_value("provider_default:aws")
    secret_name.fill("database-credentials#password")
    page.get_by_label("Key", exact=True).fill("DATABASE_PASSWORD")
    page.get_by_role("button", name="Create").click()
    page.wait_for_url("**/environment-variables/")
    assert EnvironmentVariable.objects.get().reference == "database-credentials#password"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_suggestions_and_checks_are_accessible_and_fit(
    acme: Organization,
    alice: User,
    aws_prod: Credential,
    sandbox: Sandbox,
    enter: Enter,
    open_page: Callable[..., Page],
    keep: Callable[[Page, str], None],
    monkeypatch: pytest.MonkeyPatch,
    theme: str,
    size: dict[str, int],
) -> None:
    listed = (
        ListedSecret("crewai/" + "a-long-name-" * 12),
        ListedSecret("crewai/old", deletes_at=datetime(2030, 1, 1, tzinfo=UTC)),
        ListedSecret("crewai/rotated", rotates_at=datetime(2030, 1, 1, tzinfo=UTC)),
        *(ListedSecret(f"crewai/x{number:02}") for number in range(17)),
    )
    monkeypatch.setattr(AwsSecretsManager, "list_names", lambda provider, prefix: listed)
    page = opened(enter(alice, page=open_page(viewport=size, color_scheme=theme)), acme)
    field(page).press("ArrowDown")
    expect(options(page).nth(1)).to_contain_text("pending deletion")
    expect(options(page).nth(2)).to_contain_text("rotates")
    expect(said(page)).to_have_text("The first 20 secrets. Type more of the name.")
    problems = look_at(page, keep, f"picker-open-{theme}-{size['width']}")
    field(page).fill("${database-credentials#password} ${crewai/none} ${crewai/openai-api-key#key}")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#reference-check .note")).to_have_count(3)
    problems += look_at(page, keep, f"picker-checked-{theme}-{size['width']}")
    assert problems == []


def look_at(page: Page, keep: Callable[[Page, str], None], name: str) -> list[str]:
    """Return what is wrong with a page as it stands."""
    keep(page, name)
    width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return accessibility_problems(page) + ([f"{width} px wider than the window"] if width > 0 else [])

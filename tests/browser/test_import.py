"""A file is chosen, its plan is looked at, and it is imported; with JavaScript the file is chosen once."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from envvars.models import EnvironmentVariable
from organizations.models import Organization, User
from tests.browser.conftest import NARROW, accessibility_problems

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ROWS = "key,source,value\n" + "".join(f"KEY_{number:03},direct,made-up-canary\n" for number in range(300))


def choose(page: Page, acme: Organization, content: str) -> None:
    page.goto(f"/organizations/{acme.uuid}/environment-variables/import/")
    file: Any = {"name": "variables.csv", "mimeType": "text/csv", "buffer": content.encode()}
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Show the plan").click()


def test_a_file_is_planned_and_imported(
    acme: Organization, alice: User, enter: Callable[..., Page], picture: Callable[[str], None]
) -> None:
    page = enter(alice)
    choose(page, acme, "key,value\n1ST,made-up-canary\n")
    expect(page.get_by_role("alert")).to_contain_text("variables.csv:2:1: key:")
    picture("import-faults")
    choose(page, acme, ROWS)
    expect(page.get_by_role("heading", name="The plan")).to_be_visible()
    expect(page.get_by_text("and 100 more")).to_be_attached()
    assert accessibility_problems(page) == []
    picture("import-plan")
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]  # a plain dict
    picture("import-plan-narrow")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    page.get_by_role("button", name="Import", exact=True).click()
    page.wait_for_url("**/environment-variables/")
    expect(page.get_by_text("Imported: create 300.")).to_be_visible()
    assert "made-up-canary" not in page.content()
    assert EnvironmentVariable.objects.count() == 300


def test_without_javascript_the_same_file_is_chosen_again(
    acme: Organization, alice: User, open_page: Callable[..., Page], enter: Callable[..., Page]
) -> None:
    page = enter(alice, page=open_page(java_script_enabled=False))
    choose(page, acme, ROWS)
    file: Any = {"name": "variables.csv", "mimeType": "text/csv", "buffer": ROWS.encode()}
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Import", exact=True).click()
    page.wait_for_url("**/environment-variables/")
    assert EnvironmentVariable.objects.count() == 300


def test_removals_are_confirmed_by_their_number(
    acme: Organization, alice: User, enter: Callable[..., Page], picture: Callable[[str], None]
) -> None:
    page = enter(alice)
    choose(page, acme, ROWS)
    page.get_by_role("button", name="Import", exact=True).click()
    page.wait_for_url("**/environment-variables/")
    page.goto(f"/organizations/{acme.uuid}/environment-variables/import/")
    page.get_by_label("Remove rows of this import").check()
    file: Any = {"name": "variables.csv", "mimeType": "text/csv", "buffer": ROWS[:-40].encode()}
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Show the plan").click()
    number = page.get_by_label("Type 1 to confirm")
    number.fill("3")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("Type the number of rows to remove, 1.")).to_be_visible()
    assert accessibility_problems(page) == []
    picture("import-removals")
    number.fill("1")
    page.get_by_role("button", name="Import", exact=True).click()
    page.wait_for_url("**/environment-variables/")
    assert EnvironmentVariable.objects.count() == 299
    page.goto(f"/organizations/{acme.uuid}/environment-variables/{EnvironmentVariable.objects.all()[0].uuid}/edit/")
    expect(page.get_by_text("As the import “variables.csv” left it.")).to_be_visible()
    picture("variable-imported")


def test_the_page_shows_how_far_an_import_is(acme: Organization, alice: User, enter: Callable[..., Page]) -> None:
    page = enter(alice)
    page.route("**/import/?progress=*", lambda route: route.fulfill(json={"percent": 42}))
    asked: list[str] = []

    def answer(route: Any) -> None:
        if route.request.method == "POST":
            asked.append(route.request.post_data or "")
            page.wait_for_timeout(1_500)
            bar = page.get_by_role("progressbar", name="Progress")
            expect(bar).to_have_js_property("value", 42)
        route.continue_()

    page.route("**/environment-variables/import/", answer)
    choose(page, acme, ROWS)
    expect(page.get_by_role("heading", name="The plan")).to_be_visible(timeout=20_000)
    assert len(asked) == 1
    expect(page.get_by_role("progressbar", name="Progress")).to_be_hidden()

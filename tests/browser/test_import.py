"""A file is chosen, its plan is looked at, and it is imported; with JavaScript the file is chosen once."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from envvars.models import EnvironmentVariable
from envvars.services.imports import VariableStore
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
    expect(page.get_by_role("row", name="Line 2 key")).to_be_visible()
    expect(page.get_by_text("The file has 1 fault.").locator("xpath=../..")).to_be_focused()
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


def test_an_import_needs_no_mouse(acme: Organization, alice: User, enter: Callable[..., Page]) -> None:
    page = enter(alice)
    choose(page, acme, "key,value\nA,1\nB,1\n")
    page.get_by_role("button", name="Import", exact=True).click()
    page.wait_for_url("**/environment-variables/")
    page.goto(f"/organizations/{acme.uuid}/environment-variables/import/")
    file: Any = {"name": "variables.csv", "mimeType": "text/csv", "buffer": b"key,value\nA,1\n"}
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_label("Name of the import").focus()
    for key in ("Tab", "Space", "Tab", "Enter"):  # removals, the plan
        page.keyboard.press(key)
    expect(page.get_by_role("heading", name="The plan")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("2")
    page.keyboard.press("Enter")  # as people confirm a number: it imports, it does not plan again
    expect(page.get_by_text("Type the number of rows to remove, 1.")).to_be_visible()
    number = page.get_by_label("Type 1 to confirm")
    expect(number).to_be_focused()
    expect(number).to_have_value("2")
    page.keyboard.press("Control+a")
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    page.wait_for_url("**/environment-variables/")
    assert [one.key for one in EnvironmentVariable.objects.all()] == ["A"]


def test_a_file_that_was_mended_after_it_was_chosen_is_chosen_again(
    acme: Organization, alice: User, enter: Callable[..., Page], tmp_path: Path
) -> None:
    page, file = enter(alice), tmp_path / "variables.csv"
    page.goto(f"/organizations/{acme.uuid}/environment-variables/import/")
    file.write_text("key,value\n1ST,1\n")
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Show the plan").click()
    expect(page.get_by_text("The file has 1 fault.")).to_be_visible()
    file.write_text("key,value\nFIRST,1\n")
    page.get_by_role("button", name="Show the plan").click()
    expect(page.get_by_text("It was changed or moved after it was chosen.")).to_be_visible()
    expect(page.get_by_label("File", exact=True)).to_be_focused()
    expect(page.get_by_label("File", exact=True)).to_have_value("")
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Show the plan").click()
    expect(page.get_by_role("heading", name="Create 1")).to_be_visible()


# --- Somebody leaves, or the server does ----------------------------------------------------------------------------
@pytest.fixture
def held_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Event, Event]]:
    """Stop an import before its first write: `began` says that it is there, and it goes on once `go` is set."""
    began, go, write = Event(), Event(), VariableStore.write

    def stopped(self: VariableStore, changes: Any) -> None:
        began.set()
        assert go.wait(20)
        write(self, changes)

    monkeypatch.setattr(VariableStore, "write", stopped)
    yield began, go
    go.set()


@pytest.mark.parametrize("leave", ["reload", "back", "close"])
def test_an_import_goes_on_when_its_page_is_left_and_the_next_page_says_so(
    acme: Organization, alice: User, enter: Callable[..., Page], held_up: tuple[Event, Event], leave: str
) -> None:
    page, (began, go) = enter(alice), held_up
    page.goto(f"/organizations/{acme.uuid}/environment-variables/")
    choose(page, acme, ROWS)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("Importing…")).to_be_visible()
    expect(page.get_by_text("Reading…")).to_be_hidden()
    assert began.wait(10)
    if leave == "close":
        page, left = page.context.new_page(), page
        left.close()
    else:
        page.reload() if leave == "reload" else page.go_back()
    go.set()
    done = page.get_by_text("Imported: create 300.")
    for _look in range(20):
        page.goto(f"/organizations/{acme.uuid}/environment-variables/")
        if done.is_visible():
            break
        page.wait_for_timeout(200)
    expect(done).to_be_visible()
    assert EnvironmentVariable.objects.count() == 300


def test_two_tabs_that_import_the_same_plan_at_once_import_it_once(
    acme: Organization, alice: User, enter: Callable[..., Page], held_up: tuple[Event, Event]
) -> None:
    page, (began, go) = enter(alice), held_up
    other = page.context.new_page()
    for tab in (page, other):
        choose(tab, acme, ROWS)
        expect(tab.get_by_role("heading", name="The plan")).to_be_visible()
    page.get_by_role("button", name="Import", exact=True).click()
    assert began.wait(10)
    other.get_by_role("button", name="Import", exact=True).click()
    other.wait_for_timeout(500)
    go.set()
    page.wait_for_url("**/environment-variables/")
    expect(other.get_by_text("this is another plan than the one shown")).to_be_visible()
    expect(other.get_by_text("Everything is as the file says already.")).to_be_visible()
    assert EnvironmentVariable.objects.count() == 300


def test_a_server_that_goes_away_is_said_and_the_plan_can_be_imported_again(
    acme: Organization, alice: User, enter: Callable[..., Page]
) -> None:
    page = enter(alice)
    choose(page, acme, ROWS)
    button = page.get_by_role("button", name="Import", exact=True)
    expect(button).to_be_visible()
    page.route("**/import/", lambda route: route.fulfill(status=503))
    button.click()
    expect(page.get_by_text("That did not work")).to_be_visible()
    expect(page.get_by_role("progressbar", name="Progress")).to_be_hidden()
    page.unroute("**/import/")
    button.click()
    page.wait_for_url("**/environment-variables/")
    assert EnvironmentVariable.objects.count() == 300


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

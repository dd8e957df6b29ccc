"""A file is chosen, its plan is looked at, and it is imported; with JavaScript the file is chosen once."""

from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, expect

from envvars.importing.run import VariableImport
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


# --- What happens meanwhile -----------------------------------------------------------------------------------------
Hold = Callable[[type, str], tuple[Event, Event]]


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hold]:
    """Return a function that has the server wait in a method: it sets the first event, and goes on by the second."""
    may_go_on = Event()

    def held(kind: type, name: str) -> tuple[Event, Event]:
        there, method = Event(), getattr(kind, name)

        def waiting(*args: Any, **options: Any) -> Any:
            there.set()
            may_go_on.wait(30)
            return method(*args, **options)

        monkeypatch.setattr(kind, name, waiting)
        return there, may_go_on

    yield held
    may_go_on.set()


def test_an_import_whose_tab_is_closed_goes_on_and_is_told_on_the_next_page(
    acme: Organization,
    alice: User,
    enter: Callable[..., Page],
    picture: Callable[[str], None],
    hold: Hold,
) -> None:
    page = enter(alice)
    choose(page, acme, ROWS)
    writes, go_on = hold(VariableStore, "write")
    page.get_by_role("button", name="Import", exact=True).click()
    assert writes.wait(10)
    expect(page.get_by_role("progressbar", name="Progress")).to_be_in_viewport()
    expect(page.get_by_text("You may close this page")).to_be_visible()
    assert accessibility_problems(page) == []
    picture("import-progress")
    another = page.context.new_page()
    page.close()
    assert EnvironmentVariable.objects.count() == 0
    go_on.set()
    told = another.get_by_text("Imported: create 300.")
    for _attempt in range(20):
        another.goto(f"/organizations/{acme.uuid}/environment-variables/")
        if told.is_visible():
            break
    expect(told).to_be_visible()
    assert EnvironmentVariable.objects.count() == 300


def test_who_is_signed_out_while_an_import_goes_on_is_led_to_sign_in(
    acme: Organization, alice: User, enter: Callable[..., Page], hold: Hold
) -> None:
    page = enter(alice)
    choose(page, acme, ROWS)
    applies, go_on = hold(VariableImport, "apply")
    page.get_by_role("button", name="Import", exact=True).click()
    assert applies.wait(10)
    Session.objects.all().delete()
    page.wait_for_timeout(1_200)  # meanwhile the page asks how far it is, and is led to sign-in
    go_on.set()
    page.wait_for_url("**/account/login/**")
    assert EnvironmentVariable.objects.count() == 300

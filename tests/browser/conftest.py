"""A real Chromium against a real server: pages are used by what a person reads, by mouse or by keyboard.

Every page that a test opens is watched: a console error (a broken Content-Security-Policy rule is one) fails the test.
With SCREENSHOTS=folder the journeys leave a picture of each step there.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import Permission
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from organizations.models import User
from tests.conftest import PASSWORD

ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
#: An invalid form answers 422 and a refused page 403 or 404: Chromium reports the status itself. htmx reports each
#: request that is cancelled because somebody types on, and the 400 of a sign-in that ended during the request.
FINE = (
    "Failed to load resource: the server responded",
    "Response Status Error Code 400",
    "htmx:afterRequest, [object HTMLDivElement]",
    "htmx:sendAbort, [object HTMLDivElement]",
)
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser, live_server: Any) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a new window; the options are those of a Playwright context."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def opened(**options: Any) -> Page:
        context = chromium.new_context(**{"base_url": live_server.url, "viewport": WIDE, **options})
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [text for text in complaints if not text.startswith(FINE)] == []


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    return open_page()


@pytest.fixture
def enter(page: Page) -> Callable[[User], Page]:
    """Return a function that signs a person in through the sign-in page."""

    def entered(user: User, page: Page = page) -> Page:
        page.goto("/account/login/")
        page.get_by_label("E-mail").or_(page.get_by_label("Email")).first.fill(user.email)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda address: "/account/login/" not in address)
        return page

    return entered


@pytest.fixture
def support(db: None) -> User:
    """A person of the support team: may view everything there is to view, and belongs to no organization."""
    user = User.objects.create_user("support@crewadmin.example", PASSWORD, name="Sam Support", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    return user


@pytest.fixture
def helper(support: User) -> User:
    """A support person who may act."""
    acts = ("retest_credential", "suspend_membership", "end_sessions")
    support.user_permissions.add(*Permission.objects.filter(codename__in=acts))
    return support


@pytest.fixture
def keep() -> Callable[[Page, str], None]:
    """Return a function that keeps a picture of a page, where pictures are wanted."""
    folder = os.environ.get("SCREENSHOTS")

    def kept(page: Page, name: str) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=f"{folder}/{name}.png", animations="disabled")

    return kept


@pytest.fixture
def picture(page: Page, keep: Callable[[Page, str], None]) -> Callable[[str], None]:
    """Return a function that keeps a picture of the test's own page."""
    return lambda name: keep(page, name)


def accessibility_problems(page: Page) -> list[str]:
    """Return what axe finds on a page: rule, number of places, first place."""
    violations = Axe().run(page).response["violations"]
    return [f"{one['id']} x{len(one['nodes'])}: {one['nodes'][0]['target']}" for one in violations]

"""A second factor, from its set-up to the next sign-in, as people do it; passkeys with Chromium's own authenticator."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from organizations.models import Organization, User
from tests.browser.conftest import accessibility_problems
from tests.conftest import PASSWORD
from tests.second_factors import App, give_passkey

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Enter = Callable[..., Page]


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> App:
    return App(monkeypatch)


def give_password(page: Page, user: User) -> None:
    page.goto("/account/login/")
    page.get_by_label("Email").first.fill(user.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def sign_out(page: Page) -> None:
    page.locator(".menu-end > summary").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url("**/account/login/")


def open_from_menu(page: Page, name: str) -> None:
    page.locator(".menu-end > summary").click()
    page.get_by_role("link", name=name).click()


def give_code(page: Page, code: str) -> None:
    page.get_by_label("Code", exact=True).fill(code)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_an_app_is_set_up_and_signs_in(
    acme: Organization, alice: User, app: App, enter: Enter, picture: Callable[[str], None], tmp_path: Path
) -> None:
    page = enter(alice)
    open_from_menu(page, "Second factor")
    page.get_by_role("link", name="Set up").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    assert page.get_by_role("img", name="QR code").evaluate("image => image.naturalWidth") > 100
    picture("second-factor-app")
    app.seed = page.locator(".command code").inner_text()
    page.get_by_label("Authenticator code").fill(app.code())
    page.get_by_role("button", name="Confirm the code").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    codes = page.locator(".recovery-codes li").all_inner_texts()
    assert len(set(codes)) == 10
    picture("second-factor-codes")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as text").click()
    download.value.save_as(tmp_path / "codes.txt")
    assert (tmp_path / "codes.txt").read_text().split() == codes
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("10 codes left")).to_be_visible()
    assert accessibility_problems(page) == []
    picture("second-factor")

    sign_out(page)
    give_password(page, alice)
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    assert accessibility_problems(page) == []
    picture("second-step")
    give_code(page, "000000")
    expect(page.get_by_text("Incorrect code.")).to_be_visible()
    give_code(page, app.code())
    page.wait_for_url("**/organizations/**")

    sign_out(page)
    give_password(page, alice)
    give_code(page, codes[0])
    page.wait_for_url("**/organizations/**")
    sign_out(page)
    give_password(page, alice)
    give_code(page, codes[0])
    expect(page.get_by_text("Incorrect code.")).to_be_visible()


@pytest.fixture
def authenticator(page: Page) -> None:
    """A security key in Chromium that says yes to everything."""
    tools = page.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_a_passkey_is_added_signs_in_and_confirms(
    acme: Organization,
    alice: User,
    authenticator: None,
    enter: Enter,
    picture: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = enter(alice)
    page.goto("/account/second-factor/passkeys/add/")
    picture("passkey-add")
    page.get_by_label("Name").fill("Work laptop")
    page.get_by_label("Name").press("Enter")
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("Work laptop")).to_be_visible()
    picture("second-factor-passkey")

    sign_out(page)
    give_password(page, alice)
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/organizations/**")

    monkeypatch.setattr("organizations.access.time", lambda: 4_000_000_000.0)  # every proof is old
    page.goto("/account/second-factor/")
    page.get_by_role("link", name="Rename Work laptop").click()
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    assert accessibility_problems(page) == []
    picture("confirm-password")
    page.get_by_role("link", name="Use a passkey").click()
    picture("confirm-passkey")
    monkeypatch.undo()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Rename passkey")).to_be_visible()


def test_a_browser_without_a_passkey_says_so(acme: Organization, alice: User, enter: Enter) -> None:
    page = enter(alice)
    page.add_init_script("navigator.credentials.create = () => Promise.reject(new DOMException('', 'NotAllowedError'))")
    page.goto("/account/second-factor/passkeys/add/")
    page.get_by_role("button", name="Add passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("The browser used no passkey.")


def test_an_organization_requires_a_second_factor(
    acme: Organization, alice: User, bob: User, app: App, page: Page, picture: Callable[[str], None]
) -> None:
    give_passkey(alice)
    Organization.objects.filter(pk=acme.pk).update(requires_mfa=True)
    give_password(page, bob)
    expect(page.get_by_text("Acme requires a second factor")).to_be_visible()
    picture("second-factor-required")
    page.get_by_role("link", name="Set up").click()
    app.seed = page.locator(".command code").inner_text()
    page.get_by_label("Authenticator code").fill(app.code())
    page.get_by_role("button", name="Confirm the code").click()
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_role("link", name="Continue to Acme").click()
    assert urlsplit(page.url).path.startswith(f"/organizations/{acme.uuid}/")
    expect(page.get_by_role("heading", name="Environment Variables", exact=True)).to_be_visible()

"""The pages of a person's second factor, and a sign-in with it."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client

from organizations.models import AuditEvent, Organization, User
from tests.conftest import PASSWORD
from tests.pages import errors_beside, html_of, text_of
from tests.second_factors import App, give_passkey, give_recovery_codes

SignIn = Callable[[User], Client]
INDEX = "/account/second-factor/"
APP, CODES, PASSKEY = f"{INDEX}app/", f"{INDEX}recovery-codes/", f"{INDEX}passkeys/add/"
SECOND_STEP = "/account/login/second-factor/"


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> App:
    return App(monkeypatch)


def seed_on(page: Any) -> str:
    found = re.search(r"<code>([A-Z2-7]{32})</code>", html_of(page))
    assert found
    return found[1]


def codes_on(page: Any) -> list[str]:
    return re.findall(r"<li>(\d{8})</li>", html_of(page))


def enter_password(user: User) -> Client:
    client = Client()
    client.post("/account/login/", {"login": user.email, "password": PASSWORD})
    return client


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


# --- Set-up of an app -----------------------------------------------------------------------------------------------
def test_an_app_is_set_up_with_its_first_code_and_recovery_codes_follow(alice: User, sign_in: SignIn, app: App) -> None:
    client = sign_in(alice)
    page = client.get(APP)
    assert 'src="data:image/svg+xml;base64,' in html_of(page)
    app.seed = seed_on(page)
    answer = client.post(APP, {"code": app.code()}, follow=True)
    assert answer.request["PATH_INFO"] == CODES
    assert len(codes_on(answer)) == 10


def test_a_wrong_code_sets_nothing_up_and_keeps_the_key(alice: User, sign_in: SignIn, app: App) -> None:
    client = sign_in(alice)
    seed = seed_on(client.get(APP))
    answer = client.post(APP, {"code": "000000"})
    assert errors_beside(answer, "code") == "Incorrect code."
    assert seed_on(answer) == seed
    assert not Authenticator.objects.exists()


@pytest.mark.parametrize("address", [APP, "/account/reauthenticate/code/", SECOND_STEP])
def test_a_refused_code_is_not_written_back(alice: User, sign_in: SignIn, app: App, address: str) -> None:
    """It may be a recovery code with one digit wrong, or a password in the wrong field."""
    client = sign_in(alice)
    if address != APP:
        app.set_up_for(alice)
    if address == SECOND_STEP:
        client = enter_password(alice)
    page = client.post(address, {"code": "48151623"})
    assert "one-time-code" in html_of(page)
    assert errors_beside(page, "code")
    assert "48151623" not in html_of(page)


@pytest.mark.parametrize("code", ["", "\0", "\u0660" * 6, "\ud800", "9" * 5000, "' OR 1=1"])
def test_a_hostile_code_is_refused_beside_the_field(alice: User, sign_in: SignIn, app: App, code: str) -> None:
    client = sign_in(alice)
    client.get(APP)
    body = "code=" + quote(code.encode("utf-8", "surrogatepass"))
    answer = client.post(APP, body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200
    assert errors_beside(answer, "code")


def test_the_database_holds_no_seed_and_no_code(alice: User, sign_in: SignIn, app: App) -> None:
    client = sign_in(alice)
    app.seed = seed_on(client.get(APP))
    sessions = [json.dumps(session.get_decoded()) for session in Session.objects.all()]
    assert sessions
    assert all(app.seed not in session for session in sessions)
    codes = codes_on(client.post(APP, {"code": app.code()}, follow=True))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT data FROM {Authenticator._meta.db_table}")  # noqa: S608 - a name
        stored = str(cursor.fetchall())
    assert '"secret"' in stored
    assert '"seed"' in stored
    assert [text for text in (app.seed, *codes) if text in stored] == []


# --- Recovery codes -------------------------------------------------------------------------------------------------
def test_recovery_codes_are_shown_once_and_can_be_downloaded_meanwhile(alice: User, sign_in: SignIn, app: App) -> None:
    app.set_up_for(alice)
    codes = give_recovery_codes(alice)
    client = sign_in(alice)
    assert client.head(CODES).status_code == 405
    page = client.get(CODES)
    assert codes_on(page) == codes
    assert "no-store" in page["Cache-Control"]
    file = client.get(f"{CODES}file/")
    assert file.content.decode().split() == codes
    assert file["Content-Type"].startswith("text/plain")
    assert "no-store" in file["Cache-Control"]
    assert "attachment" in file["Content-Disposition"]
    again = client.get(CODES)
    assert codes_on(again) == []
    assert not any(code in html_of(again) for code in codes)


def test_the_file_exists_only_after_the_codes_were_shown_and_for_ten_minutes(
    alice: User, sign_in: SignIn, app: App
) -> None:
    app.set_up_for(alice)
    client = sign_in(alice)
    assert client.get(f"{CODES}file/").status_code == 404
    give_recovery_codes(alice)
    assert client.get(f"{CODES}file/").status_code == 404
    client.get(CODES)
    row = Authenticator.objects.get(type="recovery_codes")
    row.data["viewed_at"] -= 601
    row.save()
    assert client.get(f"{CODES}file/").status_code == 404


def test_new_codes_replace_the_old_ones(alice: User, sign_in: SignIn, app: App) -> None:
    app.set_up_for(alice)
    old = give_recovery_codes(alice)
    client = sign_in(alice)
    new = codes_on(client.post(f"{CODES}new/", follow=True))
    assert len(new) == 10
    assert not set(new) & set(old)


def test_there_are_no_codes_without_a_second_factor(alice: User, sign_in: SignIn) -> None:
    client = sign_in(alice)
    assert client.get(CODES).status_code == 404
    client.post(f"{CODES}new/")
    assert not Authenticator.objects.exists()


# --- Sign-in --------------------------------------------------------------------------------------------------------
def test_a_password_alone_is_not_enough(alice: User, acme: Organization, app: App) -> None:
    app.set_up_for(alice)
    client = Client()
    answer = client.post("/account/login/", {"login": alice.email, "password": PASSWORD}, follow=True)
    assert answer.request["PATH_INFO"] == SECOND_STEP
    assert not is_signed_in(client)
    assert client.get(f"/organizations/{acme.uuid}/")["Location"].startswith("/account/login/")


def test_the_code_of_the_app_signs_in_once(alice: User, acme: Organization, app: App) -> None:
    app.set_up_for(alice)
    client, other = enter_password(alice), enter_password(alice)
    assert client.post(SECOND_STEP, {"code": app.code()}).status_code == 302
    assert is_signed_in(client)
    answer = other.post(SECOND_STEP, {"code": app.code()})
    assert errors_beside(answer, "code") == "Incorrect code."
    assert not is_signed_in(other)


def test_a_recovery_code_signs_in_once(alice: User, app: App) -> None:
    app.set_up_for(alice)
    code = give_recovery_codes(alice)[3]
    client, other = enter_password(alice), enter_password(alice)
    client.post(SECOND_STEP, {"code": code})
    assert is_signed_in(client)
    other.post(SECOND_STEP, {"code": code})
    assert not is_signed_in(other)
    assert "9 codes left" in text_of(client.get(INDEX))


def test_guessing_codes_is_limited(alice: User, app: App) -> None:
    app.set_up_for(alice)
    client = enter_password(alice)
    for _attempt in range(5):
        client.post(SECOND_STEP, {"code": "000000"})
    answer = client.post(SECOND_STEP, {"code": app.code()})
    assert "Too many failed login attempts" in text_of(answer)
    assert not is_signed_in(client)


def test_the_second_step_is_no_page_of_its_own(alice: User) -> None:
    assert Client().get(SECOND_STEP)["Location"] == "/account/login/"


@pytest.mark.parametrize(
    "credential",
    ["", "x", "null", "[]", "{}", '{"id": 1}', '{"id": "\\u0000"}', '{"id": "\\ud800"}', "[" * 20_000, "9" * 70_000],
)
def test_a_hostile_passkey_answer_is_refused(alice: User, sign_in: SignIn, app: App, credential: str) -> None:
    app.set_up_for(alice)
    client = enter_password(alice)
    client.get(SECOND_STEP)
    assert client.post(SECOND_STEP, {"credential": credential}).status_code == 200
    assert not is_signed_in(client)
    signed_in = sign_in(alice)
    signed_in.get(PASSKEY)
    assert signed_in.post(PASSKEY, {"credential": credential, "name": "x"}).status_code == 200
    assert signed_in.post("/account/reauthenticate/passkey/", {"credential": credential}).status_code == 302
    assert not Authenticator.objects.filter(type="webauthn").exists()


def test_a_seed_that_cannot_be_opened_breaks_no_page(alice: User, sign_in: SignIn, app: App, settings: Any) -> None:
    app.set_up_for(alice)
    give_recovery_codes(alice)
    settings.FERNET_KEYS = ["b3RoZXItMzItcmFuZG9tLWJ5dGVzLTRuUTd4WjJrVzk="]
    answer = enter_password(alice).post(SECOND_STEP, {"code": app.code()})
    assert errors_beside(answer, "code").startswith("Your second factor cannot be opened here.")
    assert sign_in(alice).get(INDEX).status_code == 200


# --- What is set up -------------------------------------------------------------------------------------------------
def test_passkeys_are_listed_renamed_and_removed_by_their_own_person_only(
    alice: User, bob: User, sign_in: SignIn
) -> None:
    passkey = give_passkey(alice, "<b>Work</b>")
    page = sign_in(alice).get(INDEX)
    assert "&lt;b&gt;Work" in html_of(page)
    rename, remove = (f"{INDEX}passkeys/{passkey.pk}/{what}/" for what in ("rename", "remove"))
    stranger = sign_in(bob)
    for address in (rename, remove):
        assert stranger.get(address).status_code == 404
        assert stranger.post(address, {"name": "taken"}).status_code == 404
    client = sign_in(alice)
    assert client.post(rename, {"name": "Home"}, follow=True).request["PATH_INFO"] == INDEX
    assert Authenticator.objects.get(pk=passkey.pk).data["name"] == "Home"
    assert client.post(remove, follow=True).request["PATH_INFO"] == INDEX
    assert not Authenticator.objects.exists()


@pytest.mark.parametrize("name", ["", "x" * 101, "a\0b", "a\u202eb"])
def test_a_passkeys_name_is_one_that_can_be_read(alice: User, sign_in: SignIn, name: str) -> None:
    passkey = give_passkey(alice)
    answer = sign_in(alice).post(f"{INDEX}passkeys/{passkey.pk}/rename/", {"name": name})
    assert errors_beside(answer, "name")
    assert Authenticator.objects.get().data["name"] == "Work laptop"


def test_removing_the_app_removes_the_codes_that_stood_in_for_it(alice: User, sign_in: SignIn, app: App) -> None:
    app.set_up_for(alice)
    give_recovery_codes(alice)
    sign_in(alice).post(f"{APP}remove/")
    assert not Authenticator.objects.exists()


def test_an_app_that_is_set_up_is_not_set_up_again(alice: User, sign_in: SignIn, app: App) -> None:
    app.set_up_for(alice)
    assert sign_in(alice).get(APP)["Location"] == f"{APP}remove/"


def test_the_index_takes_as_many_queries_for_many_passkeys(
    alice: User, sign_in: SignIn, django_assert_max_num_queries: Any
) -> None:
    for number in range(50):
        give_passkey(alice, f"Passkey {number}")
    client = sign_in(alice)
    with django_assert_max_num_queries(3):
        client.get(INDEX)


# --- Audit ----------------------------------------------------------------------------------------------------------
def test_every_organization_of_the_person_hears_of_it(
    dora: User,
    acme: Organization,
    umbrella: Organization,
    sign_in: SignIn,
    app: App,
    django_capture_on_commit_callbacks: Any,
) -> None:
    client = sign_in(dora)
    app.seed = seed_on(client.get(APP))
    with django_capture_on_commit_callbacks(execute=True):
        client.post(APP, {"code": app.code()})
    client.post(f"{APP}remove/")
    for organization in (acme, umbrella):
        events = AuditEvent.objects.filter(organization=organization, actor=dora).order_by("id")
        assert [(event.action, event.details) for event in events] == [
            ("member:second_factor_added", {"kind": "totp"}),
            ("member:second_factor_removed", {"kind": "totp"}),
        ]

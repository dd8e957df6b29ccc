"""Where a person is signed in, how long that lasts, and how it ends."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.core.exceptions import ValidationError
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from organizations import sessions as clock
from organizations.audit import changing
from organizations.models import AuditEvent, Organization, User
from organizations.services.invitations import invite
from organizations.services.sessions import device_of, public_id, sign_out_everywhere
from tests.conftest import PASSWORD
from tests.pages import html_of, text_of, toasts_of

SignIn = Callable[[User], Client]
SESSIONS = "/account/sessions/"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 Version/18.0 Safari/604.1"


def enter(user: User, agent: str = WINDOWS) -> Client:
    """Sign in through the sign-in page."""
    client = Client(headers={"User-Agent": agent})
    client.post("/account/login/", {"login": user.email, "password": PASSWORD})
    return client


def is_signed_in(client: Client) -> bool:
    return client.get(SESSIONS).status_code == 200


# --- The list -------------------------------------------------------------------------------------------------------
def test_a_person_sees_their_own_sessions_and_no_key(alice: User, bob: User) -> None:
    here, phone = enter(alice), enter(alice, PHONE)
    enter(bob, "Bob's browser")
    page = here.get(SESSIONS)
    text = text_of(page)
    assert "Firefox on Windows this one" in text
    assert "Safari on iPhone" in text
    assert "127.0.0.1" in text
    assert "Bob" not in text.replace(alice.name, "")
    assert all(client.session.session_key not in html_of(page) for client in (here, phone))


def test_one_of_the_others_is_ended(alice: User) -> None:
    here, phone, third = enter(alice), enter(alice, PHONE), enter(alice)
    answer = here.post(SESSIONS, {"session": public_id(phone.session.session_key)}, follow=True)
    assert [toast.title for toast in toasts_of(answer)][-1] == "1 session was ended."
    assert [is_signed_in(client) for client in (here, phone, third)] == [True, False, True]


def test_all_the_others_are_ended(alice: User, bob: User) -> None:
    here, phone, third, of_bob = enter(alice), enter(alice, PHONE), enter(alice), enter(bob)
    answer = here.post(SESSIONS, follow=True)
    assert [toast.title for toast in toasts_of(answer)][-1] == "2 sessions were ended."
    assert [is_signed_in(client) for client in (here, phone, third, of_bob)] == [True, False, False, True]


@pytest.mark.parametrize("session", ["x", "\0", "' OR 1=1", "0" * 32])
def test_a_session_that_does_not_exist_ends_nothing(alice: User, session: str) -> None:
    here, phone = enter(alice), enter(alice, PHONE)
    here.post(SESSIONS, {"session": session})
    assert [is_signed_in(client) for client in (here, phone)] == [True, True]


def test_nobody_ends_a_session_of_somebody_else(alice: User, bob: User) -> None:
    here, of_bob = enter(alice), enter(bob)
    here.post(SESSIONS, {"session": public_id(of_bob.session.session_key)})
    assert is_signed_in(of_bob)


def test_nobody_ends_their_own_by_the_list(alice: User) -> None:
    here = enter(alice)
    here.post(SESSIONS, {"session": public_id(here.session.session_key)})
    assert is_signed_in(here)


def test_the_list_takes_as_many_queries_for_many_sessions(alice: User, django_assert_max_num_queries: Any) -> None:
    here = enter(alice)
    here.get("/account/profile/")  # the toast of the sign-in leaves the session
    for _number in range(30):
        client = Client()
        client.force_login(alice)
        UserSession.objects.create(user=alice, ip="127.0.0.1", session_key=client.session.session_key, user_agent="x")
    with django_assert_max_num_queries(3):
        assert text_of(here.get(SESSIONS)).count("last used") == 31


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (WINDOWS, "Firefox on Windows"),
        (PHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", "Unknown device"),
    ],
)
def test_a_device_has_a_name(agent: str, device: str) -> None:
    assert device_of(agent) == device


# --- How it ends ----------------------------------------------------------------------------------------------------
def test_a_changed_password_ends_the_other_sessions(alice: User) -> None:
    here, phone = enter(alice), enter(alice, PHONE)
    new = "another battery staple horse"
    here.post("/account/password/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert [is_signed_in(client) for client in (here, phone)] == [True, False]
    assert text_of(here.get(SESSIONS)).count("last used") == 1


def test_a_new_password_set_behind_the_scenes_ends_all(alice: User) -> None:
    here = enter(alice)
    alice.set_password("another battery staple horse")
    alice.save()
    assert not is_signed_in(here)


def test_support_can_end_all_sessions_of_a_person(alice: User) -> None:
    here, phone = enter(alice), enter(alice, PHONE)
    sign_out_everywhere(alice, None)
    assert [is_signed_in(client) for client in (here, phone)] == [False, False]
    assert text_of(enter(alice).get(SESSIONS)).count("last used") == 1


def test_each_organization_is_told_and_one_that_only_invited_them_learns_no_name(
    acme: Organization, umbrella: Organization, alice: User, mallory: User
) -> None:
    invite(umbrella, mallory, email=alice.email, role=umbrella.roles.get(kind="member"))
    sign_out_everywhere(alice, None)
    told = AuditEvent.objects.filter(action="member:sessions_ended")
    assert list(told.order_by("organization").values_list("organization", "target_uuid", "target_label")) == [
        (acme.pk, alice.uuid, "Alice"),
        (umbrella.pk, alice.uuid, alice.email),
    ]


def test_a_session_that_nobody_listed_ends_too(alice: User) -> None:
    here = enter(alice)
    UserSession.objects.all().delete()
    sign_out_everywhere(alice, None)
    assert not is_signed_in(here)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time anyway")
@pytest.mark.django_db(transaction=True)
def test_signing_somebody_out_and_inviting_them_at_once_do_not_wait_for_each_other(
    acme: Organization, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_the_lock, errors = threading.Event(), []

    def changing_noted(organization: Organization) -> Any:
        at_the_lock.set()
        return changing(organization)

    def sign_out() -> None:
        try:
            sign_out_everywhere(bob, None)
        except BaseException as error:  # told in the main thread
            errors.append(error)
        finally:
            connections.close_all()

    monkeypatch.setattr("organizations.services.sessions.changing", changing_noted)
    other = threading.Thread(target=sign_out)
    with changing(acme):
        other.start()
        assert at_the_lock.wait(10)
        with pytest.raises(ValidationError, match="member already"):
            invite(acme, alice, email=bob.email, role=acme.roles.get(kind="member"))
    other.join()
    assert errors == []
    assert acme.audit_events.filter(action="member:sessions_ended", target_uuid=bob.uuid).count() == 1


def test_signing_out_has_the_browser_drop_its_cache(alice: User) -> None:
    here = enter(alice)
    assert "Clear-Site-Data" not in here.get(SESSIONS).headers
    assert here.post("/account/logout/")["Clear-Site-Data"] == '"cache"'
    assert not is_signed_in(here)
    assert "Clear-Site-Data" not in Client().get("/account/login/").headers


# --- How long it lasts ----------------------------------------------------------------------------------------------
class Hands:
    """The hands of the server's clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = clock.time()
        monkeypatch.setattr(clock, "time", lambda: self.now)

    def move(self, minutes: float) -> None:
        self.now += minutes * 60


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    return Hands(monkeypatch)


def test_half_an_hour_without_use_ends_it(alice: User, acme: Organization, hands: Hands) -> None:
    here = enter(alice)
    hands.move(29)
    assert is_signed_in(here)
    hands.move(29)
    assert is_signed_in(here)
    hands.move(31)
    answer = here.get(f"/organizations/{acme.uuid}/environment-variables/")
    assert answer["Location"].startswith("/account/login/?next=")
    assert answer["Clear-Site-Data"] == '"cache"'
    assert "Your sign-in has ended." in text_of(here.get(answer["Location"]))


def test_nothing_is_done_by_a_request_that_comes_too_late(alice: User, acme: Organization, hands: Hands) -> None:
    here = enter(alice)
    hands.move(31)
    here.post("/account/profile/", {"name": "Somebody"})
    alice.refresh_from_db()
    assert alice.name == "Alice"


def test_twelve_hours_end_it_however_busy(alice: User, hands: Hands) -> None:
    here = enter(alice)
    for _quarter in range(4 * 12):
        assert is_signed_in(here)
        hands.move(15)
    hands.move(0.1)
    assert not is_signed_in(here)


def test_use_is_written_once_a_minute(alice: User, hands: Hands, django_assert_max_num_queries: Any) -> None:
    here = enter(alice)
    here.get("/account/profile/")  # the toast of the sign-in leaves the session
    before = timezone.now()
    with django_assert_max_num_queries(3):
        here.get(SESSIONS)
    assert UserSession.objects.get().last_seen_at < before
    hands.move(1)
    here.get(SESSIONS)
    assert UserSession.objects.get().last_seen_at > before


def test_a_sign_in_from_before_the_limits_counts_from_its_first_request(alice: User, hands: Hands) -> None:
    old = Client()
    old.force_login(alice)
    assert is_signed_in(old)
    hands.move(31)
    assert not is_signed_in(old)

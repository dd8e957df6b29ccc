"""Service tokens: made, shown once, rotated with an overlap, revoked; and never seen again anywhere."""

import hashlib
import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from envvars.models import Automation, ServiceToken
from envvars.services.tokens import MOST_TOKENS, TokenGivenError, add_token, revoke_token, rotate_token, token_of
from organizations.models import AuditEvent, Organization, User
from tests.builders import store_automation
from tests.pages import errors_beside, html_of, text_of, toasts_of, value_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def at(name: str, row: Automation | ServiceToken) -> str:
    return reverse(name, args=[row.organization.uuid, row.uuid])


def shown_in(page: Any) -> str:
    """The token that a page shows."""
    found = re.findall(r"crewadmin_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", html.unescape(html_of(page)))
    assert len(found) == 1
    return str(found[0])


def made(automation: Automation, days: float = 30) -> tuple[ServiceToken, str]:
    token, text = add_token(automation, None, name="Cluster", lifetime=timedelta(days=days), uuid=uuid4())
    return token, text.reveal()


# --- Creating -------------------------------------------------------------------------------------------------------
def test_a_new_token_is_shown_once_and_works(crew: Automation, bob: User, sign_in: SignIn) -> None:
    client = sign_in(bob)
    form = client.get(at("automation_token_add", crew))
    posted = {"uuid": value_of(form, "uuid"), "name": "Production cluster", "days": "30"}
    page = client.post(at("automation_token_add", crew), posted)
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    text = shown_in(page)
    token = token_of(text)
    assert token
    assert (token.automation, token.name, token.created_by) == (crew, "Production cluster", bob)
    assert timedelta(days=29) < token.expires_at - timezone.now() < timedelta(days=31)
    assert text.startswith(f"{token.prefix}_")
    later = client.get(at("automation_detail", crew))
    assert f"Production cluster {token.prefix}… Rotate Revoke works until" in text_of(later)
    assert "never used" in text_of(later)
    assert text not in html_of(later)


def test_the_same_form_sent_again_makes_no_second_token_and_shows_none(
    crew: Automation, bob: User, sign_in: SignIn
) -> None:
    client = sign_in(bob)
    posted = {"uuid": str(uuid4()), "name": "Cluster", "days": "30"}
    text = shown_in(client.post(at("automation_token_add", crew), posted))
    again = client.post(at("automation_token_add", crew), posted, follow=True)
    assert ServiceToken.objects.count() == 1
    assert toasts_of(again)[0].title == "This token was created already. A token is shown only once."
    assert text not in html_of(again)


def test_only_a_hash_is_stored(crew: Automation) -> None:
    token, text = made(crew)
    row = ServiceToken.objects.values().get()
    assert bytes(row["hash"]) == hashlib.sha256(text.encode()).digest()
    assert text.removeprefix(token.prefix) not in str(row)
    assert len({made(crew)[1] for _token in range(5)} | {text}) == 6
    assert str(token) == f"Cluster ({token.prefix})"


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("name", "", "This field is required."),
        ("name", "a\u202eb", "Remove characters that cannot be seen"),
        ("name", "x" * 101, "at most 100 characters"),
        ("days", "36500", "Select a valid choice"),
        ("days", "", "This field is required."),
    ],
)
def test_bad_input_is_refused_beside_the_field(
    field: str, value: str, error: str, crew: Automation, bob: User, sign_in: SignIn
) -> None:
    posted = {"uuid": str(uuid4()), "name": "Cluster", "days": "30", field: value}
    page = sign_in(bob).post(at("automation_token_add", crew), posted)
    assert page.status_code == 422
    assert error in errors_beside(page, field)
    assert not ServiceToken.objects.exists()


@pytest.mark.parametrize("uuid", ["", "x", "\x00", "1" * 5000])
def test_a_form_without_its_mark_makes_no_token(uuid: str, crew: Automation, bob: User, sign_in: SignIn) -> None:
    posted = {"uuid": uuid, "name": "Cluster", "days": "30"}
    assert sign_in(bob).post(at("automation_token_add", crew), posted).status_code == 422
    assert not ServiceToken.objects.exists()


def test_an_automation_has_so_many_tokens_at_most(crew: Automation, bob: User, sign_in: SignIn) -> None:
    for _token in range(MOST_TOKENS):
        made(crew)
    page = sign_in(bob).post(at("automation_token_add", crew), {"uuid": str(uuid4()), "name": "One more", "days": "30"})
    assert page.status_code == 422
    assert "An automation has 20 working tokens at most." in text_of(page)
    revoke_token(ServiceToken.objects.all()[0], None)
    made(crew)


# --- Rotating -------------------------------------------------------------------------------------------------------
def test_both_tokens_work_until_the_overlap_ends(crew: Automation, bob: User, sign_in: SignIn) -> None:
    old, text = made(crew)
    client = sign_in(bob)
    assert "Until the old one" in text_of(client.get(at("token_rotate", old)))
    successor = shown_in(client.post(at("token_rotate", old), {"uuid": str(uuid4()), "hours": "24"}))
    assert successor != text
    assert token_of(text)
    new = token_of(successor)
    assert new
    assert (new.name, new.automation) == (old.name, old.automation)
    assert abs((new.expires_at - new.created_at) - (old.expires_at - old.created_at)) < timedelta(minutes=1)
    old.refresh_from_db()
    assert timedelta(hours=23) < old.expires_at - timezone.now() < timedelta(hours=25)


def test_a_second_successor_lives_as_long_as_the_first(crew: Automation) -> None:
    old, _text = made(crew)
    lives = []
    for _time in range(2):
        successor, _text = rotate_token(old, None, overlap=timedelta(hours=1), uuid=uuid4())
        old.refresh_from_db()
        lives.append(successor.expires_at - successor.created_at)
    assert abs(lives[0] - lives[1]) < timedelta(minutes=1)
    assert min(lives) > timedelta(days=1)


def test_without_overlap_the_old_token_ends_at_once(crew: Automation, bob: User, sign_in: SignIn) -> None:
    old, text = made(crew)
    page = sign_in(bob).post(at("token_rotate", old), {"uuid": str(uuid4()), "hours": "0"})
    assert token_of(text) is None
    assert token_of(shown_in(page))


def test_an_overlap_never_lengthens_a_token_s_life(crew: Automation) -> None:
    old, _text = made(crew, days=1)
    ends = old.expires_at
    rotate_token(old, None, overlap=timedelta(days=7), uuid=uuid4())
    old.refresh_from_db()
    assert old.expires_at == ends


def test_a_token_that_ended_is_not_rotated(crew: Automation, bob: User, sign_in: SignIn) -> None:
    old, _text = made(crew, days=-1)
    page = sign_in(bob).post(at("token_rotate", old), {"uuid": str(uuid4()), "hours": "24"})
    assert page.status_code == 422
    assert "This token does not work any more." in text_of(page)
    assert ServiceToken.objects.count() == 1
    with pytest.raises(ValidationError):
        rotate_token(old, None, overlap=timedelta(0), uuid=uuid4())


def test_rotating_twice_by_one_form_makes_one_successor(crew: Automation) -> None:
    old, _text = made(crew)
    uuid = uuid4()
    rotate_token(old, None, overlap=timedelta(days=1), uuid=uuid)
    with pytest.raises(TokenGivenError):
        rotate_token(old, None, overlap=timedelta(days=1), uuid=uuid)
    assert ServiceToken.objects.count() == 2


# --- Revoking -------------------------------------------------------------------------------------------------------
def test_a_revoked_token_ends_at_once_and_stays_in_the_list(crew: Automation, bob: User, sign_in: SignIn) -> None:
    token, text = made(crew)
    client = sign_in(bob)
    assert f"Whatever sends {token.prefix}… gets no values" in text_of(client.get(at("token_revoke", token)))
    assert token_of(text)
    page = client.post(at("token_revoke", token), follow=True)
    assert toasts_of(page)[0].title == "Service token “Cluster” was revoked."
    assert token_of(text) is None
    assert f"Cluster {token.prefix}… revoked" in text_of(page)


def test_revoking_twice_is_written_down_once(crew: Automation) -> None:
    token, _text = made(crew)
    revoke_token(token, None)
    first = ServiceToken.objects.get().revoked_at
    revoke_token(token, None)
    assert ServiceToken.objects.get().revoked_at == first
    assert AuditEvent.objects.filter(action="token:revoked").count() == 1


def test_tokens_vanish_with_their_automation(crew: Automation) -> None:
    _token, text = made(crew)
    crew.delete()
    assert token_of(text) is None


# --- Who may, and what is written down ------------------------------------------------------------------------------
PAGES = ("automation_token_add", "token_rotate", "token_revoke")


@pytest.mark.parametrize("name", PAGES)
def test_only_who_manages_variables_and_just_proved_who_they_are(
    name: str, crew: Automation, alice: User, bob: User, dora: User, carol: User, mallory: User, sign_in: SignIn
) -> None:
    token, text = made(crew)
    address = at(name, crew if name.startswith("automation") else token)
    posted = {"uuid": str(uuid4()), "name": "Cluster", "days": "30", "hours": "0"}
    for user, status in ((dora, 403), (carol, 403), (mallory, 404)):
        assert [sign_in(user).get(address).status_code, sign_in(user).post(address, posted).status_code] == [status] * 2
    stale = Client()
    stale.force_login(bob)  # signed in, but not by a fresh proof
    for answer in (stale.get(address), stale.post(address, posted)):
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/account/reauthenticate/")
    assert ServiceToken.objects.get() == token
    assert token_of(text)


def test_somebody_who_only_reads_sees_the_tokens_and_no_buttons(crew: Automation, dora: User, sign_in: SignIn) -> None:
    token, _text = made(crew)
    words = text_of(sign_in(dora).get(at("automation_detail", crew)))
    assert f"Cluster {token.prefix}… works until" in words
    assert "Create service token" not in words


def test_tokens_of_other_automations_are_not_listed(
    acme: Organization, umbrella: Organization, crew: Automation, alice: User, sign_in: SignIn
) -> None:
    others = [made(store_automation(acme, "Other", "other"))[0], made(store_automation(umbrella))[0]]
    page = html_of(sign_in(alice).get(at("automation_detail", crew)))
    assert [other.prefix in page for other in others] == [False, False]


def test_every_change_is_written_down_without_the_token(crew: Automation, bob: User) -> None:
    token, text = add_token(crew, bob, name="Cluster", lifetime=timedelta(days=30), uuid=uuid4())
    successor, other = rotate_token(token, bob, overlap=timedelta(0), uuid=uuid4())
    revoke_token(successor, bob)
    events = AuditEvent.objects.filter(action__startswith="token:").order_by("id")
    assert [(one.action, one.actor, one.target_uuid) for one in events] == [
        ("token:created", bob, token.uuid),
        ("token:rotated", bob, token.uuid),
        ("token:revoked", bob, successor.uuid),
    ]
    assert events[0].target_label == f"Cluster ({token.prefix})"
    for secret in (text.reveal(), other.reveal()):
        assert secret.split("_", 2)[2] not in str(list(events.values()))


# --- Tokens from before they knew their lifetime --------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_a_token_from_before_gets_its_lifetime_by_migration(crew: Automation) -> None:
    token, _text = made(crew, days=30)
    ServiceToken.objects.update(expires_at=token.created_at + timedelta(days=7))
    try:
        MigrationExecutor(connection).migrate([("envvars", "0008_fewer_indexes")])
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes("envvars"))
    assert ServiceToken.objects.get().lifetime == timedelta(days=7)

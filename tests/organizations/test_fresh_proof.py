"""organizations.access.freshly_proven: what is hard to undo asks who it is, and forgets what was posted."""

from collections.abc import Callable
from time import time
from typing import Any

import pytest
from allauth.account.internal.flows.login import record_authentication
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.test import Client

from credentials.models import Credential
from organizations.models import Organization, User
from tests.conftest import PASSWORD
from tests.pages import text_of, toasts_of

SignIn = Callable[[User], Client]
REAUTHENTICATE = "/account/reauthenticate/"
CANARY = "canary-posted-7Qx2"


def prove(client: Client, user: User, method: str, **record: Any) -> None:
    """Write into a session how its person proved who they are."""
    request = HttpRequest()
    request.session = client.session
    record_authentication(request, user, method=method, **record)
    request.session.save()


@pytest.fixture
def stale(alice: User, acme: Organization) -> Client:
    """A browser in which Alice signed in eleven minutes ago."""
    client = Client()
    client.force_login(alice)
    prove(client, alice, "password", at=time() - 11 * 60)
    return client


@pytest.fixture
def delete(acme: Organization, credential: Credential) -> str:
    return f"/organizations/{acme.uuid}/settings/credentials/{credential.uuid}/delete/"


@pytest.fixture
def edit(acme: Organization, credential: Credential) -> str:
    return f"/organizations/{acme.uuid}/settings/credentials/{credential.uuid}/edit/"


# --- An expired proof -----------------------------------------------------------------------------------------------
def test_a_page_leads_to_the_confirmation_and_back(stale: Client, delete: str) -> None:
    answer = stale.get(f"{delete}?from=list")
    assert answer.status_code == 302
    assert answer["Location"].startswith(REAUTHENTICATE)
    page = stale.get(answer["Location"])
    assert "Confirm that it is you" in text_of(page)
    back = stale.post(answer["Location"], {"password": PASSWORD})
    assert (back.status_code, back["Location"]) == (302, f"{delete}?from=list")
    assert stale.get(back["Location"]).status_code == 200


def test_a_wrong_password_proves_nothing(stale: Client, delete: str) -> None:
    confirm = stale.get(delete)["Location"]
    assert stale.post(confirm, {"password": "wrong"}).status_code == 200
    assert stale.get(delete)["Location"] == confirm


def test_nothing_is_deleted_and_the_person_learns_it(stale: Client, delete: str, credential: Credential) -> None:
    answer = stale.post(delete, headers={"Referer": f"http://testserver{delete}"}, follow=True)
    assert Credential.objects.filter(pk=credential.pk).exists()
    assert answer.request["PATH_INFO"] == REAUTHENTICATE
    assert [toast.title for toast in toasts_of(answer)] == [
        "Nothing was changed yet: first confirm that it is you, then do it again."
    ]
    back = stale.post(f"{REAUTHENTICATE}?{answer.request['QUERY_STRING']}", {"password": PASSWORD})
    assert back["Location"] == f"http://testserver{delete}"


def test_nothing_of_what_was_posted_is_kept(stale: Client, edit: str, credential: Credential) -> None:
    before = Credential.objects.values().get(pk=credential.pk)
    stale.post(edit, {"name": CANARY, "secret_access_key": CANARY})
    assert Credential.objects.values().get(pk=credential.pk) == before
    assert CANARY not in str(dict(stale.session))
    assert all(CANARY not in str(session.get_decoded()) for session in Session.objects.all())


@pytest.mark.parametrize(
    "referer", ["https://evil.example/", "//evil.example/", "http://testserver@evil.example/", "javascript:1", ""]
)
def test_no_foreign_page_is_gone_back_to(stale: Client, delete: str, acme: Organization, referer: str) -> None:
    answer = stale.post(delete, headers={"Referer": referer})
    assert "evil" not in answer["Location"]
    assert "javascript" not in answer["Location"]
    assert answer["Location"].endswith(f"next=%2Forganizations%2F{acme.uuid}%2F")


def test_a_part_of_a_page_leads_the_whole_page(stale: Client, delete: str) -> None:
    page = "http://testserver/somewhere/"
    for send in (stale.get, stale.post):
        answer = send(delete, headers={"HX-Request": "true", "Referer": page})
        assert answer.status_code == 200
        assert answer["HX-Redirect"] == f"{REAUTHENTICATE}?next=http%3A%2F%2Ftestserver%2Fsomewhere%2F"


def test_who_may_not_enter_is_not_even_asked(delete: str, bob: User, mallory: User) -> None:
    for user, status in ((bob, 403), (mallory, 404)):
        client = Client()
        client.force_login(user)
        assert client.get(delete).status_code == status


# --- What counts ----------------------------------------------------------------------------------------------------
def test_a_sign_in_of_just_now_counts(alice: User, delete: str, sign_in: SignIn) -> None:
    assert sign_in(alice).get(delete).status_code == 200


@pytest.mark.parametrize("kind", ["totp", "webauthn", "recovery_codes"])
def test_a_second_factor_counts(stale: Client, alice: User, delete: str, kind: str) -> None:
    prove(stale, alice, "mfa", type=kind, reauthenticated=True)
    assert stale.get(delete).status_code == 200


def test_a_proof_lasts_ten_minutes(stale: Client, alice: User, delete: str) -> None:
    prove(stale, alice, "mfa", type="totp", at=time() - 9 * 60)
    assert stale.get(delete).status_code == 200
    prove(stale, alice, "mfa", type="totp", at=time() - 10 * 60 - 1)
    stale_only = Client()
    stale_only.force_login(alice)
    prove(stale_only, alice, "mfa", type="totp", at=time() - 10 * 60 - 1)
    assert stale_only.get(delete).status_code == 302


def test_coming_from_a_provider_is_no_proof_but_what_it_says_is(stale: Client, alice: User, delete: str) -> None:
    prove(stale, alice, "socialaccount", provider="oidc", uid="1")
    assert stale.get(delete).status_code == 302
    prove(stale, alice, "provider", at=time() - 60)
    assert stale.get(delete).status_code == 200


def test_a_proof_of_somebody_else_counts_for_nothing(stale: Client, bob: User, delete: str) -> None:
    prove(stale, bob, "password")
    assert stale.get(delete).status_code == 302


# --- Where it is asked ----------------------------------------------------------------------------------------------
PAGES = (
    "/account/second-factor/app/",
    "/account/second-factor/passkeys/add/",
    "/account/second-factor/passkeys/1/rename/",
    "/account/second-factor/passkeys/1/remove/",
    "/account/second-factor/app/remove/",
    "/account/second-factor/recovery-codes/",
    "/account/second-factor/recovery-codes/new/",
    "/account/second-factor/recovery-codes/file/",
    "/account/password/set/",
)


@pytest.mark.parametrize("address", PAGES)
def test_every_change_of_a_second_factor_asks(stale: Client, address: str) -> None:
    for send in (stale.get, stale.post):
        answer = send(address)
        assert answer.status_code == 302
        assert answer["Location"].startswith(REAUTHENTICATE)


def test_replacing_a_credential_and_changing_the_organization_ask(stale: Client, edit: str, acme: Organization) -> None:
    for address in (edit, f"/organizations/{acme.uuid}/settings/organization/edit/"):
        for send in (stale.get, stale.post):
            assert send(address)["Location"].startswith(REAUTHENTICATE)


def test_reading_does_not_ask(stale: Client, acme: Organization, credential: Credential) -> None:
    answer = stale.get(f"/organizations/{acme.uuid}/settings/credentials/{credential.uuid}/")
    assert answer.status_code == 200


# --- Ways to prove --------------------------------------------------------------------------------------------------
def test_confirming_is_limited(stale: Client, delete: str) -> None:
    confirm = stale.get(delete)["Location"]
    answers = [stale.post(confirm, {"password": "wrong"}).status_code for _ in range(12)]
    assert answers[-1] == 429


def test_somebody_without_any_way_is_told_so(stale: Client, alice: User, delete: str) -> None:
    alice.set_unusable_password()
    alice.save()
    client = Client()
    client.force_login(alice)
    assert client.get(delete, follow=True).status_code == 403

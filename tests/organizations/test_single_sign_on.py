"""Single sign-on: who gets in, who does not, and what a provider that misbehaves brings about."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib.sessions.models import Session
from django.test import Client

from organizations import single_sign_on
from organizations.models import Organization, User
from tests.oidc_issuer import CLIENT_ID, CLIENT_SECRET, CODE, Issuer
from tests.pages import html_of, text_of, toasts_of
from tests.second_factors import give_passkey

from .test_fresh_proof import prove

SignIn = Callable[[User], Client]
START, CALLBACK = "/account/single-sign-on/", "/account/single-sign-on/callback/"
REFUSED = "No account for you here"


@pytest.fixture
def issuer(settings: Any) -> Iterator[Issuer]:
    with Issuer() as issuer:
        settings.SOCIALACCOUNT_PROVIDERS = issuer.settings()
        yield issuer


def to_provider(client: Client, address: str = START) -> dict[str, list[str]]:
    """Go to the provider; return what it is asked."""
    answer = client.get(address)
    assert answer.status_code == 302, text_of(answer)
    return parse_qs(urlsplit(answer["Location"]).query)


def come_back(client: Client, address: str = START) -> Any:
    """Go to the provider and come back from it."""
    asked = to_provider(client, address)
    return client.get(CALLBACK, {"state": asked["state"][0], "code": CODE}, follow=True)


def signed_in_as(client: Client) -> str | None:
    found = client.session.get("_auth_user_id")
    return User.objects.get(pk=found).email if found else None


# --- Off by default -------------------------------------------------------------------------------------------------
def test_without_a_provider_there_is_no_address_and_no_button(db: None) -> None:
    client = Client()
    assert [client.get(address).status_code for address in (START, CALLBACK)] == [404, 404]
    assert "Sign in with" not in text_of(client.get("/account/login/"))


# --- Who gets in ----------------------------------------------------------------------------------------------------
def test_somebody_with_a_verified_address_gets_in(issuer: Issuer, alice: User, acme: Organization) -> None:
    issuer.confirm("Alice@ACME.example")
    client = Client()
    assert "Sign in with Example Login" in text_of(client.get("/account/login/"))
    assert come_back(client).status_code == 200
    assert signed_in_as(client) == alice.email
    assert alice.has_usable_password()
    account = SocialAccount.objects.get()
    assert (account.user, account.provider, account.uid) == (alice, "oidc", "1001")


def test_the_way_leads_to_the_page_that_was_wanted(issuer: Issuer, alice: User, acme: Organization) -> None:
    issuer.confirm(alice.email)
    wanted = f"/organizations/{acme.uuid}/settings/credentials/"
    client = Client()
    page = client.get(f"/account/login/?next={wanted}")
    assert f'href="{START}?next=%2Forganizations%2F' in html_of(page)
    assert come_back(client, f"{START}?next={wanted}").request["PATH_INFO"] == wanted


def test_a_foreign_page_is_not_led_to(issuer: Issuer, alice: User, acme: Organization) -> None:
    issuer.confirm(alice.email)
    client = Client()
    asked = to_provider(client, f"{START}?next=https://evil.example/")
    answer = client.get(CALLBACK, {"state": asked["state"][0], "code": CODE})
    assert answer["Location"] == "/"


def test_from_the_second_time_on_the_providers_id_counts(issuer: Issuer, alice: User, acme: Organization) -> None:
    issuer.confirm(alice.email)
    come_back(Client())
    issuer.confirm("renamed@elsewhere.example", verified=False)
    client = Client()
    come_back(client)
    assert signed_in_as(client) == alice.email


def test_the_second_factor_is_asked_here_too(issuer: Issuer, alice: User, acme: Organization) -> None:
    give_passkey(alice)
    alice.authenticator_set.update(type="totp", data={"secret": "x"})
    issuer.confirm(alice.email)
    client = Client()
    assert come_back(client).request["PATH_INFO"] == "/account/login/second-factor/"
    assert signed_in_as(client) is None


# --- Who does not ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("verified", [False, None, "false", "False", "no", 0, "", [], {}, "1"])
def test_an_address_that_is_not_verified_opens_nothing(
    issuer: Issuer, alice: User, acme: Organization, verified: Any
) -> None:
    issuer.confirm(alice.email, verified=verified)
    client = Client()
    answer = come_back(client)
    assert (answer.status_code, REFUSED in text_of(answer)) == (403, True)
    assert signed_in_as(client) is None
    assert not SocialAccount.objects.exists()


@pytest.mark.parametrize("email", ["nobody@acme.example", "", None, 7, ["alice@acme.example"], "alice@acme.example\0"])
def test_nobody_signs_up(issuer: Issuer, alice: User, acme: Organization, email: Any) -> None:
    issuer.confirm(email)
    people = User.objects.count()
    client = Client()
    come_back(client)
    assert signed_in_as(client) is None
    assert User.objects.count() == people
    assert "access-token" not in str([session.get_decoded() for session in Session.objects.all()])


def test_a_mailbox_that_went_to_somebody_else_opens_nothing(issuer: Issuer, alice: User, acme: Organization) -> None:
    issuer.confirm(alice.email)
    come_back(Client())
    issuer.confirm(alice.email, sub="2002")
    client = Client()
    assert REFUSED in text_of(come_back(client))
    assert signed_in_as(client) is None


def test_two_answers_about_different_people_open_nothing(issuer: Issuer, alice: User, acme: Organization) -> None:
    issuer.confirm(alice.email)
    issuer.userinfo = {"sub": "2002", "email": alice.email, "email_verified": True}
    client = Client()
    assert REFUSED in text_of(come_back(client))
    assert signed_in_as(client) is None


@pytest.mark.parametrize("verified", [True, "true"])
def test_what_is_verified_in_one_answer_is_not_the_address_of_the_other(
    issuer: Issuer, alice: User, acme: Organization, verified: Any
) -> None:
    issuer.confirm(alice.email)
    del issuer.claims["email_verified"]
    issuer.userinfo = {"sub": "1001", "email": "mallory@umbrella.example", "email_verified": verified}
    client = Client()
    assert REFUSED in text_of(come_back(client))
    assert signed_in_as(client) is None


def test_somebody_deactivated_stays_out(issuer: Issuer, alice: User, acme: Organization) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)
    issuer.confirm(alice.email)
    client = Client()
    assert come_back(client).request["PATH_INFO"] == "/account/inactive/"
    assert signed_in_as(client) is None


@pytest.mark.parametrize("claims", [{"aud": "another-client"}, {"iss": "https://evil.example"}, {"exp": 1}])
def test_a_token_for_somebody_else_opens_nothing(
    issuer: Issuer, alice: User, acme: Organization, claims: dict[str, Any]
) -> None:
    issuer.confirm(alice.email, **claims)
    client = Client()
    come_back(client)
    assert signed_in_as(client) is None


@pytest.mark.parametrize("query", [{}, {"code": CODE}, {"code": CODE, "state": "x"}, {"error": "access_denied"}])
def test_an_answer_that_nobody_asked_for_opens_nothing(
    issuer: Issuer, alice: User, acme: Organization, query: dict[str, str]
) -> None:
    issuer.confirm(alice.email)
    client = Client()
    answer = client.get(CALLBACK, query, follow=True)
    assert answer.request["PATH_INFO"] == "/account/login/"
    assert "did not confirm who you are" in toasts_of(answer)[0].title
    assert signed_in_as(client) is None


def test_a_query_string_neither_connects_an_account_nor_asks_for_more(
    issuer: Issuer, alice: User, acme: Organization, sign_in: SignIn
) -> None:
    issuer.confirm("mallory@umbrella.example", sub="666")
    client = sign_in(alice)
    asked = to_provider(client, f"{START}?process=connect&scope=admin&auth_params=prompt%3Dnone")
    assert set(asked["scope"][0].split()) == {"openid", "profile", "email"}
    assert asked["prompt"] == ["login"]
    client.get(CALLBACK, {"state": asked["state"][0], "code": CODE})
    assert not SocialAccount.objects.filter(user=alice).exists()


# --- What is sent, and what is kept ---------------------------------------------------------------------------------
def test_the_exchange_is_bound_to_this_browser_and_no_token_is_kept(
    issuer: Issuer, alice: User, acme: Organization, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    issuer.confirm(alice.email)
    client = Client()
    asked = to_provider(client)
    assert asked["client_id"] == [CLIENT_ID]
    assert asked["redirect_uri"] == [f"http://testserver{CALLBACK}"]
    assert asked["code_challenge_method"] == ["S256"]
    client.get(CALLBACK, {"state": asked["state"][0], "code": CODE})
    form = next(form for path, form in issuer.asked if path == "/token")
    assert (form["client_secret"], form["code"]) == ([CLIENT_SECRET], [CODE])
    assert form["code_verifier"]
    assert not SocialToken.objects.exists()
    kept = str([session.get_decoded() for session in Session.objects.all()]) + caplog.text
    assert [text for text in ("access-token-canary", CLIENT_SECRET) if text in kept] == []


# --- A provider that misbehaves -------------------------------------------------------------------------------------
BROKEN = ["", "[]", "7", '"text"', "null", "{}", "<html>", '{"access_token": 7}']
PATHS = ["/.well-known/openid-configuration", "/token", "/userinfo"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", BROKEN)
@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_of_no_use_leads_back_to_the_sign_in(
    issuer: Issuer, alice: User, acme: Organization, path: str, body: str, status: int
) -> None:
    issuer.confirm(alice.email)
    client = Client()
    asked = to_provider(client)
    issuer.answers[path] = (status, body)
    answer = client.get(CALLBACK, {"state": asked["state"][0], "code": CODE}, follow=True)
    assert answer.status_code in (200, 403)
    assert signed_in_as(client) is None
    if path == PATHS[0]:
        assert client.get(START, follow=True).request["PATH_INFO"] == "/account/login/"


def test_a_provider_that_is_away_leads_back_to_the_sign_in(issuer: Issuer, alice: User) -> None:
    issuer.__exit__()
    answer = Client().get(START, follow=True)
    assert answer.request["PATH_INFO"] == "/account/login/"
    assert "Example Login did not confirm who you are" in toasts_of(answer)[0].title


@pytest.mark.parametrize("path", PATHS)
def test_no_redirect_of_the_provider_is_followed(issuer: Issuer, alice: User, acme: Organization, path: str) -> None:
    issuer.confirm(alice.email)
    client = Client()
    asked = to_provider(client)
    issuer.answers[path] = (302, f"{issuer.url}/elsewhere")
    client.get(CALLBACK, {"state": asked["state"][0], "code": CODE}, follow=True)
    assert signed_in_as(client) is None
    assert "/elsewhere" not in [path for path, _form in issuer.asked]


def test_every_call_has_deadlines(issuer: Issuer, alice: User, acme: Organization, monkeypatch: Any) -> None:
    sent: list[Any] = []
    plain = single_sign_on.requests.Session.send

    def send(session: Any, request: Any, **options: Any) -> Any:
        sent.append(options["timeout"])
        return plain(session, request, **options)

    monkeypatch.setattr(single_sign_on.requests.Session, "send", send)
    issuer.confirm(alice.email)
    come_back(Client())
    assert len(sent) >= 3
    assert set(sent) == {(3, 6)}


# --- A fresh proof for somebody without a password ------------------------------------------------------------------
@pytest.fixture
def by_provider_only(issuer: Issuer, alice: User, acme: Organization) -> Client:
    """A browser in which Alice, who has no password, came from the provider an hour ago."""
    issuer.confirm(alice.email, auth_time=time.time() - 3600)
    client = Client()
    come_back(client)
    alice.set_unusable_password()
    alice.save()
    client.force_login(alice)
    prove(client, alice, "socialaccount", at=time.time() - 60)
    return client


GUARDED = "/account/second-factor/app/"


def test_coming_with_a_living_session_at_the_provider_is_no_proof(by_provider_only: Client) -> None:
    assert by_provider_only.get(GUARDED).status_code == 302


def test_the_provider_is_asked_to_ask_again_and_the_way_leads_back(
    by_provider_only: Client, issuer: Issuer, alice: User
) -> None:
    confirm = by_provider_only.get(by_provider_only.get(GUARDED)["Location"])["Location"]
    assert confirm.startswith(START)
    asked = to_provider(by_provider_only, confirm)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
    issuer.confirm(alice.email, auth_time=time.time())
    answer = by_provider_only.get(CALLBACK, {"state": asked["state"][0], "code": CODE}, follow=True)
    assert (answer.request["PATH_INFO"], answer.status_code) == (GUARDED, 200)


@pytest.mark.parametrize("auth_time", [None, True, "now", 0, [], {}])
def test_a_provider_that_does_not_say_when_proves_nothing(
    by_provider_only: Client, issuer: Issuer, alice: User, auth_time: Any
) -> None:
    issuer.confirm(alice.email, auth_time=auth_time)
    come_back(by_provider_only)
    assert signed_in_as(by_provider_only) == alice.email
    assert by_provider_only.get(GUARDED).status_code == 302


def test_a_proof_from_the_future_ages_from_now_on(by_provider_only: Client, issuer: Issuer, alice: User) -> None:
    issuer.confirm(alice.email, auth_time=time.time() + 10**9)
    come_back(by_provider_only)
    records = by_provider_only.session["account_authentication_methods"]
    assert all(record["at"] <= time.time() for record in records)

"""GET /api/v1/automations/<uuid>/environment: all values, or the problems, for whoever shows the automation's token."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail as mailbox
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from credentials.models import Credential
from envvars.api.limits import PER_MINUTE
from envvars.models import Automation, EnvironmentVariable, ServiceToken
from envvars.services.tokens import revoke_token, token_of
from envvars.services.variables import Value, change_variable
from organizations.access import Audience, Rule
from organizations.models import AuditEvent, Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import store_automation, store_direct, store_reference
from tests.organizations.urlconf import every_url

from .conftest import Get, address, breaking, token_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def with_values(acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox) -> Automation:
    store_direct(acme, "LOG_LEVEL", "made-up-direct-value", [crew])
    store_reference(acme, "DB_PASSWORD", "database-credentials#password", automations=[crew])
    store_direct(acme, "NOT_ASSIGNED", "x")
    return crew


def face(answer: HttpResponse) -> tuple[object, ...]:
    return answer.status_code, answer.content, sorted(answer.headers.items()), answer.cookies.output()


# --- Values ---------------------------------------------------------------------------------------------------------
def test_the_automation_gets_exactly_its_values(with_values: Automation, get: Get) -> None:
    answer = get()
    assert answer.status_code == 200
    assert answer.json() == {
        "automation": str(with_values.uuid),
        "variables": {"DB_PASSWORD": "made-up-database-password", "LOG_LEVEL": "made-up-direct-value"},
    }
    assert answer.headers["Content-Type"] == "application/json"


def test_nobody_on_the_way_may_keep_the_answer(with_values: Automation, get: Get) -> None:
    for answer in (get(), get("wrong"), get(at="/api/v1/automations/x/environment")):
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Authorization" in answer.headers["Vary"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_head_answers_as_get_does_without_the_values(with_values: Automation, get: Get) -> None:
    answer = get(method="HEAD")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["ETag"] == get().headers["ETag"]


def test_it_is_written_down_who_fetched_what(with_values: Automation, get: Get, token: str) -> None:
    get()
    event = AuditEvent.objects.get(action="automation:resolved")
    assert event.details == {"delivery": "api", "variables": 2, "problems": []}
    assert (event.actor, event.actor_label) == (None, f"service token Cluster ({token[:22]})")
    assert (event.organization, event.target_uuid) == (with_values.organization, with_values.uuid)


def test_the_use_of_a_token_is_noted_about_once_a_minute(with_values: Automation, get: Get) -> None:
    row = ServiceToken.objects.get()
    assert row.last_used_at is None
    get()
    first = ServiceToken.objects.get().last_used_at
    assert first
    get()
    assert ServiceToken.objects.get().last_used_at == first
    ServiceToken.objects.update(last_used_at=first - timedelta(minutes=2))
    get()
    assert (ServiceToken.objects.get().last_used_at or first) > first


# --- Problems -------------------------------------------------------------------------------------------------------
def test_problems_come_all_at_once_and_without_any_value(acme: Organization, with_values: Automation, get: Get) -> None:
    store_reference(acme, "NO_KEY", "database-credentials#pasword", automations=[with_values])
    store_reference(acme, "NO_SECRET", "no/such-secret", automations=[with_values])
    answer = get()
    assert answer.status_code == 409
    assert answer.headers["Content-Type"] == "application/problem+json"
    content = answer.json()
    assert (content["status"], content["title"]) == (409, "Variables without a value")
    assert [(one["variable"], one["code"]) for one in content["problems"]] == [
        ("NO_KEY", "key_missing"),
        ("NO_SECRET", "secret_not_found"),
    ]
    assert content["problems"][1]["title"] == "Secret not found: no/such-secret"
    assert "ETag" not in answer.headers
    for text in ("made-up-direct-value", "made-up-database-password", "username"):
        assert text not in answer.content.decode()


def test_an_automation_without_variables_gets_none(get: Get) -> None:
    assert get().json()["variables"] == {}


# --- ETag -----------------------------------------------------------------------------------------------------------
def test_nothing_is_sent_again_that_the_caller_has(with_values: Automation, get: Get) -> None:
    etag = get().headers["ETag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = get(If_None_Match=known)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == etag
        assert answer.headers["Cache-Control"] == "no-store"
    for unknown in ('"other"', "", etag.strip('"'), "\x01"):
        assert get(If_None_Match=unknown).status_code == 200


def test_a_rotated_secret_is_another_etag(with_values: Automation, get: Get, sandbox: Sandbox) -> None:
    etag = get().headers["ETag"]
    sandbox.put_secret(seed.DATABASE.name, json.dumps({"password": "made-up-rotated"}))
    answer = get(If_None_Match=etag)
    assert answer.status_code == 200
    assert answer.json()["variables"]["DB_PASSWORD"] == "made-up-rotated"
    assert answer.headers["ETag"] != etag


def test_another_key_of_the_same_version_is_another_etag(with_values: Automation, get: Get, acme: Organization) -> None:
    etag = get().headers["ETag"]
    EnvironmentVariable.objects.filter(key="DB_PASSWORD").update(reference="database-credentials#username")
    assert get(If_None_Match=etag).status_code == 200


def test_an_edited_direct_value_is_another_etag(with_values: Automation, get: Get) -> None:
    etag = get().headers["ETag"]
    variable = EnvironmentVariable.objects.get(key="LOG_LEVEL")
    value = Value(EnvironmentVariable.Source.DIRECT, text="other")
    change_variable(variable, None, key="LOG_LEVEL", value=value, automations=[with_values])
    assert get(If_None_Match=etag).status_code == 200


def test_the_same_values_of_another_organization_have_another_etag(
    acme: Organization, umbrella: Organization, crew: Automation, get: Get
) -> None:
    """So nobody learns by comparing whether two tenants share a value, nor can a guess be checked without the key."""
    theirs = store_automation(umbrella)
    for organization, automation in ((acme, crew), (umbrella, theirs)):
        store_direct(organization, "KEY", "the same", [automation])
    EnvironmentVariable.objects.update(updated_at=timezone.now())
    other = get(token_for(theirs), at=address(theirs))
    assert other.status_code == 200
    assert other.headers["ETag"] != get().headers["ETag"]


# --- Who gets in ----------------------------------------------------------------------------------------------------
def test_every_token_that_does_not_work_gets_the_same_answer_for_the_same_work(
    with_values: Automation, get: Get, token: str, sandbox: Sandbox
) -> None:
    expired = token_for(with_values, days=-1)
    revoked = token_for(with_values)
    revoke_token(token_of(revoked) or ServiceToken(), None)
    wrong = f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}"
    texts = [expired, revoked, wrong, f"crewadmin_{'0' * 12}_{'A' * 43}", "", "x" * 5000, "ü", "crewadmin_", token[:22]]
    found = set()
    for text in texts:
        with CaptureQueriesContext(connection) as queries:
            answer = get(text)
        found.add((repr(face(answer)), len(queries)))
    assert len(found) == 1
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="crewadmin"'
    assert sandbox.calls == []


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic {token}", "{token}", "Token {token}"])
def test_a_token_is_shown_as_a_bearer_token_and_no_other_way(header: str, with_values: Automation, token: str) -> None:
    client = Client()
    missing = client.get(address(with_values))
    assert missing.status_code == 401
    answer = client.get(address(with_values), headers={"Authorization": header.format(token=token)})
    assert face(answer) == face(missing)
    assert client.get(address(with_values), {"token": token, "access_token": token}).status_code == 401


def test_an_automation_that_the_token_is_not_for_does_not_exist(
    umbrella: Organization, acme: Organization, with_values: Automation, get: Get
) -> None:
    others = [store_automation(acme, "Other", "other"), store_automation(umbrella)]
    missing = get(at=f"/api/v1/automations/{uuid4()}/environment")
    assert (missing.status_code, missing.json()["title"]) == (404, "No such automation")
    for other in others:
        assert face(get(at=address(other))) == face(missing)
    for odd in ("x", "0", "%00", "%ED%A0%80", "x" * 3000, str(with_values.pk), with_values.slug):
        assert face(get(at=f"/api/v1/automations/{odd}/environment")) == face(missing)
    assert not AuditEvent.objects.filter(action="automation:resolved").exists()


def test_without_a_token_nobody_learns_which_automations_there_are(with_values: Automation, get: Get) -> None:
    assert face(get("", at=f"/api/v1/automations/{uuid4()}/environment")) == face(get(""))


def test_a_sign_in_is_no_token_and_a_token_no_sign_in(
    acme: Organization, alice: User, with_values: Automation, token: str, sign_in: Any
) -> None:
    client = sign_in(alice)
    assert client.get(address(with_values)).status_code == 401
    pages = Client().get(f"/organizations/{acme.uuid}/automations/", headers={"Authorization": f"Bearer {token}"})
    assert pages.status_code == 302


def test_no_cookie_is_set_or_needed(with_values: Automation, get: Get) -> None:
    for answer in (get(), get("wrong")):
        assert answer.cookies.output() == ""


def test_a_request_has_no_session_though_a_browser_sends_one(
    with_values: Automation, get: Get, alice: User, sign_in: Callable[[User], Client], token: str
) -> None:
    client = sign_in(alice)
    asked: list[tuple[str, dict[str, str]]] = [
        (address(with_values), {"Authorization": f"Bearer {token}"}),
        (address(with_values), {}),
        ("/api/v1/openapi.json", {}),
        ("/api/v1/nowhere", {}),
    ]
    for at, headers in asked:
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(at, headers=headers)
        assert [query["sql"] for query in queries if "session" in query["sql"] or "_user" in query["sql"]] == []
        assert "Cookie" not in answer.headers.get("Vary", "")
        assert answer.cookies.output() == ""
    assert client.get(f"/organizations/{with_values.organization.uuid}/automations/").status_code == 200
    assert "Cookie" in client.get("/").headers["Vary"]


def test_all_that_automations_ask_for_is_below_the_address_of_programs(settings: Any) -> None:
    found = {url.name for url in every_url() if f"/{url.route}".startswith(settings.API_PATH)}
    assert found == {url.name for url in every_url() if url.rule == Rule(Audience.AUTOMATIONS)} | {"api_openapi"}


# --- What goes wrong here -------------------------------------------------------------------------------------------
def test_a_crash_is_a_problem_document_and_is_reported_without_any_value(
    with_values: Automation, get: Get, token: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ADMINS = [("ops@acme.example", "ops@acme.example")]
    monkeypatch.setattr("envvars.api.views.mark_of", breaking)  # with all values at hand
    answer = get()
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert answer.json() == {
        "type": "about:blank",
        "title": "Something went wrong on the server",
        "status": 500,
        "detail": "Nothing was delivered. Ask again in a minute; the server's log says what happened.",
    }
    assert answer.headers["Cache-Control"] == "no-store"
    assert "made-up-crash" not in str(answer.headers)
    (mail,) = mailbox.outbox
    assert "RuntimeError" in mail.body
    assert "resolution" in mail.body  # its frames are reported, without what is in them
    for text in (token, token.split("_", 2)[2], "made-up-database-password", "made-up-direct-value"):
        assert text not in mail.body + mail.subject


def test_an_address_that_is_none_is_a_problem_document_too(db: None) -> None:
    for at in ("/api/v1/nowhere", "/api/", "/api/v2/automations/"):
        answer = Client().get(at)
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert Client().get("/apiary").headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "INVENTED"])
def test_it_is_only_read(method: str, with_values: Automation, get: Get) -> None:
    for text in ("", "wrong"):
        answer = get(text, method=method)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert get(method=method).status_code == 405


def test_a_token_works_until_it_expires(with_values: Automation, get: Get) -> None:
    assert get().status_code == 200
    ServiceToken.objects.update(expires_at=timezone.now())
    assert get().status_code == 401


# --- How often ------------------------------------------------------------------------------------------------------
def test_a_token_asks_so_many_times_a_minute(
    with_values: Automation, get: Get, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_800_000_015.0
    monkeypatch.setattr("crewadmin.limits.time", lambda: now)
    monkeypatch.setattr("envvars.api.limits.PER_MINUTE", 3)
    assert [get().status_code for _request in range(4)] == [200, 200, 200, 429]
    calls = len(sandbox.calls)
    answer = get()
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "45")
    assert len(sandbox.calls) == calls
    assert get(token_for(with_values)).status_code == 200  # another token counts for itself
    now += 45
    assert get().status_code == 200


def test_a_wrong_automation_counts_too(with_values: Automation, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crewadmin.limits.time", lambda: 1_800_000_000.0)
    monkeypatch.setattr("envvars.api.limits.PER_MINUTE", 2)
    elsewhere = f"/api/v1/automations/{uuid4()}/environment"
    assert [get(at=elsewhere).status_code for _request in range(3)] == [404, 404, 429]


def test_the_limit_leaves_room_for_polling() -> None:
    assert PER_MINUTE >= 12

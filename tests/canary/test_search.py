"""What is searched for would be found: each form of a secret, in each place."""

import base64
import html
import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.decorators import login_not_required
from django.contrib.sessions.backends.db import SessionStore
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.views.debug import ExceptionReporter

from organizations.models import AuditEvent, Organization, User
from tests.organizations.conftest import Rows

from .places import Places
from .search import HEX_DIGITS, PIECE, Search, Value, made_up

pytestmark = pytest.mark.django_db
SECRET = made_up("of the search itself", 40, 'AbCdEf012389"<&+/=%')
#: How a secret may be written; what stands around it moves it to another place in base64.
FORMS: dict[str, Callable[[str], str]] = {
    "plain": lambda secret: f"a {secret} b",
    "a piece": lambda secret: f"…{secret[9 : 9 + PIECE]}…",
    "its end": lambda secret: f"********{secret[-PIECE:]}",
    **{
        f"base64, {before} before": lambda secret, before=before: base64.b64encode(
            b"x" * before + secret[7 : 7 + PIECE].encode() + b"y"
        ).decode()
        for before in range(3)
    },
    "base64 for addresses": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "hex": lambda secret: secret[5 : 5 + PIECE].encode().hex(),
    "hex in capitals": lambda secret: secret[5 : 5 + PIECE].encode().hex().upper(),
    "in an address": lambda secret: quote(secret[:PIECE], safe=""),
    "in JSON": lambda secret: json.dumps(secret),
    "in HTML": lambda secret: html.escape(secret),
    "as Python writes it": lambda secret: repr({"key": secret}),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_a_secret_is_found(form: str) -> None:
    assert Search({"it": SECRET}).found(FORMS[form](SECRET)) == {"it"}


@pytest.mark.parametrize("form", ["hex", "base64, 1 before", "base64 for addresses"])
def test_a_key_of_raw_bytes_is_found(form: str) -> None:
    key = bytes.fromhex(made_up("key", 64, HEX_DIGITS))
    written = {"hex": key.hex(), "base64, 1 before": base64.b64encode(b"x" + key).decode()}
    assert Search({"key": key}).found(written.get(form) or base64.urlsafe_b64encode(key).decode()) == {"key"}


def test_each_planted_secret_is_found(planted: tuple[Rows, dict[str, Value]]) -> None:
    _rows, secrets = planted
    search = Search(secrets)
    for name, value in secrets.items():
        for secret in value if isinstance(value, list) else [value]:
            written = secret if isinstance(secret, str) else secret.hex()
            assert name in search.found(f"a {written} b"), name


def test_a_shorter_piece_and_another_secret_are_not_found() -> None:
    search = Search({"it": SECRET, "codes": ["1234567890123456"]})
    assert search.found(SECRET[: PIECE - 1] + " " + made_up("another", 400) + " 12345678") == set()
    assert search.found("x567890123456x") == {"codes"}


# --- The places -----------------------------------------------------------------------------------------------------
@login_not_required
def leaking(request: HttpRequest) -> HttpResponse:
    """Answer with what is asked for, in the place that is asked for."""
    place, text = request.GET["place"], request.GET["text"]
    answer = HttpResponse(text if place == "page" else "")
    if place == "header":
        answer["X-Leak"] = text
    elif place == "cookie":
        answer.set_cookie("leak", text)
    elif place == "message":
        messages.info(request, text)
    elif place == "session":
        request.session["leak"] = text
    elif place == "error":
        raise RuntimeError(text)
    return answer


urlpatterns = [path("leaking/", leaking)]


def _statement(text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s", [text])


def _row(text: str) -> None:
    LogEntry.objects.create(
        user=User.objects.get(email="alice@acme.example"), action_flag=CHANGE, object_repr=text[:200]
    )


def _event(text: str) -> None:
    AuditEvent.objects.create(
        organization=Organization.objects.get(),
        action=AuditEvent.Action.CREDENTIAL_CHANGED,
        actor_label="x",
        target_uuid=uuid4(),
        target_label=text,
        previous_hash=b"",
        hash=b"",
    )


def _session(text: str) -> None:
    store = SessionStore()
    store["leak"] = text
    store.save()


def _ask(place: str) -> Callable[[str], Any]:
    return lambda text: Client(raise_request_exception=False).get("/leaking/", {"place": place, "text": text})


#: How something gets where it does not belong, and the place in which it has to be found.
LEAKS: dict[str, tuple[str, Callable[[str], Any]]] = {
    **{place: (place, _ask(place)) for place in ("page", "header", "cookie", "message", "session")},
    "error mail": ("mail", _ask("error")),
    "debug page": ("page", _ask("error")),
    "other mail": ("mail", lambda text: mail.send_mail("Hello", text, None, ["a@example.com"])),
    "log": ("log", lambda text: logging.getLogger("any").debug("It is %s", text)),
    "SQL": ("SQL", _statement),
    "admin's log": ("database", _row),
    "audit log": ("database", _event),
    "dump": ("dumpdata", _event),
    "stored session": ("session", _session),
    "cache": ("cache", lambda text: cache.set("leak", {"it": text})),
}
IN_PLACES = ("plain", "a piece", "base64, 1 before", "hex", "in JSON")


@pytest.mark.parametrize("form", IN_PLACES)
@pytest.mark.parametrize("leak", LEAKS)
def test_each_place_is_searched(
    leak: str, form: str, alice: User, acme: Organization, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ROOT_URLCONF = __name__
    settings.ADMINS = [("root", "root@example.com")]
    settings.DEBUG = leak == "debug page"
    settings.DEFAULT_EXCEPTION_REPORTER = "django.views.debug.ExceptionReporter"  # which tells
    monkeypatch.setattr(logging.getLogger("django.request").handlers[0], "reporter_class", ExceptionReporter)
    place, plant = LEAKS[leak]
    places = Places(Search({"it": SECRET}))
    with places.recorded(monkeypatch):
        plant(FORMS[form](SECRET))
    assert "it" in {name for where, _what, name in places.hits if where == place}

"""crewadmin.middleware and the policies in the settings: the headers of every answer."""

from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path

from crewadmin.middleware import security_headers
from organizations.models import Organization, User


@login_not_required
def failing(request: HttpRequest) -> NoReturn:
    raise RuntimeError("It broke.")


urlpatterns = [path("failing/", failing), path("", include("crewadmin.urls"))]

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "object-src 'none'",
    "frame-ancestors 'none'",
}


@pytest.fixture
def answers(settings: Any, acme: Organization, carol: User, sign_in: Callable[[User], Client]) -> dict[str, Any]:
    """An answer of each kind."""
    settings.ROOT_URLCONF = __name__
    anonymous, client = Client(raise_request_exception=False), sign_in(carol)
    base = f"/organizations/{acme.uuid}"
    csrf = Client(enforce_csrf_checks=True)
    return {
        "200": client.get(f"{base}/settings/credentials/"),
        "200 sign-in": anonymous.get("/account/login/"),
        "302": anonymous.get("/"),
        "403": client.get(f"{base}/environment-variables/"),
        "403 CSRF": csrf.post("/account/login/", {}),
        "404": client.get("/nowhere/"),
        "405": client.delete(f"{base}/settings/credentials/"),
        "500": anonymous.get("/failing/"),
        "200 wrong password": anonymous.post("/account/login/", {"login": "x@example.com", "password": "x"}),
    }


def test_every_answer_carries_the_same_protection(answers: dict[str, Any]) -> None:
    for name, answer in answers.items():
        assert answer.status_code == int(name.split()[0]), name
        assert "no-store" in answer["Cache-Control"], name
        assert set(answer["Content-Security-Policy"].split("; ")) == POLICY, name
        assert answer["X-Content-Type-Options"] == "nosniff", name
        assert answer["X-Frame-Options"] == "DENY", name
        assert answer["Referrer-Policy"] == "same-origin", name
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin", name
        assert answer["Cross-Origin-Resource-Policy"] == "same-origin", name
        assert "camera=()" in answer["Permissions-Policy"], name


def test_no_policy_is_unsafe(answers: dict[str, Any]) -> None:
    assert all("unsafe" not in answer["Content-Security-Policy"] for answer in answers.values())


def test_error_pages_are_ours(answers: dict[str, Any]) -> None:
    for name in ("403", "403 CSRF", "404", "500"):
        assert "crewadmin" in answers[name].text, name


def test_no_page_holds_inline_script_or_style(answers: dict[str, Any]) -> None:
    for name, answer in answers.items():
        assert "<style" not in answer.text, name
        assert " style=" not in answer.text, name
        assert "<script>" not in answer.text, name
        assert " onclick=" not in answer.text, name


def test_an_answer_with_its_own_cache_rule_keeps_it() -> None:
    answer = security_headers(lambda request: HttpResponse(headers={"Cache-Control": "max-age=60"}))(HttpRequest())
    assert answer["Cache-Control"] == "max-age=60"

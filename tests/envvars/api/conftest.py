"""A service token, and a program that shows one."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NoReturn
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from envvars.models import Automation
from envvars.services.tokens import add_token

Get = Callable[..., Any]


def address(automation: Automation) -> str:
    return reverse("api_environment", args=[automation.uuid])


def deploy_address(automation: Automation) -> str:
    return reverse("api_deployments", args=[automation.uuid])


def token_for(automation: Automation, days: float = 30, *, may_deploy: bool = False) -> str:
    """The text of a new token."""
    _token, text = add_token(
        automation, None, name="Cluster", lifetime=timedelta(days=days), uuid=uuid4(), may_deploy=may_deploy
    )
    return text.reveal()


def breaking(*_arguments: Any) -> NoReturn:
    """Break, as code with a mistake in it does."""
    raise RuntimeError("made-up-crash")


@pytest.fixture
def token(crew: Automation) -> str:
    return token_for(crew)


@pytest.fixture
def get(crew: Automation, token: str) -> Get:
    """A function that asks for the crew's values with its token; headers by name, `method` for another one."""

    def got(text: str = token, *, method: str = "GET", at: str = address(crew), **headers: str) -> Any:
        sent = {"Authorization": f"Bearer {text}", **{name.replace("_", "-"): one for name, one in headers.items()}}
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        return client.generic(method, at, headers=sent)

    return got

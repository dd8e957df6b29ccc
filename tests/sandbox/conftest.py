"""Plain boto3 clients for the users of the sandbox, which tests/conftest.py starts and resets."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.aws import Sandbox
from tests.sandbox.clients import Clients


@pytest.fixture
def as_user(sandbox: Sandbox) -> Callable[..., Clients]:
    def clients(*arguments: Any, **options: Any) -> Clients:
        return Clients(sandbox.url, *arguments, **options)

    return clients

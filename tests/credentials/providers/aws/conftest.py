from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from credentials.providers.aws.limits import Limits
from credentials.providers.aws.provider import AwsSecretsManager
from crewadmin.redaction import Secret

from .wire import Answer, Wire

ROLE_ARN = "arn:aws:iam::123456789012:role/CrewAISecretsManagerRole"
SECRET_ACCESS_KEY = "canarySecretAccessKey/0123456789abcdefgh"
CONFIG = {"region": "us-east-1", "access_key_id": "AKIAIOSFODNN7EXAMPLE", "role_arn": ""}

ServeAws = Callable[..., Wire]
MakeProvider = Callable[..., AwsSecretsManager]


@pytest.fixture
def serve(settings: Any) -> Iterator[ServeAws]:
    """Start a server that answers in the place of AWS."""
    with ExitStack() as stack:

        def start(answer: Answer, certificate: Path | None = None) -> Wire:
            wire = stack.enter_context(Wire(answer, certificate))
            settings.AWS_SANDBOX_URL = wire.url
            return wire

        yield start


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> MakeProvider:
    """Make a provider from well-formed settings, with tighter limits than in production."""

    def make(
        *, limits: Limits | None = None, external_id: str = "", secret: str = SECRET_ACCESS_KEY, **config: str
    ) -> AwsSecretsManager:
        monkeypatch.setattr(AwsSecretsManager, "limits", limits or Limits(connect=1, read=1, total=5, attempts=1))
        secrets = {"secret_access_key": secret, "external_id": external_id}
        return AwsSecretsManager({**CONFIG, **config}, Secret({k: v for k, v in secrets.items() if v}))

    return make

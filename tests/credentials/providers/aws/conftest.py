from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from credentials.providers.aws.limits import Limits
from credentials.providers.aws.provider import AwsSecretsManager
from credentials.providers.base import Fetched, ProviderError, SecretId
from crewadmin.redaction import Secret

from .wire import Answer, Wire

ROLE_ARN = "arn:aws:iam::123456789012:role/CrewAISecretsManagerRole"
SECRET_ACCESS_KEY = "canarySecretAccessKey/0123456789abcdefgh"
CONFIG = {"region": "us-east-1", "access_key_id": "AKIAIOSFODNN7EXAMPLE", "role_arn": ""}

ServeAws = Callable[..., Wire]
MakeProvider = Callable[..., AwsSecretsManager]


def fetch(provider: AwsSecretsManager, names: Iterable[str], max_age: int = 0) -> dict[str, Fetched | ProviderError]:
    """The current versions of secrets, by name."""
    return {wanted.secret_name: answer for wanted, answer in provider.fetch(map(SecretId, names), max_age).items()}


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
        monkeypatch.setattr(AwsSecretsManager, "limits", limits or Limits(connect=2, read=3, total=14, attempts=1))
        secrets = {"secret_access_key": secret, "external_id": external_id}
        return AwsSecretsManager({**CONFIG, **config}, Secret({k: v for k, v in secrets.items() if v}))

    return make


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody vouches for, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + built.public_bytes(serialization.Encoding.PEM)
    )
    return path

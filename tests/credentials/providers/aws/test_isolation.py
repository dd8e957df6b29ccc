"""A host full of AWS settings, identities and traps: none of them is used, contacted or even noticed."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from credentials.providers.aws import client
from credentials.providers.failures import FailureCode
from crewadmin.redaction import Secret

from .conftest import CONFIG, SECRET_ACCESS_KEY, MakeProvider, ServeAws, fetch
from .wire import scripted

SENTINEL = "AKIASENTINELSENTINEL"


class Trap:
    """Listens on loopback for TCP connections and UDP packets that nobody should send."""

    def __init__(self) -> None:
        self.caught: list[str] = []
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._tcp.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        self._threads = [threading.Thread(target=self._watch_tcp), threading.Thread(target=self._watch_udp)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        for listener in (self._tcp, self._udp):
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._tcp.close()
        self._udp.close()

    def _watch_tcp(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._tcp.accept()
                with connection:
                    self.caught.append("tcp")

    def _watch_udp(self) -> None:
        with suppress(OSError):
            while packet := self._udp.recv(65536):
                self.caught.append(f"udp {packet[:20]!r}")


@pytest.fixture
def trap() -> Iterator[Trap]:
    trap = Trap()
    yield trap
    trap.close()


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[str]:
    """The names that are looked up outside loopback; none of them is found. No sandbox: the way to AWS itself."""
    names: list[str] = []
    resolve = socket.getaddrinfo

    def record(host: str, *args: Any, **kwargs: Any) -> Any:
        if host == "127.0.0.1":
            return resolve(host, *args, **kwargs)
        names.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "not in a test")

    settings.AWS_SANDBOX_URL = None
    monkeypatch.setattr(socket, "getaddrinfo", record)
    return names


@pytest.fixture(autouse=True)
def _new_session() -> Iterator[None]:
    """Each test's environment is read anew."""
    client._session.cache_clear()
    yield
    client._session.cache_clear()


HOSTILE: dict[str, dict[str, str]] = {
    "keys": {"AWS_ACCESS_KEY_ID": SENTINEL, "AWS_SECRET_ACCESS_KEY": "sentinel", "AWS_SESSION_TOKEN": "sentinel"},
    "profile": {"AWS_PROFILE": "missing", "AWS_DEFAULT_PROFILE": "missing"},
    "files": {"AWS_CONFIG_FILE": "{tmp}/config", "AWS_SHARED_CREDENTIALS_FILE": "{tmp}/credentials"},
    "container": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "{trap}/", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "sentinel"},
    "instance": {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "{trap}/", "AWS_EC2_METADATA_DISABLED": "false"},
    "web identity": {
        "AWS_WEB_IDENTITY_TOKEN_FILE": "{tmp}/config",
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/Sentinel",
        "AWS_ENDPOINT_URL_STS": "{trap}",
    },
    "endpoint": {"AWS_ENDPOINT_URL": "{trap}", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"},
    "service endpoints": {"AWS_ENDPOINT_URL_SECRETS_MANAGER": "{trap}", "AWS_ENDPOINT_URL_STS": "{trap}"},
    "monitoring": {"AWS_CSM_ENABLED": "true", "AWS_CSM_HOST": "127.0.0.1", "AWS_CSM_PORT": "{port}"},
    "defaults mode": {"AWS_DEFAULTS_MODE": "auto", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "{trap}/"},
    "broken defaults mode": {"AWS_DEFAULTS_MODE": "nonsense"},
    "FIPS": {"AWS_USE_FIPS_ENDPOINT": "true"},
    "dual stack": {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
    "global STS": {"AWS_STS_REGIONAL_ENDPOINTS": "legacy"},
    "region": {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"},
    "retries": {"AWS_RETRY_MODE": "nonsense", "AWS_MAX_ATTEMPTS": "50"},
    "proxies": dict.fromkeys(
        ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), "{trap}"
    ),
    "CA bundle": {"AWS_CA_BUNDLE": "{tmp}/missing.pem", "REQUESTS_CA_BUNDLE": "{tmp}/missing.pem"},
    "blank CA bundle": {"AWS_CA_BUNDLE": " ", "REQUESTS_CA_BUNDLE": " "},
    "data path": {"AWS_DATA_PATH": "{tmp}/models"},
    "plugins": {"BOTOCORE_EXPERIMENTAL__PLUGINS": "trap=trap_plugin"},
    "bearer token": {"AWS_BEARER_TOKEN_SECRETSMANAGER": "sentinel", "AWS_BEARER_TOKEN_STS": "sentinel"},
    "account endpoints": {"AWS_ACCOUNT_ID_ENDPOINT_MODE": "required"},
    "signing": {"AWS_AUTH_SCHEME_PREFERENCE": "httpBearerAuth", "AWS_SIGV4A_SIGNING_REGION_SET": "*"},
}


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A directory with the files that the hostile variables point to, and laid out like a home directory."""
    config = (
        f"[default]\nregion = eu-west-1\nendpoint_url = http://127.0.0.1:1\ncredential_process = touch {tmp_path}/ran\n"
    )
    credentials = f"[default]\naws_access_key_id = {SENTINEL}\naws_secret_access_key = sentinel\n"
    poison: dict[str, object] = {
        "endpoints": {"partitions": []},
        "sts/2011-06-15/service-2": {},
        "secretsmanager/2017-10-17/service-2": {},
        "sdk-default-configuration": {},
        "partitions": {"partitions": []},
    }
    for folder in (tmp_path, tmp_path / ".aws"):
        folder.mkdir(exist_ok=True)
        (folder / "config").write_text(config)
        (folder / "credentials").write_text(credentials)
        for name, content in poison.items():
            path = folder / "models" / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content))
    (tmp_path / "trap_plugin.py").write_text(
        f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\ndef initialize_client_plugin(client): pass\n"
    )
    return tmp_path


def filled(variables: dict[str, str], trap: Trap, host: Path) -> dict[str, str]:
    return {
        name: value.replace("{trap}", trap.url).replace("{port}", str(trap.port)).replace("{tmp}", str(host))
        for name, value in variables.items()
    }


@pytest.mark.parametrize("name", HOSTILE)
def test_the_way_to_aws_is_the_same_on_every_host(
    name: str,
    trap: Trap,
    host: Path,
    looked_up: list[str],
    provider: MakeProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(host)
    for variable, value in filled(HOSTILE[name], trap, host).items():
        monkeypatch.setenv(variable, value)
    failure = provider().probe("db").failure
    assert failure is not None
    assert failure.code is FailureCode.DNS_FAILED
    assert set(looked_up) == {"sts.us-east-1.amazonaws.com"}
    looked_up.clear()
    fetch(provider(), ["db"])
    assert set(looked_up) == {"secretsmanager.us-east-1.amazonaws.com"}
    assert trap.caught == []
    assert not (host / "ran").exists()


@pytest.mark.parametrize("name", HOSTILE)
def test_requests_are_signed_with_the_keys_given_and_no_other(
    name: str,
    trap: Trap,
    host: Path,
    serve: ServeAws,
    provider: MakeProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(host)
    for variable, value in filled(HOSTILE[name], trap, host).items():
        monkeypatch.setenv(variable, value)
    wire = serve(scripted())
    assert provider().probe("db").ok
    assert {(request.key_id, request.region) for request in wire.requests} == {("AKIAIOSFODNN7EXAMPLE", "us-east-1")}
    assert "sentinel" not in "".join(request.head for request in wire.requests).lower()
    assert trap.caught == []
    assert not (host / "ran").exists()


@pytest.mark.parametrize("name", ["keys", "profile", "files", "container", "instance", "web identity"])
@pytest.mark.parametrize("keys", [{"secret": ""}, {"access_key_id": ""}, {"secret": "", "access_key_id": ""}])
def test_missing_keys_never_become_the_identity_of_the_host(
    name: str,
    keys: dict[str, str],
    trap: Trap,
    host: Path,
    serve: ServeAws,
    provider: MakeProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable, value in filled(HOSTILE[name], trap, host).items():
        monkeypatch.setenv(variable, value)
    wire = serve(scripted())
    aws = provider(**keys)
    monkeypatch.setattr(aws, "_check_shape", dict)  # as if the first line of defence had let them through
    assert not aws.probe("db").ok
    assert isinstance(fetch(aws, ["db"])["db"], Exception)
    assert wire.requests == []
    assert trap.caught == []


def test_a_session_finds_nothing_even_when_asked(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(host))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SENTINEL)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sentinel")
    monkeypatch.setenv("AWS_BEARER_TOKEN_STS", "sentinel")
    session = client._session()
    assert session.get_credentials() is None
    assert session.get_component("token_provider").load_token(signing_name="sts") is None
    assert session.get_scoped_config() == {}
    assert session.available_profiles == []


SCRIPT = """
import json, sys
import django
django.setup()
from credentials.providers.aws.provider import AwsSecretsManager
from crewadmin.redaction import Secret
config, secret = json.loads(sys.stdin.read())
result = AwsSecretsManager(config, Secret({"secret_access_key": secret})).probe("db")
print(json.dumps([[step.step, step.state, step.code] for step in result.steps]))
"""


def test_a_process_started_on_a_hostile_host_works_as_anywhere(trap: Trap, host: Path, serve: ServeAws) -> None:
    wire = serve(scripted())
    # AWS_PROFILE and the nonsense values end a naive client at once; the rest shows only without them, so both ways.
    loud = {"profile", "broken defaults mode", "retries"}
    for names in (HOSTILE.keys() - loud, loud):
        hostile = {k: v for name in names for k, v in filled(HOSTILE[name], trap, host).items()}
        environment = {**os.environ, **hostile, "HOME": str(host), "AWS_SANDBOX_URL": wire.url}
        wire.requests.clear()
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            input=json.dumps([CONFIG, SECRET_ACCESS_KEY]),
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        states = {step: state for step, state, _ in json.loads(run.stdout)}
        assert states["read"] == "passed"
        assert {request.key_id for request in wire.requests} == {CONFIG["access_key_id"]}
        assert trap.caught == []
        assert not (host / "ran").exists()


def test_keys_and_secrets_are_masked_wherever_they_are_printed() -> None:
    keys = client.Keys("AKIAIOSFODNN7EXAMPLE", Secret(SECRET_ACCESS_KEY), Secret("session-token"))
    assert SECRET_ACCESS_KEY not in repr(keys)
    assert "session-token" not in repr(keys)

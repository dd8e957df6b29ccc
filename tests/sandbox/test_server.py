"""The server: loopback only, nothing but the two services, keep-alive, silent, one per process."""

import http.client
import json
import signal
import socket
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sandbox import seed
from sandbox.aws import Sandbox
from tests.sandbox.clients import Clients

PROJECT = Path(__file__).resolve().parents[2]
TARGET = {"X-Amz-Target": "secretsmanager.ListSecrets", "Content-Type": "application/x-amz-json-1.1"}


@pytest.fixture
def connection(sandbox):
    with closing(http.client.HTTPConnection(urlsplit(sandbox.url).netloc)) as opened:
        yield opened


def post(connection, path="/", body="{}", **headers):
    connection.request("POST", path, body, {**TARGET, **headers})
    response = connection.getresponse()
    return response.status, response.read()


@pytest.mark.parametrize("path", ["/moto-api/reset", "/moto-api/data.json", "/latest/meta-data/", "/bucket", "/?a=b"])
def test_nothing_but_the_two_services_is_reachable(connection, path):
    assert post(connection, path)[0] == 404


def test_other_services_are_not_reachable(connection):
    scope = f"{seed.READER.access_key_id}/20260101/us-east-1/iam/aws4_request"
    authorization = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"

    assert post(connection, Authorization=authorization)[0] == 404


def test_a_request_for_another_host_is_not_answered(connection):
    assert post(connection, Host="evil.example")[0] == 404
    assert post(connection, Host="[::1")[0] == 404
    assert post(connection, Host="localhost:1")[0] == 400


def test_an_unsigned_request_is_refused(connection):
    status, body = post(connection)

    assert (status, json.loads(body)["__type"]) == (400, "MissingAuthenticationTokenException")


def test_a_body_that_is_not_json_is_refused(connection):
    status, body = post(connection, body="[1")

    assert (status, json.loads(body)["__type"]) == (400, "SerializationException")


def test_a_body_that_is_too_large_is_refused(connection):
    assert post(connection, **{"Content-Length": str(2 * 1024 * 1024)})[0] == 413


def test_a_connection_is_kept_for_the_next_call(connection):
    post(connection)
    first = connection.sock
    post(connection)

    assert first is not None
    assert connection.sock is first


def test_the_date_header_is_the_servers_own_time(sandbox, connection):
    def date():
        connection.request("POST", "/", "{}", TARGET)
        response = connection.getresponse()
        response.read()
        return parsedate_to_datetime(response.headers["Date"])

    right = date()
    sandbox.set_clock_offset(timedelta(hours=1))

    assert timedelta(minutes=59) < date() - right < timedelta(minutes=61)


def test_calls_are_counted_refused_or_not_and_carry_no_credential(sandbox, as_user):
    reader = as_user()
    reader.sts.get_caller_identity()
    reader.assume()
    reader.secrets.list_secrets()
    reader.read("database-credentials")
    sandbox.deactivate_key()
    with pytest.raises(Exception, match="UnrecognizedClientException"):
        reader.read("crewai/openai-api-key")

    assert sandbox.calls == [
        ("sts", "GetCallerIdentity", None),
        ("sts", "AssumeRole", None),
        ("secretsmanager", "ListSecrets", None),
        ("secretsmanager", "GetSecretValue", "database-credentials"),
        ("secretsmanager", "GetSecretValue", "crewai/openai-api-key"),
    ]


def test_a_reset_undoes_every_change(sandbox, as_user):
    session = as_user().assume()
    sandbox.detach_policy()
    sandbox.remove_inline_policy()
    sandbox.deactivate_key()
    sandbox.disable_kms_key()
    sandbox.set_policy(seed.policy({"Effect": "Deny", "Action": "*", "Resource": "*"}))
    sandbox.set_trust_policy(seed.TRUST_POLICY)
    sandbox.put_secret("crewai/new", "x")
    sandbox.delete_secret("database-credentials")
    sandbox.set_clock_offset(timedelta(hours=1))

    sandbox.reset()

    assert sandbox.calls == []
    assert as_user().assume().read("crewai/payments-key") == seed.PAYMENTS_KEY.value
    assert as_user().read("database-credentials") == seed.DATABASE.value
    assert len(as_user().secrets.list_secrets()["SecretList"]) == len(seed.SECRETS)
    with pytest.raises(Exception, match="UnrecognizedClientException"):
        session.read("database-credentials")


def test_a_fault_of_the_sandbox_is_a_server_error_without_details(sandbox, connection, monkeypatch, caplog):
    monkeypatch.setattr("sandbox.gate.read_call", lambda *_: 1 / 0)

    status, body = post(connection)

    assert (status, json.loads(body)["__type"]) == (500, "InternalServiceError")
    assert caplog.messages == ["A call to secretsmanager failed: ZeroDivisionError"]


@pytest.mark.usefixtures("sandbox")
def test_a_second_sandbox_in_the_process_is_refused():
    with pytest.raises(RuntimeError, match="already running"):
        Sandbox.start()


def serve(*arguments):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "sandbox", *arguments],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_one_line_serves_and_ends_with_the_signal(number):
    with serve("--port", "0") as process:
        line = process.stdout.readline()
        url = line.split()[-1]
        clients = Clients(url)
        try:
            assert line == f"AWS sandbox ready at {url}\n"
            assert urlsplit(url).hostname == "127.0.0.1"
            assert clients.read("database-credentials") == seed.DATABASE.value
        finally:
            process.send_signal(number)
        assert process.wait(timeout=5) == 0
        assert (process.stdout.read(), process.stderr.read()) == ("", "")


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's list of listening sockets")
def test_the_command_listens_on_loopback_only():
    with serve("--port", "0") as process:
        port = urlsplit(process.stdout.readline().split()[-1]).port
        try:
            local = {line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if " 0A " in line}
            local |= {line.split()[1] for line in Path("/proc/net/tcp6").read_text().splitlines()[1:] if " 0A " in line}
        finally:
            process.terminate()

    assert [address for address in local if address.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


def test_the_command_has_no_way_to_bind_another_address():
    with serve("--host", "0.0.0.0") as process:  # noqa: S104 - what must be refused
        assert process.wait(timeout=30) == 2


def test_the_command_says_when_its_port_is_taken():
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with serve("--port", str(port)) as process:
            assert process.wait(timeout=30) == 1
            assert process.stderr.read() == f"Cannot serve on 127.0.0.1:{port}: Address already in use\n"


def test_the_sandbox_imports_no_django_and_its_seed_no_moto():
    program = (
        "import sys, sandbox.seed; assert 'moto' not in sys.modules; "
        "import sandbox.__main__; assert 'django' not in sys.modules; assert 'flask' not in sys.modules"
    )

    subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=PROJECT, check=True)

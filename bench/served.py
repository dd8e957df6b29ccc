"""A gunicorn of our own on loopback, with a database of its own, for what can only be measured from outside.

`python -m bench.served ORGANIZATIONS CREDENTIALS` fills that database, in the environment of the server, and prints as
JSON what the clients need: a session cookie, and for each organization the addresses of its list and of its tests.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
_KEY_ID, _LETTERS = "AKIARZPUZDIKAEXAMP", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Answer:
    """What came back for one request, and after how many seconds."""

    status: int
    text: str
    seconds: float


@dataclass(frozen=True)
class Served:
    """A running server: its port, its workers' process ids, and what `fill` printed."""

    port: int
    workers: list[int]
    cookie: str
    organizations: list[dict[str, Any]]

    def get(self, path: str) -> Answer:
        """Ask for a page, on a connection of its own."""
        return self._ask("GET", path, "", {})

    def post(self, path: str) -> Answer:
        """Press a button, as htmx does."""
        headers = {"X-CSRFToken": "t" * 32, "HX-Request": "true", "Content-Type": "application/x-www-form-urlencoded"}
        return self._ask("POST", path, "secret_name=", headers)

    def memory(self) -> int:
        """Return the megabytes that all workers hold at the moment."""
        status = [Path(f"/proc/{pid}/status").read_text() for pid in self.workers]
        return sum(int(text.split("VmRSS:")[1].split()[0]) for text in status) // 1024

    def _ask(self, method: str, path: str, body: str, headers: Mapping[str, str]) -> Answer:
        cookies = {"Cookie": f"sessionid={self.cookie}; csrftoken={'t' * 32}", "Host": LOOPBACK}
        started = time.perf_counter()
        connection = HTTPConnection(LOOPBACK, self.port, timeout=60)
        try:
            connection.request(method, path, body, {**cookies, **headers})
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        return Answer(response.status, text, time.perf_counter() - started)


@contextmanager
def served(sandbox_url: str, organizations: int, credentials: int, workers: int, threads: int) -> Iterator[Served]:
    """Run gunicorn over a new SQLite database with so many organizations and credentials in each."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3",
            "AWS_SANDBOX_URL": sandbox_url,
            "CONNECTION_TESTS_AT_ONCE": str(threads // 2),
            "LOG_LEVEL": "ERROR",
        }
        filled = _run([sys.executable, "-m", "bench.served", str(organizations), str(credentials)], environment)
        port = _free_port()
        command = ["gunicorn", "crewadmin.wsgi", "--bind", f"{LOOPBACK}:{port}", "--log-level", "error"]
        command += ["--workers", str(workers), "--threads", str(threads)]
        quiet = subprocess.DEVNULL  # every refused test is a warning
        server = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=environment, stderr=quiet)  # noqa: S603 - our own
        try:
            _wait_for(port)
            yield Served(port, _children_of(server.pid), **json.loads(filled))
        finally:
            server.terminate()
            server.wait(30)


def fill(organizations: int, credentials: int) -> dict[str, Any]:
    """Store one person who owns so many organizations, with so many credentials in each, known by their key ids."""
    from django.core.management import call_command
    from django.test import Client
    from django.urls import reverse

    from credentials.services import add_credential
    from organizations.models import User
    from organizations.services.organizations import create_organization

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    owner = User.objects.create_user("owner@example.com", None)
    made = []
    for number in range(organizations):
        organization = create_organization(f"Organization {number}", f"organization-{number}", owner)
        rows = [
            add_credential(
                organization,
                owner,
                name=f"aws-{key}",
                provider="aws",
                config={"region": "us-east-1", "access_key_id": key_id(key), "role_arn": ""},
                secrets={"secret_access_key": "x" * 40},
                is_default=False,
            )
            for key in range(number * credentials, (number + 1) * credentials)
        ]
        addresses = [reverse("credential_test", args=[organization.uuid, row.uuid]) for row in rows]
        made.append({"list": reverse("credential_list", args=[organization.uuid]), "tests": addresses})
    client = Client(headers={"host": LOOPBACK})
    client.force_login(owner)
    return {"cookie": client.cookies["sessionid"].value, "organizations": made}


def key_id(number: int) -> str:
    """Return a well-formed access key id that tells its number (below 676)."""
    return _KEY_ID + _LETTERS[number // 26] + _LETTERS[number % 26]


def number_of(access_key_id: str) -> int:
    """Return the number that an access key id tells."""
    tens, ones = access_key_id.removeprefix(_KEY_ID)
    return _LETTERS.index(tens) * 26 + _LETTERS.index(ones)


def _run(command: list[str], environment: Mapping[str, str]) -> str:
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as taken:
        return int(taken.getsockname()[1])


def _wait_for(port: int) -> None:
    """Wait until the server answers, half a minute at most."""
    for _try in range(300):
        with socket.socket() as probe:
            if probe.connect_ex((LOOPBACK, port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError("gunicorn did not start.")


def _children_of(pid: int) -> list[int]:
    """Return the process ids of a master's workers, once they are there."""
    time.sleep(1)
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crewadmin.settings")
    import django

    django.setup()
    print(json.dumps(fill(int(sys.argv[1]), int(sys.argv[2]))))

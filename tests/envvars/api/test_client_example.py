"""The client of docs/examples/, as a CrewAI project would use it, against a real server."""

import os
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from crewadmin.settings import BASE_DIR
from envvars.models import Automation
from organizations.models import Organization
from sandbox.aws import Sandbox
from tests.builders import store_direct, store_reference

from .conftest import address, token_for

pytestmark = pytest.mark.django_db(transaction=True)
EXAMPLE = Path(BASE_DIR, "docs", "examples", "crew_environment.py")


@pytest.fixture
def environment_class(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The example's class; what it puts into the environment is taken out again."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    namespace: dict[str, Any] = {"__name__": "crew_environment"}
    exec(compile(EXAMPLE.read_text(), str(EXAMPLE), "exec"), namespace)  # noqa: S102 - the example is ours
    return namespace["Environment"]


@pytest.fixture
def environment(environment_class: Any, live_server: Any, crew: Automation) -> Any:
    return environment_class(live_server.url + address(crew), token_for(crew))


def test_the_crew_finds_its_values_in_its_environment(environment: Any, acme: Organization, crew: Automation) -> None:
    store_direct(acme, "MADE_UP_KEY", "made-up-direct-value", [crew])
    assert environment.refresh() is True
    assert os.environ["MADE_UP_KEY"] == "made-up-direct-value"


def test_nothing_is_fetched_twice(environment: Any, acme: Organization, crew: Automation) -> None:
    assert [environment.refresh(), environment.refresh()] == [True, False]
    store_direct(acme, "MADE_UP_KEY", "made-up-direct-value", [crew])
    assert [environment.refresh(), environment.refresh()] == [True, False]


def test_problems_are_told_and_nothing_is_set(
    environment: Any, acme: Organization, crew: Automation, sandbox: Sandbox
) -> None:
    store_direct(acme, "MADE_UP_KEY", "made-up-direct-value", [crew])
    store_reference(acme, "NO_CREDENTIAL", "no/such-secret", automations=[crew])
    with pytest.raises(RuntimeError, match=r"409.*No credential found"):
        environment.refresh()
    assert "MADE_UP_KEY" not in os.environ


def test_a_wrong_token_is_told_and_not_printed(environment_class: Any, live_server: Any, crew: Automation) -> None:
    with pytest.raises(RuntimeError, match=r"401.*No working service token") as refused:
        environment_class(live_server.url + address(crew), "made-up-wrong-token").refresh()
    assert "made-up-wrong-token" not in str(refused.value)


def test_a_server_that_says_nothing_is_not_waited_for(environment_class: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(OSError, match="timed out"):
        environment_class(f"http://127.0.0.1:{silent.getsockname()[1]}/", "token", seconds=0.2).refresh()


def test_the_token_is_not_sent_where_a_redirect_leads(environment_class: Any) -> None:
    asked: list[str] = []

    class Redirects(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Redirects) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(RuntimeError, match="302"):
            environment_class(f"http://127.0.0.1:{server.server_port}/here", "token").refresh()
        thread.join()
    assert asked == ["/here"]


def test_the_example_needs_python_only_and_is_short() -> None:
    lines = EXAMPLE.read_text().splitlines()
    imported = {line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))}
    assert imported <= set(sys.stdlib_module_names)
    code = [line for line in lines if line.strip() and not line.strip().startswith(('"""', "import ", "from "))]
    assert len(code) <= 30


def test_the_guide_shows_the_example_as_it_is() -> None:
    assert EXAMPLE.read_text() in Path(BASE_DIR, "docs", "api.md").read_text()

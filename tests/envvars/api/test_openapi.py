"""The OpenAPI document: true of what is answered, by example and by a tool that tries to prove otherwise."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings

from credentials.models import Credential
from envvars.api.document import DOCUMENT
from envvars.api.problems import TEXTS
from envvars.models import Automation
from organizations.models import Organization
from sandbox.aws import Sandbox
from tests.builders import store_direct, store_reference

from .conftest import Get, breaking, deploy_address, token_for

pytestmark = pytest.mark.django_db
ENVIRONMENT, DEPLOYMENTS = (f"/api/v1/automations/{{automation}}/{name}" for name in ("environment", "deployments"))
GET, POST = DOCUMENT["paths"][ENVIRONMENT]["get"], DOCUMENT["paths"][DEPLOYMENTS]["post"]
#: The same few examples in every run.
BOUNDED = settings(
    max_examples=50,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def violations(answer: Any, operation: Any = GET) -> list[str]:
    """What an answer has that the document does not say, or lacks."""
    described = operation["responses"][str(answer.status_code)]
    missing = [name for name in described.get("headers", {}) if name not in answer.headers]
    kind = answer.headers.get("Content-Type", "")
    if not described.get("content"):
        return missing + ([kind] if kind or answer.content else [])
    if kind not in described["content"]:
        return [*missing, kind]
    schema = {**described["content"][kind]["schema"], "components": DOCUMENT["components"]}
    return missing + [error.message for error in jsonschema_rs.validator_for(schema).iter_errors(answer.json())]


def test_everybody_may_read_the_document(db: None) -> None:
    answer = Client().get("/api/v1/openapi.json")
    assert answer.status_code == 200
    assert answer.json() == DOCUMENT
    assert answer.cookies.output() == ""
    assert Client(enforce_csrf_checks=True).post("/api/v1/openapi.json").status_code == 405


def test_every_answer_is_as_the_document_says(
    acme: Organization,
    crew: Automation,
    aws_prod: Credential,
    sandbox: Sandbox,
    get: Get,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store_direct(acme, "LOG_LEVEL", "made-up-direct-value", [crew])
    full = get()
    answers = [full, get(If_None_Match=full.headers["ETag"]), get("wrong"), get(at="/api/v1/automations/x/environment")]
    store_reference(acme, "NO_SECRET", "no/such-secret", automations=[crew])
    answers.append(get())
    monkeypatch.setattr("envvars.api.limits.PER_MINUTE", 0)
    answers.append(get())
    monkeypatch.setattr("envvars.api.tokens.token_of", breaking)
    answers.append(get())
    assert [answer.status_code for answer in answers] == [200, 304, 401, 404, 409, 429, 500]
    assert {str(answer.status_code) for answer in answers} == set(GET["responses"])
    assert [violations(answer) for answer in answers] == [[]] * 7


def test_every_answer_about_a_deployment_is_as_the_document_says(
    acme: Organization,
    crew: Automation,
    aws_prod: Credential,
    sandbox: Sandbox,
    get: Get,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store_direct(acme, "LOG_LEVEL", "made-up-direct-value", [crew])
    deploying = token_for(crew, may_deploy=True)
    post = partial(get, method="POST", at=deploy_address(crew))
    answers = [post(deploying), post("wrong"), post(), post(deploying, at="/api/v1/automations/x/deployments")]
    store_reference(acme, "NO_SECRET", "no/such-secret", automations=[crew])
    answers.append(post(deploying))
    monkeypatch.setattr("envvars.api.limits.PER_MINUTE", 0)
    answers.append(post(deploying))
    monkeypatch.setattr("envvars.api.tokens.token_of", breaking)
    answers.append(post(deploying))
    assert [answer.status_code for answer in answers] == [201, 401, 403, 404, 409, 429, 500]
    assert {str(answer.status_code) for answer in answers} == set(POST["responses"])
    assert [violations(answer, POST) for answer in answers] == [[]] * 7


def test_a_wrong_answer_would_be_found(get: Get) -> None:
    answer = get()
    answer._content = b'{"variables": {"1": 2}}'
    answer._container = [answer._content]
    del answer.headers["ETag"], answer.json
    answer.json = lambda: {"variables": {"1": 2}}
    assert len(violations(answer)) >= 3


def test_the_document_knows_every_refusal_there_is() -> None:
    refusals = {str(status.value) for status in TEXTS}
    assert refusals - {"405"} == {status for status in {**GET["responses"], **POST["responses"]} if status >= "400"}


@pytest.fixture
def _one_connection() -> Iterator[None]:
    """Keep the test's database connection open between requests, as Django's own test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.usefixtures("_one_connection")
@pytest.mark.parametrize("mode", schemathesis.GenerationMode)
@pytest.mark.parametrize("own", [True, False], ids=["own automation", "any automation"])
@pytest.mark.parametrize(
    ("path", "method", "done"), [(ENVIRONMENT, "GET", 200), (DEPLOYMENTS, "POST", 201)], ids=["environment", "deploy"]
)
def test_a_tool_that_tries_to_break_it_finds_nothing(
    mode: schemathesis.GenerationMode,
    own: bool,
    path: str,
    method: str,
    done: int,
    acme: Organization,
    crew: Automation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """schemathesis makes requests up from the document, good and bad, and holds every answer against it."""
    store_direct(acme, "LOG_LEVEL", "made-up-direct-value", [crew])
    monkeypatch.setattr("envvars.api.limits.PER_MINUTE", 10**6)
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", WSGIHandler())
    where = {"path_parameters": {"automation": str(crew.uuid)}} if own else {}
    token = token_for(crew, may_deploy=True)
    statuses: set[tuple[bool, int]] = set()

    @settings(BOUNDED)
    @given(schema[path][method].as_strategy(mode, **where))
    def ask(case: schemathesis.Case) -> None:
        for headers in ({"Authorization": f"Bearer {token}"}, {"Authorization": "Bearer wrong"}, {}):
            response = case.call(headers=headers)
            statuses.add((headers.get("Authorization") == f"Bearer {token}", response.status_code))
            # What it would find out about tokens with requests of its own is asserted below.
            case.validate_response(response, excluded_checks=[schemathesis.checks.ignored_auth])

    ask()
    assert (True, done if own else 404) in statuses
    assert {status for with_token, status in statuses if not with_token} == {401}
    assert {status for _with_token, status in statuses} <= {done, 304, 401, 404}

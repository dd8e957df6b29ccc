"""POST /api/v1/automations/<uuid>/deployments, and what an automation gets that resolves when it is deployed."""

from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from credentials.models import Credential
from envvars.models import Automation, Deployment, ServiceToken
from envvars.services import deployments
from envvars.services.deployments import deploy
from envvars.services.tokens import rotate_token
from organizations.models import AuditEvent, Organization
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import damage, store_automation, store_direct, store_reference

from .conftest import Get, deploy_address, token_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def with_values(acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox) -> Automation:
    store_direct(acme, "LOG_LEVEL", "made-up-direct-value", [crew])
    store_reference(acme, "API_KEY", seed.OPENAI_KEY.name, automations=[crew])
    Automation.objects.update(resolves_at=Automation.ResolvesAt.DEPLOY)
    return Automation.objects.select_related("organization").get()


@pytest.fixture
def post(with_values: Automation, get: Get) -> Get:
    """A function that deploys with a token that may."""
    return partial(get, token_for(with_values, may_deploy=True), method="POST", at=deploy_address(with_values))


# --- Deploying ------------------------------------------------------------------------------------------------------
def test_a_token_that_may_deploys_the_automation(with_values: Automation, post: Get) -> None:
    answer = post()
    deployment = Deployment.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {
        "automation": str(with_values.uuid),
        "number": 1,
        "variables": 2,
        "created_at": deployment.created_at.isoformat(),
    }
    assert answer.headers["Cache-Control"] == "no-store"
    assert deployment.by_label.startswith("service token Cluster (crewadmin_")
    assert AuditEvent.objects.get(action="automation:deployed").actor_label == deployment.by_label


def test_a_token_that_may_not_deploys_nothing(with_values: Automation, get: Get, sandbox: Sandbox) -> None:
    answer = get(method="POST", at=deploy_address(with_values))
    assert (answer.status_code, answer.json()["title"]) == (403, "This service token may not deploy")
    assert not Deployment.objects.exists()
    assert sandbox.calls == []


def test_a_successor_may_what_the_token_might(with_values: Automation) -> None:
    token_for(with_values, may_deploy=True)
    successor, _text = rotate_token(ServiceToken.objects.get(), None, overlap=timedelta(0), uuid=uuid4())
    assert successor.may_deploy


def test_problems_come_all_at_once_and_nothing_is_deployed(
    with_values: Automation, acme: Organization, post: Get
) -> None:
    store_reference(acme, "NO_SECRET", "no/such-secret", automations=[with_values])
    store_reference(acme, "NO_KEY", "database-credentials#pasword", automations=[with_values])
    answer = post()
    assert answer.status_code == 409
    assert [one["code"] for one in answer.json()["problems"]] == ["key_missing", "secret_not_found"]
    assert "made-up" not in answer.content.decode()
    assert not Deployment.objects.exists()


def test_settings_that_keep_changing_are_told(post: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployments, "_store", lambda *arguments: None)
    answer = post()
    assert (answer.status_code, answer.json()["title"]) == (409, "Nothing was deployed: settings changed meanwhile")


def test_another_automation_does_not_exist(post: Get, acme: Organization, umbrella: Organization) -> None:
    for other in (store_automation(acme, "Other", "other"), store_automation(umbrella)):
        assert post(at=deploy_address(other)).status_code == 404
    assert not Deployment.objects.exists()


def test_only_post_deploys(with_values: Automation, post: Get) -> None:
    answer = post(method="GET")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert Client().post(deploy_address(with_values)).status_code == 401


# --- Starting -------------------------------------------------------------------------------------------------------
def test_before_the_first_deployment_there_is_nothing(with_values: Automation, get: Get, sandbox: Sandbox) -> None:
    answer = get()
    assert answer.status_code == 409
    assert answer.json()["title"] == "Not deployed yet: run deploy"
    assert sandbox.calls == []
    event = AuditEvent.objects.get(action="automation:resolved")
    assert event.details == {"delivery": "api", "variables": 0, "problems": ["not_deployed"]}


def test_a_start_gets_what_was_deployed_and_asks_no_vault(with_values: Automation, get: Get, sandbox: Sandbox) -> None:
    deploy(with_values, None)
    sandbox.put_secret(seed.OPENAI_KEY.name, "made-up-rotated")
    before = len(sandbox.calls)
    answer = get()
    assert answer.json()["variables"] == {"API_KEY": seed.OPENAI_KEY.value, "LOG_LEVEL": "made-up-direct-value"}
    assert len(sandbox.calls) == before
    event = AuditEvent.objects.filter(action="automation:resolved").order_by("-pk")[0]
    assert event.details == {"delivery": "api", "variables": 2, "problems": []}


def test_the_next_deployment_brings_the_rotated_value(with_values: Automation, get: Get, sandbox: Sandbox) -> None:
    deploy(with_values, None)
    etag = get().headers["ETag"]
    sandbox.put_secret(seed.OPENAI_KEY.name, "made-up-rotated")
    assert get(If_None_Match=etag).status_code == 304
    deploy(with_values, None)
    answer = get(If_None_Match=etag)
    assert answer.json()["variables"]["API_KEY"] == "made-up-rotated"
    assert answer.headers["ETag"] != etag


def test_deploying_the_same_again_is_no_other_etag(with_values: Automation, get: Get) -> None:
    deploy(with_values, None)
    etag = get().headers["ETag"]
    deploy(with_values, None)
    assert get(If_None_Match=etag).status_code == 304


def test_baked_in_or_not_the_same_reading_has_the_same_etag(with_values: Automation, get: Get) -> None:
    deploy(with_values, None)
    etag = get().headers["ETag"]
    Automation.objects.update(resolves_at=Automation.ResolvesAt.KICKOFF)
    assert get(If_None_Match=etag).status_code == 304


def test_a_variable_that_came_later_is_not_there(with_values: Automation, acme: Organization, get: Get) -> None:
    deploy(with_values, None)
    store_direct(acme, "LATER", "x", [with_values])
    assert set(get().json()["variables"]) == {"API_KEY", "LOG_LEVEL"}


def test_a_damaged_snapshot_is_told_and_nothing_is_sent(with_values: Automation, get: Get) -> None:
    damage(deploy(with_values, None), "snapshot")
    answer = get()
    assert (answer.status_code, answer.json()["title"]) == (409, "The deployed values cannot be opened")


def test_a_name_that_is_refused_since_is_not_delivered(
    with_values: Automation, get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(with_values, None)
    monkeypatch.setattr("envvars.deployed.reason_to_refuse", lambda key: "reason" if key == "API_KEY" else None)
    answer = get()
    assert answer.status_code == 409
    assert [(one["variable"], one["code"]) for one in answer.json()["problems"]] == [("API_KEY", "name_refused")]


def test_a_start_costs_the_same_queries_however_much_was_deployed(
    crew: Automation, acme: Organization, get: Get
) -> None:
    Automation.objects.update(resolves_at=Automation.ResolvesAt.DEPLOY)
    counts = set()
    for rows in (2, 30):
        for number in range(crew.variables.count(), rows):
            store_direct(acme, f"KEY_{number}", "x", [crew])
        deploy(crew, None)
        get()
        with CaptureQueriesContext(connection) as queries:
            assert len(get().json()["variables"]) == rows
        counts.add(len(queries))
    assert len(counts) == 1

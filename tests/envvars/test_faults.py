"""Faults in the middle of a delivery, by each way out: what failed is named, nothing is half-delivered, no exit code 0.

Ten secrets are wanted. What is wrong with the eleventh, or becomes wrong with one of them on the way, is the fault.
"""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from credentials.models import Credential
from credentials.providers.aws.limits import Limits
from credentials.providers.aws.provider import AwsSecretsManager
from credentials.services import make_default
from envvars.models import Automation
from envvars.resolving import resolve
from organizations.models import Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from sandbox.protocol import AwsError
from tests.builders import store_automation, store_credential, store_reference, store_role_credential
from tests.envvars.api.conftest import token_for

pytestmark = pytest.mark.django_db
TEN = [f"ten/{number}" for number in range(10)]
KEYS = {name: name.replace("/", "_").upper() for name in TEN}
#: One that is wanted in the middle.
CHOSEN = TEN[3]
#: Seconds after which a delivery gives up here.
DEADLINE = 3.0
_DENY = {
    "Effect": "Deny",
    "Action": "secretsmanager:GetSecretValue",
    "Resource": "arn:aws:secretsmanager:*:*:secret:denied-*",
}
_BATCH = {"Effect": "Allow", "Action": "secretsmanager:BatchGetSecretValue", "Resource": "*"}


class Stage(NamedTuple):
    """Ten secrets, wanted by a crew with static keys; `role` is a credential that could be the default instead."""

    acme: Organization
    alice: User
    crew: Automation
    sandbox: Sandbox
    role: Credential
    in_batches: bool

    def wants(self, name: str) -> None:
        store_reference(self.acme, "SPOILT", name, automations=[self.crew])


@pytest.fixture(params=[True, False], ids=["in batches", "one by one"])
def stage(
    request: Any, acme: Organization, alice: User, crew: Automation, aws_prod: Credential, sandbox: Sandbox
) -> Stage:
    statements = [*seed.READ_POLICY["Statement"], _DENY, *([_BATCH] if request.param else [])]
    sandbox.set_policy(seed.policy(*statements))
    for name, key in KEYS.items():
        sandbox.put_secret(name, f"made-up-value-of-{name}")
        store_reference(acme, key, name, automations=[crew])
    return Stage(acme, alice, crew, sandbox, store_role_credential(acme, alice), request.param)


# --- The ways out ---------------------------------------------------------------------------------------------------
class Delivery(NamedTuple):
    """What came of it: the exit code (0: good), the values that left by name, and all that was said."""

    code: int
    values: dict[str, str]
    said: str


Deliver = Callable[[], Delivery]


@pytest.fixture(params=["resolve", "run", "api"])
def deliver(request: Any, stage: Stage, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Deliver:
    started: list[dict[str, str]] = []
    command = "envvars.management.commands.run"
    monkeypatch.setattr(f"{command}.become", lambda _command, given: started.append(given))
    monkeypatch.setattr(f"{command}.connections.close_all", lambda: None)  # the test's own connection stays

    def by_command(*arguments: str) -> Delivery:
        code, error = 0, ""
        try:
            call_command(*arguments)
        except CommandError as raised:
            code, error = raised.returncode, str(raised)
        captured = capfd.readouterr()
        values = json.loads(captured.out or "{}") if arguments[0] == "resolve" else next(iter(started), {})
        return Delivery(code, values, captured.err + error + (captured.out if arguments[0] == "run" else ""))

    def by_api() -> Delivery:
        address = reverse("api_environment", args=[stage.crew.uuid])
        answer = Client().get(address, headers={"Authorization": f"Bearer {token_for(stage.crew)}"})
        content = answer.json()
        assert (answer.status_code == 200) is ("variables" in content)
        return Delivery(answer.status_code - 200, content.pop("variables", {}), json.dumps(content))

    ways: dict[str, Deliver] = {
        "resolve": lambda: by_command("resolve", "acme/invoice-crew", "--format", "json"),
        "run": lambda: by_command("run", "acme/invoice-crew", "--pristine", "--", "true"),
        "api": by_api,
    }
    return ways[request.param]


# --- Faults that stop it --------------------------------------------------------------------------------------------
def _missing(stage: Stage) -> None:
    stage.wants("no/such-secret")


def _denied(stage: Stage) -> None:
    stage.sandbox.put_secret("denied", "made-up-value-denied")
    stage.wants("denied")


def _deleted(stage: Stage) -> None:
    stage.sandbox.put_secret("spoilt", "made-up-value-deleted")
    stage.sandbox.delete_secret("spoilt")
    stage.wants("spoilt")


def _oversize(stage: Stage) -> None:
    stage.sandbox.put_secret("spoilt", "x" * 65_537)
    stage.wants("spoilt")


def _throttled(stage: Stage) -> None:
    def meddle(action: str, secret_id: str | None) -> None:
        if secret_id == CHOSEN:
            raise AwsError("ThrottlingException", "Rate exceeded")

    stage.sandbox.meddle = meddle


ONE_FAULT: dict[str, tuple[Callable[[Stage], None], str, str]] = {
    "missing": (_missing, "SPOILT", "Secret not found: no/such-secret"),
    "denied": (_denied, "SPOILT", "A policy explicitly denies secretsmanager:GetSecretValue"),
    "scheduled for deletion": (_deleted, "SPOILT", "spoilt is marked for deletion"),
    "oversize": (_oversize, "SPOILT", "spoilt is too large for an environment variable"),
    "throttled": (_throttled, KEYS[CHOSEN], "AWS asks to slow down"),
}


@pytest.mark.parametrize("fault", ONE_FAULT)
def test_one_secret_that_fails_is_named_and_nothing_is_delivered(
    fault: str, stage: Stage, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil, key, title = ONE_FAULT[fault]
    spoil(stage)
    monkeypatch.setattr(AwsSecretsManager, "limits", Limits(total=DEADLINE))
    delivery = deliver()
    assert delivery.code != 0
    assert delivery.values == {}
    assert key in delivery.said
    assert title in delivery.said
    assert [other for other in KEYS.values() if other in delivery.said and other != key] == []
    assert "made-up-value" not in delivery.said


# --- Faults that pass -----------------------------------------------------------------------------------------------
def _everything(delivery: Delivery) -> bool:
    return delivery.code == 0 and delivery.values == {key: f"made-up-value-of-{name}" for name, key in KEYS.items()}


def test_throttling_that_passes_is_waited_for(stage: Stage, deliver: Deliver) -> None:
    refused: list[str] = []

    def meddle(action: str, secret_id: str | None) -> None:
        if secret_id == CHOSEN and len(refused) < 3:
            refused.append(action)
            raise AwsError("ThrottlingException", "Rate exceeded")

    stage.sandbox.meddle = meddle
    assert _everything(deliver())
    assert len(refused) == 3


# --- The session of a role ------------------------------------------------------------------------------------------
def _expire_in_the_middle(stage: Stage, then: Callable[[], None] = lambda: None) -> list[str]:
    """Have all sessions end when the batch, or the fourth secret, is asked for; returns the reads until then."""
    make_default(stage.role, stage.alice)
    reads: list[str] = []

    def meddle(action: str, secret_id: str | None) -> None:
        if action == ("BatchGetSecretValue" if stage.in_batches else "GetSecretValue"):
            reads.append(action)
            if len(reads) == (1 if stage.in_batches else 4):
                stage.sandbox.expire_sessions()
                then()

    stage.sandbox.meddle = meddle
    return reads


def test_a_session_that_expires_in_the_middle_is_renewed(stage: Stage, deliver: Deliver) -> None:
    reads = _expire_in_the_middle(stage)
    assert _everything(deliver())
    assert len(reads) > 1
    assert [call.action for call in stage.sandbox.calls].count("AssumeRole") == 2


def test_a_session_that_cannot_be_renewed_is_named_and_nothing_is_delivered(stage: Stage, deliver: Deliver) -> None:
    nobody = seed.policy({"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"})
    _expire_in_the_middle(stage, lambda: stage.sandbox.set_trust_policy(nobody))
    delivery = deliver()
    assert delivery.code != 0
    assert delivery.values == {}
    assert "The role could not be assumed (sts:AssumeRole)" in delivery.said
    assert "made-up-value" not in delivery.said


def test_two_tenants_with_the_same_role_and_external_id_never_share_a_session(
    stage: Stage, umbrella: Organization, mallory: User
) -> None:
    """Whoever knows a role and its External ID has not yet its keys: a session of the one never serves the other."""
    theirs = store_credential(
        umbrella, mallory, "stolen", seed.NO_KMS, external_id=seed.EXTERNAL_ID, role_arn=seed.ROLE_ARN, is_default=True
    )
    crew = store_automation(umbrella)
    store_reference(umbrella, "STOLEN", CHOSEN, theirs, [crew])
    make_default(stage.role, stage.alice)
    for _time in range(2):
        assert resolve(stage.crew).ok
        (problem,) = resolve(crew).problems
        assert problem.code == "role_not_assumed"


# --- The deadline ---------------------------------------------------------------------------------------------------
@pytest.fixture
def slow(stage: Stage) -> Iterator[None]:
    """AWS does not come back with one secret."""
    yield from _holds_back(stage, lambda secret_id: secret_id == CHOSEN)


@pytest.fixture
def silent(stage: Stage) -> Iterator[None]:
    """AWS does not come back at all."""
    yield from _holds_back(stage, lambda secret_id: True)


def _holds_back(stage: Stage, held: Callable[[str | None], bool]) -> Iterator[None]:
    released = threading.Event()

    def meddle(action: str, secret_id: str | None) -> None:
        if held(secret_id):
            released.wait(4 * DEADLINE)

    stage.sandbox.meddle = meddle
    yield
    released.set()


@pytest.mark.usefixtures("slow")
def test_a_deadline_that_is_hit_names_what_is_late_and_nothing_is_delivered(
    stage: Stage, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AwsSecretsManager, "limits", Limits(read=2 * DEADLINE, total=DEADLINE))
    delivery = deliver()
    assert delivery.code != 0
    assert delivery.values == {}
    late = set(KEYS.values()) if stage.in_batches else {KEYS[CHOSEN]}  # a batch is late as a whole
    assert {key for key in KEYS.values() if key in delivery.said} == late
    assert "AWS did not answer in time" in delivery.said
    assert "made-up-value" not in delivery.said


@pytest.mark.usefixtures("silent")
def test_a_deadline_that_is_over_at_once_names_every_variable(
    stage: Stage, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AwsSecretsManager, "limits", Limits(total=0))
    delivery = deliver()
    assert (delivery.code != 0, delivery.values) == (True, {})
    assert all(key in delivery.said for key in KEYS.values())

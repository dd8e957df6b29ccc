"""Tracing a variable against the sandbox: what it says is what resolving does, and at which hop."""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.db import connection

from credentials.models import Credential
from credentials.providers.aws.limits import Limits
from credentials.providers.aws.provider import AwsSecretsManager
from credentials.providers.base import SkipReason, StepState
from credentials.services import add_credential, change_credential, make_default
from envvars.explaining import Explanation, HopName, explain, trace
from envvars.models import Automation, EnvironmentVariable
from envvars.resolving import resolve
from organizations.models import AuditEvent, Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import damage, store_credential, store_direct, store_reference, store_role_credential

pytestmark = pytest.mark.django_db
READ = "database-credentials#password"
DENY = seed.policy(
    {"Effect": "Allow", "Action": "*", "Resource": "*"},
    {"Effect": "Deny", "Action": "secretsmanager:GetSecretValue", "Resource": "*"},
)


class Stage(NamedTuple):
    acme: Organization
    by: User
    crew: Automation
    sandbox: Sandbox

    def refers(self, reference: str, credential: Credential | None = None, **options: Any) -> EnvironmentVariable:
        return store_reference(self.acme, "WANTED", reference, credential, [self.crew], **options)

    def secret(self, value: str | bytes, reference: str = "spoilt") -> EnvironmentVariable:
        self.sandbox.put_secret("spoilt", value)
        return self.refers(reference)


@pytest.fixture
def stage(acme: Organization, alice: User, crew: Automation, aws_prod: Credential, sandbox: Sandbox) -> Stage:
    return Stage(acme, alice, crew, sandbox)


# --- The refusals ---------------------------------------------------------------------------------------------------
def _deleted(stage: Stage) -> EnvironmentVariable:
    stage.sandbox.delete_secret(seed.DATABASE.name)
    return stage.refers(READ)


def _denied(stage: Stage) -> EnvironmentVariable:
    stage.sandbox.put_user_policy(DENY)
    return stage.refers(READ)


def _kms_denied(stage: Stage) -> EnvironmentVariable:
    return stage.refers(seed.PAYMENTS_KEY.name, store_credential(stage.acme, stage.by, user=seed.NO_KMS))


def _kms_disabled(stage: Stage) -> EnvironmentVariable:
    stage.sandbox.disable_kms_key()
    return stage.refers(seed.PAYMENTS_KEY.name)


def _inactive_key(stage: Stage) -> EnvironmentVariable:
    stage.sandbox.deactivate_key()
    return stage.refers(READ)


def _wrong_secret(stage: Stage) -> EnvironmentVariable:
    config = {"region": seed.REGION, "access_key_id": seed.READER.access_key_id, "role_arn": ""}
    wrong = add_credential(
        stage.acme,
        None,
        name="wrong",
        provider="aws",
        config=config,
        secrets={"secret_access_key": "w" * 40},
        is_default=False,
    )
    return stage.refers(READ, wrong)


def _with(**config: str) -> Callable[[Stage], EnvironmentVariable]:
    return lambda stage: stage.refers(READ, store_credential(stage.acme, stage.by, **config))


def _role(external_id: str = seed.EXTERNAL_ID, reference: str = READ) -> Callable[[Stage], EnvironmentVariable]:
    return lambda stage: stage.refers(reference, store_role_credential(stage.acme, stage.by, external_id=external_id))


def _role_of_unknown_key(stage: Stage) -> EnvironmentVariable:
    stage.sandbox.deactivate_key(seed.ROLE_ONLY)
    return _role()(stage)


def _no_default(stage: Stage) -> EnvironmentVariable:
    Credential.objects.update(is_default=False)
    return stage.refers(READ)


def _closed_credential(stage: Stage) -> EnvironmentVariable:
    damage(Credential.objects.get(), "secrets")
    return stage.refers(READ)


def _closed_value(stage: Stage) -> EnvironmentVariable:
    variable = store_direct(stage.acme, "WANTED", "x", [stage.crew])
    damage(variable, "value")
    return EnvironmentVariable.objects.get(pk=variable.pk)


def _refused_name(stage: Stage) -> EnvironmentVariable:
    variable = stage.refers(READ)
    EnvironmentVariable.objects.update(key="LD_PRELOAD")
    variable.key = "LD_PRELOAD"
    return variable


def _too_large_together(stage: Stage) -> EnvironmentVariable:
    return stage.secret("x" * 40_000, "${spoilt}${spoilt}")


REFUSALS: dict[str, tuple[Callable[[Stage], EnvironmentVariable], HopName, str]] = {
    "not found": (lambda stage: stage.refers("no/such-secret"), HopName.SECRET, "secret_not_found"),
    "deleted": (_deleted, HopName.SECRET, "secret_deleted"),
    "denied": (_denied, HopName.SECRET, "explicit_deny"),
    "keys of two users": (
        _with(access_key_id=seed.ROLE_ONLY.access_key_id),
        HopName.ACCOUNT,
        "secret_access_key_wrong",
    ),
    "too large": (lambda stage: stage.secret("x" * 65_537), HopName.KEY, "value_too_large"),
    "too large together": (_too_large_together, HopName.RESULT, "value_too_large"),
    "binary": (lambda stage: stage.secret(b"\x00\x01"), HopName.KEY, "binary"),
    "not JSON": (lambda stage: stage.secret("text", "spoilt#key"), HopName.KEY, "not_json"),
    "no object": (lambda stage: stage.secret("[1]", "spoilt#key"), HopName.KEY, "not_object"),
    "no such key": (lambda stage: stage.refers("database-credentials#pasword"), HopName.KEY, "key_missing"),
    "a path that leaves off": (
        lambda stage: stage.refers("database-credentials#options.x"),
        HopName.KEY,
        "key_missing",
    ),
    "second part": (lambda stage: stage.refers("${database-credentials#port}${x}"), HopName.SECRET, "secret_not_found"),
    "no such version": (
        lambda stage: stage.refers(READ, version_stage="AWSPREVIOUS"),
        HopName.VERSION,
        "secret_without_value",
    ),
    "KMS denied": (_kms_denied, HopName.SECRET, "kms_denied"),
    "KMS key disabled": (_kms_disabled, HopName.SECRET, "kms_key_unusable"),
    "unknown key": (_with(access_key_id="AKIARZPUZDIKAEXAMPLF"), HopName.ACCOUNT, "access_key_id_unknown"),
    "inactive key": (_inactive_key, HopName.ACCOUNT, "access_key_id_unknown"),
    "wrong secret": (_wrong_secret, HopName.ACCOUNT, "secret_access_key_wrong"),
    "region not enabled": (_with(region="eu-south-1"), HopName.ACCOUNT, "region_not_enabled"),
    "region unknown": (_with(region="nowhere-1"), HopName.SETTINGS, "region_unknown"),
    "wrong External ID": (_role("another-id"), HopName.ROLE, "role_not_assumed"),
    "role of an unknown key": (_role_of_unknown_key, HopName.ACCOUNT, "access_key_id_unknown"),
    "not found by a role": (_role(reference="no/such-secret"), HopName.SECRET, "secret_not_found"),
    "another region's ARN": (
        lambda stage: stage.refers(seed.DATABASE.arn.replace("us-east-1", "us-west-2")),
        HopName.SECRET,
        "secret_in_other_region",
    ),
    "no default": (_no_default, HopName.CREDENTIAL, "no_credential"),
    "closed credential": (_closed_credential, HopName.CREDENTIAL, "cannot_be_opened"),
    "closed value": (_closed_value, HopName.RESULT, "cannot_be_opened"),
    "refused name": (_refused_name, HopName.VARIABLE, "name_refused"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_a_trace_says_is_what_resolving_does(name: str, stage: Stage) -> None:
    make, hop, code = REFUSALS[name]
    variable = make(stage)
    (problem,) = resolve(stage.crew).problems
    explanation = trace(variable, stage.by, stage.crew)
    assert explanation.failure
    assert (explanation.failure.name, explanation.failure.code) == (hop, code)
    assert (problem.code, explanation.code) == (code, code)
    later = explanation.hops[explanation.hops.index(explanation.failure) + 1 :]
    assert all(one.state is StepState.SKIPPED for one in later)
    assert explanation.failure is next(one for one in explanation.hops if one.state is StepState.FAILED)


WORKING: dict[str, Callable[[Stage], EnvironmentVariable]] = {
    "a key": lambda stage: stage.refers(READ),
    "a whole secret": lambda stage: stage.refers(seed.DATABASE.arn),
    "a template": lambda stage: stage.refers("${database-credentials#port}:${crewai/openai-api-key|url}"),
    "a role": _role(),
    "a value stored here": lambda stage: store_direct(stage.acme, "WANTED", "x", [stage.crew]),
}


@pytest.mark.parametrize("name", WORKING)
def test_what_resolves_passes_every_hop(name: str, stage: Stage) -> None:
    variable = WORKING[name](stage)
    assert resolve(stage.crew).ok
    explanation = trace(variable, stage.by, stage.crew)
    assert (explanation.traced, explanation.code, explanation.failure) == (True, None, None)
    assert {hop.state for hop in explanation.hops if hop.name is not HopName.ROLE} == {StepState.PASSED}


# --- The hops -------------------------------------------------------------------------------------------------------
def names(explanation: Explanation) -> list[str]:
    return [f"{hop.name}{hop.part or ''}" for hop in explanation.hops]


def facts(explanation: Explanation, name: HopName) -> dict[str, str]:
    return next(dict(hop.facts) for hop in explanation.hops if hop.name is name)


def test_before_a_trace_only_what_is_stored_is_told_and_nobody_is_asked(stage: Stage) -> None:
    variable = stage.refers(READ)
    explanation = explain(variable, stage.crew)
    assert names(explanation) == list(HopName)
    assert [hop.state for hop in explanation.hops[:3]] == [StepState.PASSED] * 3
    assert {hop.skipped for hop in explanation.hops[3:]} == {SkipReason.NOT_TRACED, SkipReason.NO_ROLE}
    assert facts(explanation, HopName.SETTINGS)["region"] == seed.REGION
    assert facts(explanation, HopName.KEY) == {"secret_name": seed.DATABASE.name, "json_key": "password"}
    assert (explanation.code, explanation.failure, explanation.traced) == (None, None, False)
    assert stage.sandbox.calls == []
    assert not AuditEvent.objects.filter(action__startswith="variable:trace").exists()


def test_what_is_wrong_here_is_known_before_a_trace(stage: Stage) -> None:
    explanation = explain(_no_default(stage))
    assert explanation.failure
    assert (explanation.failure.name, explanation.code) == (HopName.CREDENTIAL, "no_credential")


def test_a_trace_names_account_role_region_version_and_key(stage: Stage) -> None:
    explanation = trace(_role()(stage), stage.by, stage.crew)
    assert facts(explanation, HopName.ACCOUNT)["account"] == seed.ACCOUNT_ID
    assert facts(explanation, HopName.ACCOUNT)["arn"] == seed.ROLE_ONLY.arn
    assert facts(explanation, HopName.ROLE) == {"role_arn": seed.ROLE_ARN}
    assert facts(explanation, HopName.VERSION) == {
        "version_id": seed.DATABASE.version_id,
        "version_stage": "AWSCURRENT",
    }
    timed = {hop.name for hop in explanation.hops if hop.milliseconds is not None}
    assert timed == set(HopName) - {HopName.AUTOMATION, HopName.VARIABLE, HopName.CREDENTIAL, HopName.VERSION}
    actions = [call.action for call in stage.sandbox.calls]
    assert actions == ["GetCallerIdentity", "AssumeRole", "GetSecretValue"]


def test_each_part_of_a_template_has_its_hops_and_is_tried_whatever_became_of_others(stage: Stage) -> None:
    variable = stage.refers("${no/such}@${database-credentials#pasword}:${database-credentials#port}")
    explanation = trace(variable, stage.by)
    by_name = dict(zip(names(explanation), explanation.hops, strict=True))
    codes = {name: hop.code for name, hop in by_name.items() if hop.code}
    assert codes == {"secret1": "secret_not_found", "key2": "key_missing"}
    assert explanation.code == "secret_not_found"
    assert by_name["key3"].state is StepState.PASSED
    assert by_name["secret2"].milliseconds is not None
    assert by_name["secret3"].milliseconds is None  # read once
    assert [call.secret_id for call in stage.sandbox.calls if call.secret_id] == ["no/such", seed.DATABASE.name]


def test_keys_that_do_not_work_are_tried_once_however_many_parts_there_are(stage: Stage) -> None:
    stage.sandbox.deactivate_key()
    trace(stage.refers("".join(f"${{secret/{number}}}" for number in range(20))), stage.by)
    assert [call.action for call in stage.sandbox.calls].count("GetSecretValue") == 1


def test_a_missing_key_names_the_nearest(stage: Stage) -> None:
    failure = trace(stage.refers("database-credentials#pasword"), stage.by).failure
    assert failure
    assert (failure.nearest, failure.keys) == ("password", ("options", "password", "port", "username"))


def test_what_was_kept_from_another_run_is_not_used(stage: Stage) -> None:
    variable = _role()(stage)
    for _run in range(2):
        assert resolve(stage.crew, max_age=60).ok
        assert trace(variable, stage.by).code is None
    actions = [call.action for call in stage.sandbox.calls]
    assert (actions.count("AssumeRole"), actions.count("GetSecretValue")) == (3, 3)


def test_a_deadline_is_kept_and_named(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AwsSecretsManager, "limits", Limits(total=0))
    released = threading.Event()
    stage.sandbox.meddle = lambda _action, _secret_id: released.wait(10)  # else an answer may be there already
    variable = stage.refers(READ)
    try:
        assert trace(variable, stage.by).code == resolve(stage.crew).problems[0].code == "timed_out"
    finally:
        released.set()


# --- Why this credential --------------------------------------------------------------------------------------------
def test_the_default_is_named_with_the_moment_it_became_it(stage: Stage) -> None:
    variable = stage.refers(READ)
    other = store_credential(stage.acme, stage.by, "aws-other")
    make_default(other, stage.by)
    since = AuditEvent.objects.filter(action="credential:made_default").latest("pk").created_at
    expected = {"source": "provider_default", "credential": "aws-other", "default_since": since.isoformat()}
    assert facts(explain(variable), HopName.CREDENTIAL) == expected


def test_a_default_that_was_ticked_in_the_form_has_its_moment_too(stage: Stage) -> None:
    other = store_credential(stage.acme, stage.by, "aws-other")
    secrets = {"secret_access_key": seed.READER.secret_access_key}
    change_credential(other, stage.by, name="aws-other", config=other.config, secrets=secrets, is_default=True)
    newest = AuditEvent.objects.filter(action="credential:made_default").latest("pk")
    assert newest.target_uuid == other.uuid
    found = facts(explain(stage.refers(READ)), HopName.CREDENTIAL)
    assert (found["credential"], found["default_since"]) == ("aws-other", newest.created_at.isoformat())


def test_another_organization_s_default_explains_nothing(stage: Stage, umbrella: Organization, mallory: User) -> None:
    store_credential(umbrella, mallory, "theirs", is_default=True)
    assert explain(_no_default(stage)).credential is None


# --- Written down, within limits ------------------------------------------------------------------------------------
def test_it_is_written_down_before_the_call_and_after(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    traced = AwsSecretsManager.trace

    def watched(provider: AwsSecretsManager, references: Any) -> Any:
        seen.append(list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))[-1:])
        return traced(provider, references)

    monkeypatch.setattr(AwsSecretsManager, "trace", watched)
    variable = stage.refers("no/such-secret")
    trace(variable, stage.by)
    assert seen == [["variable:trace_started"]]
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.target_uuid, event.actor) == ("variable:traced", variable.uuid, stage.by)
    assert event.details == {"result": "failed", "failure": "secret_not_found"}


def test_a_trace_without_a_call_is_written_down_too(stage: Stage) -> None:
    trace(store_direct(stage.acme, "LOG_LEVEL", "debug"), stage.by)
    assert AuditEvent.objects.latest("pk").action == "variable:traced"


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_during_the_calls(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    traced = AwsSecretsManager.trace

    def watched(provider: AwsSecretsManager, references: Any) -> Any:
        seen.append(connection.in_atomic_block)
        return traced(provider, references)

    monkeypatch.setattr(AwsSecretsManager, "trace", watched)
    trace(stage.refers(READ), stage.by)
    assert seen == [False]


def test_an_explanation_prints_no_value(stage: Stage) -> None:
    printed = repr(trace(stage.refers("${database-credentials#password}${database-credentials#port}"), stage.by))
    assert "database-credentials" in printed
    assert "made-up-database-password" not in printed

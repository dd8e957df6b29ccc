"""Comparing what is deployed with what vaults hold: no value is read, and what is stale is known with its time."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.db import connection

from credentials.models import Credential
from credentials.providers.aws.provider import AwsSecretsManager
from credentials.providers.base import SecretId
from credentials.providers.failures import FailureCode
from credentials.services import change_credential
from envvars.models import Automation, DeployedVariable, Deployment
from envvars.services import drift as drift_service
from envvars.services.deployments import deploy
from envvars.services.drift import Drift, check_drift
from organizations.models import AuditEvent, Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import damage, store_automation, store_credential, store_direct, store_reference

pytestmark = pytest.mark.django_db

ROTATED = '{"username": "crewai_app", "password": "another"}'


def rotate(sandbox: Sandbox) -> None:
    sandbox.put_secret("database-credentials", ROTATED)


def the_drift(organization: Organization, by: User | None = None) -> Drift:
    (drift,) = check_drift(organization, by)
    return drift


def events() -> list[dict[str, Any]]:
    return [event.details for event in AuditEvent.objects.filter(action="automation:compared").order_by("pk")]


def test_what_was_just_deployed_is_not_stale(baked_crew: Automation, acme: Organization) -> None:
    deploy(baked_crew, None)
    drift = the_drift(acme)
    assert (drift.compared, drift.stale, drift.unknown) == (2, {}, {})
    deployment = Deployment.objects.get()
    assert deployment.checked_at is not None
    assert deployment.stale_since is None
    assert events() == []


def test_a_rotated_secret_makes_stale_whatever_reads_it_and_a_deployment_clears_it(
    baked_crew: Automation, acme: Organization, sandbox: Sandbox
) -> None:
    deploy(baked_crew, None)
    rotate(sandbox)
    drift = the_drift(acme)
    since = Deployment.objects.get().stale_since
    assert drift.stale == {"DB_PASSWORD": since, "DB_URL": since}
    assert events() == [{"deployment": 1, "variables": 2, "stale": ["DB_PASSWORD", "DB_URL"], "problems": []}]
    deploy(baked_crew, None)
    assert the_drift(acme).stale == {}
    assert not DeployedVariable.objects.filter(deployment__number=2, stale_since__isnull=False).exists()


def test_no_value_is_read(baked_crew: Automation, acme: Organization, sandbox: Sandbox) -> None:
    deploy(baked_crew, None)
    sandbox.calls.clear()
    check_drift(acme)
    assert sorted(call.action for call in sandbox.calls) == ["DescribeSecret", "DescribeSecret"]


def test_the_slowest_vault_decides_and_not_their_sum(
    baked_crew: Automation, acme: Organization, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        credential = store_credential(acme, alice, f"aws-{number}")
        store_reference(acme, f"API_KEY_{number}", seed.OPENAI_KEY.name, credential, [baked_crew])
    deploy(baked_crew, None)
    together = threading.Barrier(3, timeout=10)  # breaks unless three vaults are asked at the same time
    versions = AwsSecretsManager.versions

    def waiting(provider: AwsSecretsManager, wanted: Iterable[SecretId]) -> Any:
        together.wait()
        return versions(provider, wanted)

    monkeypatch.setattr(AwsSecretsManager, "versions", waiting)
    drift = the_drift(acme)
    assert (drift.compared, drift.stale, drift.unknown) == (4, {}, {})


def test_a_secret_that_several_automations_read_is_asked_about_once(
    baked_crew: Automation, acme: Organization, sandbox: Sandbox
) -> None:
    other = store_automation(acme, "Report crew", "report-crew")
    Automation.objects.filter(pk=other.pk).update(resolves_at=Automation.ResolvesAt.DEPLOY)
    store_reference(acme, "PASSWORD", "database-credentials#password", automations=[other])
    deploy(baked_crew, None)
    deploy(other, None)
    sandbox.calls.clear()
    assert [drift.compared for drift in check_drift(acme)] == [2, 1]
    assert len(sandbox.calls) == 2


def test_stale_is_told_since_it_was_noticed_first(baked_crew: Automation, acme: Organization, sandbox: Sandbox) -> None:
    deploy(baked_crew, None)
    rotate(sandbox)
    first = the_drift(acme).stale["DB_PASSWORD"]
    sandbox.put_secret(seed.OPENAI_KEY.name, "another")
    again = the_drift(acme)
    assert again.stale == {"DB_PASSWORD": first, "DB_URL": first}
    assert len(events()) == 1


def test_what_is_not_known_is_told_with_its_reason_and_changes_nothing_that_is_known(
    baked_crew: Automation, acme: Organization, sandbox: Sandbox
) -> None:
    deploy(baked_crew, None)
    rotate(sandbox)
    known = the_drift(acme).stale
    sandbox.detach_policy()
    drift = the_drift(acme)
    assert drift.stale == known
    assert set(drift.unknown) == {"DB_PASSWORD", "DB_URL"}
    assert {code.value for code in drift.unknown.values()} == {events()[-1]["problems"][0].partition(": ")[2]}
    sandbox.attach_policy()
    assert the_drift(acme).unknown == {}


def test_a_secret_that_is_gone_is_not_known(baked_crew: Automation, acme: Organization, sandbox: Sandbox) -> None:
    deploy(baked_crew, None)
    sandbox.delete_secret(seed.OPENAI_KEY.name)
    drift = the_drift(acme)
    assert (drift.stale, list(drift.unknown)) == ({}, ["DB_URL"])


def test_one_other_version_is_enough_whatever_is_not_known_of_the_rest(
    baked_crew: Automation, acme: Organization, sandbox: Sandbox
) -> None:
    deploy(baked_crew, None)
    rotate(sandbox)
    sandbox.delete_secret(seed.OPENAI_KEY.name)
    drift = the_drift(acme)
    assert (set(drift.stale), set(drift.unknown)) == ({"DB_PASSWORD", "DB_URL"}, {"DB_URL"})


def test_a_credential_that_cannot_be_opened_is_named(
    baked_crew: Automation, acme: Organization, aws_prod: Credential
) -> None:
    deploy(baked_crew, None)
    damage(aws_prod, "secrets")
    assert set(the_drift(acme).unknown.values()) == {FailureCode.CANNOT_BE_OPENED}


def test_a_credential_that_was_deleted_is_named(baked_crew: Automation, acme: Organization) -> None:
    deploy(baked_crew, None)
    baked_crew.variables.all().delete()
    acme.credentials.all().delete()
    assert set(the_drift(acme).unknown.values()) == {FailureCode.NO_CREDENTIAL}


def test_the_credential_is_asked_with_as_it_is_now(
    baked_crew: Automation, acme: Organization, aws_prod: Credential, sandbox: Sandbox
) -> None:
    deploy(baked_crew, None)
    sandbox.detach_policy()
    change_credential(
        aws_prod,
        None,
        name=aws_prod.name,
        config={"region": seed.REGION, "access_key_id": seed.ROLE_ONLY.access_key_id, "role_arn": seed.ROLE_ARN},
        secrets={"secret_access_key": seed.ROLE_ONLY.secret_access_key, "external_id": seed.EXTERNAL_ID},
        is_default=True,
    )
    assert the_drift(acme).unknown == {}


@pytest.mark.parametrize("resolves_at", ["kickoff", "deploy"])
def test_what_does_not_start_with_a_deployment_is_left_alone(
    resolves_at: str, baked_crew: Automation, acme: Organization, sandbox: Sandbox
) -> None:
    if resolves_at == "kickoff":
        deploy(baked_crew, None)
        Automation.objects.update(resolves_at=Automation.ResolvesAt.KICKOFF)
    sandbox.calls.clear()
    assert check_drift(acme) == []
    assert sandbox.calls == []


def test_another_organization_is_left_alone(baked_crew: Automation, umbrella: Organization, sandbox: Sandbox) -> None:
    deploy(baked_crew, None)
    sandbox.calls.clear()
    assert check_drift(umbrella) == []
    assert check_drift(umbrella, automation=baked_crew) == []
    assert sandbox.calls == []


def test_one_automation_is_compared_alone(baked_crew: Automation, acme: Organization) -> None:
    other = store_automation(acme, "Report crew", "report-crew")
    Automation.objects.filter(pk=other.pk).update(resolves_at=Automation.ResolvesAt.DEPLOY)
    store_direct(acme, "NAME", "value", [other])
    deploy(baked_crew, None)
    deploy(other, None)
    assert [drift.deployment.automation for drift in check_drift(acme, automation=other)] == [other]


def test_who_asks_is_written_down_even_if_nothing_is_new(
    baked_crew: Automation, acme: Organization, alice: User
) -> None:
    deploy(baked_crew, None)
    the_drift(acme, alice)
    event = AuditEvent.objects.get(action="automation:compared")
    assert (event.actor, event.details["stale"]) == (alice, [])


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Return a function that has something done while vaults are asked."""

    def arrange(change: Callable[[], object]) -> None:
        ask = drift_service._versions_now

        def slow(*arguments: Any) -> Any:
            answers = ask(*arguments)
            monkeypatch.setattr(drift_service, "_versions_now", ask)  # the change may compare, too
            change()
            return answers

        monkeypatch.setattr(drift_service, "_versions_now", slow)

    return arrange


def test_a_deployment_that_is_replaced_meanwhile_is_not_judged(
    baked_crew: Automation, acme: Organization, sandbox: Sandbox, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    deploy(baked_crew, None)
    rotate(sandbox)
    meanwhile(lambda: deploy(baked_crew, None))
    assert check_drift(acme) == []
    assert not Deployment.objects.filter(stale_since__isnull=False).exists()


def test_what_somebody_else_noticed_meanwhile_is_no_news_and_keeps_its_time(
    baked_crew: Automation,
    acme: Organization,
    sandbox: Sandbox,
    meanwhile: Callable[[Callable[[], object]], None],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    told: list[int] = []
    monkeypatch.setattr(drift_service.webhook, "tell_later", told.append)
    deployment = deploy(baked_crew, None)
    rotate(sandbox)
    first: list[Drift] = []
    meanwhile(lambda: first.append(the_drift(acme)))
    with django_capture_on_commit_callbacks(execute=True):
        second = the_drift(acme)
    assert second.stale == first[0].stale != {}
    assert Deployment.objects.get().stale_since == first[0].stale["DB_URL"]
    assert len(events()) == 1
    assert told == [deployment.pk]


def test_no_vault_is_asked_with_another_organization_s_credential(
    baked_crew: Automation, acme: Organization, umbrella: Organization, sandbox: Sandbox
) -> None:
    deploy(baked_crew, None)
    DeployedVariable.objects.update(credential=store_credential(umbrella, None, "theirs"))
    sandbox.calls.clear()
    assert set(the_drift(acme).unknown.values()) == {FailureCode.NO_CREDENTIAL}
    assert sandbox.calls == []


def test_an_automation_that_is_deleted_meanwhile_is_no_error(
    baked_crew: Automation, acme: Organization, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    deploy(baked_crew, None)
    meanwhile(lambda: Automation.objects.all().delete())
    assert check_drift(acme) == []


def test_vaults_are_asked_outside_of_any_transaction(
    baked_crew: Automation, acme: Organization, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    depths: list[int] = []
    outside = len(connection.savepoint_ids)
    deploy(baked_crew, None)
    meanwhile(lambda: depths.append(len(connection.savepoint_ids) - outside))
    check_drift(acme)
    assert depths == [0]


def test_the_number_of_queries_does_not_grow_with_the_variables(
    baked_crew: Automation, acme: Organization, sandbox: Sandbox, django_assert_max_num_queries: Any
) -> None:
    other = store_credential(acme, None)
    for number in range(30):
        store_reference(acme, f"KEY_{number}", "database-credentials#password", other, [baked_crew])
    deploy(baked_crew, None)
    rotate(sandbox)
    with django_assert_max_num_queries(20):
        assert len(the_drift(acme).stale) == 32

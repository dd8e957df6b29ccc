"""Deploying an automation: all values or none, sealed, with what was read and fingerprints that outlive them."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import IntegrityError, connection, connections, transaction

from credentials.models import Credential
from credentials.services import delete_credential, make_default
from crewadmin.sealing import key_ring
from envvars.kickoff import environment_for
from envvars.models import Automation, DeployedVariable, Deployment
from envvars.resolving import resolve_for
from envvars.services import deployments
from envvars.services.automations import change_automation, delete_automation
from envvars.services.deployments import KeptChangingError, NothingDeployedError, deploy
from envvars.services.variables import Value, change_variable, delete_variable
from organizations.models import AuditEvent, Membership, Organization, User
from organizations.sharing import Grant, set_grants
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import (
    Source,
    damage,
    restrict_to,
    store_automation,
    store_credential,
    store_direct,
    store_reference,
)

pytestmark = pytest.mark.django_db

PASSWORD = "made-up-database-password"


@pytest.fixture
def full_crew(acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox) -> Automation:
    """A crew with a direct value, a secret and a template."""
    store_direct(acme, "LOG_LEVEL", "debug", [crew])
    store_reference(acme, "DB_PASSWORD", "database-credentials#password", aws_prod, [crew])
    template = f"https://${{database-credentials#username}}:${{{seed.OPENAI_KEY.name}|url}}@host"
    store_reference(acme, "DB_URL", template, automations=[crew])
    return crew


def rows_of(deployment: Deployment) -> dict[str, DeployedVariable]:
    return {row.key: row for row in deployment.variables.all()}


def fingerprints(deployment: Deployment) -> dict[str, bytes]:
    return {key: bytes(row.fingerprint) for key, row in rows_of(deployment).items()}


def test_the_values_are_kept_sealed(full_crew: Automation, alice: User) -> None:
    deployment = deploy(full_crew, alice)
    stored = Deployment.objects.get()
    assert (stored.number, stored.variables_count, stored.by_label) == (1, 3, "alice@acme.example")
    assert stored.snapshot.reveal() == {
        "DB_PASSWORD": PASSWORD,
        "DB_URL": f"https://crewai_app:{seed.OPENAI_KEY.value}@host",
        "LOG_LEVEL": "debug",
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT snapshot FROM envvars_deployment")
        assert PASSWORD.encode() not in bytes(cursor.fetchone()[0])
    assert deployment == stored


def test_a_secret_is_read_again_for_a_deployment_or_a_check_and_perhaps_not_for_a_start(
    full_crew: Automation, alice: User, sandbox: Sandbox, settings: Any
) -> None:
    settings.SECRET_CACHE_SECONDS = 60
    assert environment_for(full_crew, "run").values["DB_PASSWORD"].reveal() == PASSWORD
    sandbox.put_secret("database-credentials", '{"username": "crewai_app", "password": "another"}')
    assert environment_for(full_crew, "run").values["DB_PASSWORD"].reveal() == PASSWORD
    assert deploy(full_crew, alice).snapshot.reveal()["DB_PASSWORD"] == "another"
    assert resolve_for(full_crew, alice, "check").values["DB_PASSWORD"].reveal() == "another"


def test_each_variable_remembers_where_its_value_came_from(
    full_crew: Automation, aws_prod: Credential, sandbox: Sandbox
) -> None:
    rows = rows_of(deploy(full_crew, None))
    direct, plain, template = rows["LOG_LEVEL"], rows["DB_PASSWORD"], rows["DB_URL"]
    assert (direct.source, direct.credential, direct.credential_name, direct.secrets) == ("direct", None, "", [])
    assert (plain.source, plain.credential, plain.credential_uuid) == ("credential", aws_prod, aws_prod.uuid)
    assert (plain.credential_name, plain.credential_version) == ("aws-prod", 1)
    assert plain.reference == "database-credentials#password"
    version = plain.secrets[0]["version_id"]
    assert plain.secrets == [
        {"secret_name": "database-credentials", "version_stage": "AWSCURRENT", "version_id": version}
    ]
    assert [secret["secret_name"] for secret in template.secrets] == ["database-credentials", seed.OPENAI_KEY.name]
    assert template.secrets[0]["version_id"] == version
    assert plain.variable_uuid == full_crew.variables.get(key="DB_PASSWORD").uuid


def test_nothing_but_the_snapshot_holds_a_value(full_crew: Automation, capsys: pytest.CaptureFixture[str]) -> None:
    deploy(full_crew, None)
    call_command("dumpdata", "envvars", "organizations.auditevent")
    written = capsys.readouterr().out
    assert "database-credentials" in written
    for value in (PASSWORD, seed.OPENAI_KEY.value, "debug"):
        assert value not in written


def test_only_the_newest_deployment_keeps_values(full_crew: Automation) -> None:
    first, second = deploy(full_crew, None), deploy(full_crew, None)
    first.refresh_from_db()
    assert (first.number, second.number) == (1, 2)
    assert first.snapshot is None
    assert second.snapshot is not None
    assert fingerprints(first) == fingerprints(second) != {}


def test_the_database_takes_no_second_snapshot(full_crew: Automation, acme: Organization) -> None:
    deploy(full_crew, None)
    another = Deployment(organization=acme, automation=full_crew, number=2, variables_count=0, by_label="somebody")
    another.snapshot = {}
    with pytest.raises(IntegrityError), transaction.atomic():
        another.save()


def test_a_fingerprint_changes_with_the_value(full_crew: Automation, sandbox: Sandbox) -> None:
    first = fingerprints(deploy(full_crew, None))
    sandbox.put_secret(seed.OPENAI_KEY.name, "another")
    second = fingerprints(deploy(full_crew, None))
    assert {key for key in first if first[key] != second[key]} == {"DB_URL"}


def test_equal_values_do_not_look_alike_elsewhere(crew: Automation, acme: Organization, umbrella: Organization) -> None:
    theirs = store_automation(umbrella)
    store_direct(acme, "API_KEY", "the same", [crew])
    store_direct(acme, "API_TOKEN", "the same", [crew])
    store_direct(umbrella, "API_KEY", "the same", [theirs])
    ours = fingerprints(deploy(crew, None))
    assert len({*ours.values(), fingerprints(deploy(theirs, None))["API_KEY"]}) == 3


def test_all_problems_are_told_and_what_was_deployed_stays(full_crew: Automation, sandbox: Sandbox) -> None:
    before = deploy(full_crew, None)
    sandbox.delete_secret("database-credentials")
    damage(full_crew.variables.get(key="LOG_LEVEL"), "value")
    with pytest.raises(NothingDeployedError) as refused:
        deploy(full_crew, None)
    assert [problem.key for problem in refused.value.resolution.problems] == ["DB_PASSWORD", "DB_URL", "LOG_LEVEL"]
    assert Deployment.objects.get() == before
    assert Deployment.objects.get().snapshot.reveal()["LOG_LEVEL"] == "debug"
    told = AuditEvent.objects.filter(action="automation:resolved").order_by("-pk")[0]
    assert (told.details["delivery"], len(told.details["problems"])) == ("deploy", 3)
    assert AuditEvent.objects.filter(action="automation:deployed").count() == 1


def test_it_is_audited_with_numbers_only(full_crew: Automation, alice: User) -> None:
    deploy(full_crew, alice)
    deploy(full_crew, None, by_label="service token Cluster")
    events = AuditEvent.objects.filter(action="automation:deployed").order_by("pk")
    assert [(event.actor_label, event.details) for event in events] == [
        ("alice@acme.example", {"deployment": 1, "variables": 3}),
        ("service token Cluster", {"deployment": 2, "variables": 3}),
    ]


def test_values_are_read_outside_of_any_transaction(full_crew: Automation, monkeypatch: pytest.MonkeyPatch) -> None:
    depths = []
    outside = len(connection.savepoint_ids)

    def watched(*arguments: Any, **options: Any) -> Any:
        depths.append(len(connection.savepoint_ids) - outside)
        return resolve_for(*arguments, **options)

    monkeypatch.setattr(deployments, "resolve_for", watched)
    deploy(full_crew, None)
    assert depths == [0]


# --- What changes while values are read -----------------------------------------------------------------------------
@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Return a function that has something done after values were read, the first `times` times."""

    def arrange(change: Callable[[int], object], times: int = 1) -> list[int]:
        rounds: list[int] = []

        def slow(*arguments: Any, **options: Any) -> Any:
            resolution = resolve_for(*arguments, **options)
            rounds.append(len(rounds))
            if len(rounds) <= times:
                change(len(rounds))
            return resolution

        monkeypatch.setattr(deployments, "resolve_for", slow)
        return rounds

    return arrange


def change_level(automation: Automation, text: str) -> None:
    variable = automation.variables.get(key="LOG_LEVEL")
    receive = [automation]
    change_variable(variable, None, key="LOG_LEVEL", value=Value(Source.DIRECT, text=text), automations=receive)


def test_a_variable_that_changes_meanwhile_is_read_again(
    full_crew: Automation, meanwhile: Callable[..., list[int]]
) -> None:
    rounds = meanwhile(lambda count: change_level(full_crew, "warning"))
    assert deploy(full_crew, None).snapshot.reveal()["LOG_LEVEL"] == "warning"
    assert len(rounds) == 2


def test_a_variable_that_is_assigned_meanwhile_is_deployed(
    full_crew: Automation, acme: Organization, meanwhile: Callable[..., list[int]]
) -> None:
    meanwhile(lambda count: store_direct(acme, "REGION", "eu", [full_crew]))
    assert "REGION" in deploy(full_crew, None).snapshot.reveal()


def test_another_default_credential_is_noticed(
    full_crew: Automation, acme: Organization, meanwhile: Callable[..., list[int]]
) -> None:
    other = store_credential(acme, None)
    meanwhile(lambda count: make_default(other, None))
    assert rows_of(deploy(full_crew, None))["DB_URL"].credential == other


def test_what_never_stands_still_is_not_deployed(full_crew: Automation, meanwhile: Callable[..., list[int]]) -> None:
    meanwhile(lambda count: change_level(full_crew, f"level {count}"), times=10)
    with pytest.raises(KeptChangingError):
        deploy(full_crew, None)
    assert not Deployment.objects.exists()


def test_an_automation_that_is_deleted_meanwhile_is_not_deployed(
    full_crew: Automation, meanwhile: Callable[..., list[int]]
) -> None:
    meanwhile(lambda count: delete_automation(Automation.objects.get(), None))
    with pytest.raises(Automation.DoesNotExist):
        deploy(full_crew, None)


def test_who_loses_the_right_to_deploy_while_values_are_read_deploys_nothing(
    full_crew: Automation, erin: User, alice: User, alice_: Membership, meanwhile: Callable[..., list[int]]
) -> None:
    restrict_to(full_crew, alice_, {erin: [Grant.MANAGE]})
    member = erin.memberships.get()
    meanwhile(lambda count: set_grants(full_crew, member, [Grant.READ], alice))
    with pytest.raises(PermissionDenied):
        deploy(full_crew, erin)
    meanwhile(lambda count: set_grants(full_crew, member, [], alice))
    with pytest.raises(Automation.DoesNotExist):
        deploy(full_crew, erin)
    assert not Deployment.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_deployments_at_the_same_time_get_their_numbers(crew: Automation, acme: Organization) -> None:
    store_direct(acme, "LOG_LEVEL", "debug", [crew])
    start, made, errors = threading.Barrier(4), [], []

    def run() -> None:
        try:
            start.wait()
            made.append(deploy(Automation.objects.select_related("organization").get(pk=crew.pk), None).number)
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(made) == [1, 2, 3, 4]
    kept = Deployment.objects.get(snapshot__isnull=False)
    assert (kept.number, kept.snapshot.reveal()) == (4, {"LOG_LEVEL": "debug"})
    assert DeployedVariable.objects.count() == 4


# --- What goes, and what stays --------------------------------------------------------------------------------------
def test_the_oldest_deployments_are_forgotten(
    crew: Automation, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployments, "MOST_DEPLOYMENTS", 3)
    store_direct(acme, "LOG_LEVEL", "debug", [crew])
    for _ in range(5):
        deploy(crew, None)
    assert [one.number for one in Deployment.objects.of(crew)] == [5, 4, 3]
    assert DeployedVariable.objects.count() == 3


def test_a_deployment_goes_with_its_automation(full_crew: Automation) -> None:
    deploy(full_crew, None)
    delete_automation(full_crew, None)
    assert not Deployment.objects.exists()
    assert not DeployedVariable.objects.exists()


def test_names_stay_when_variables_and_credentials_go(full_crew: Automation, aws_prod: Credential) -> None:
    deployment = deploy(full_crew, None)
    for variable in list(full_crew.variables.all()):
        delete_variable(variable, None)
    delete_credential(aws_prod, None)
    row = rows_of(deployment)["DB_PASSWORD"]
    assert (row.credential, row.credential_name, row.credential_uuid) == (None, "aws-prod", aws_prod.uuid)
    assert deployment.variables.count() == 3


def test_a_snapshot_opens_under_a_new_master_key(full_crew: Automation, settings: Any) -> None:
    deploy(full_crew, None)
    settings.FERNET_KEYS = ["bmV3LW1hc3Rlci1rZXktb2YtMzItYnl0ZXMtLi4uLi4=", *settings.FERNET_KEYS]
    key_ring.forget()
    assert Deployment.objects.get().snapshot.reveal()["LOG_LEVEL"] == "debug"


def test_an_automation_without_variables_can_be_deployed(crew: Automation) -> None:
    deployment = deploy(crew, None)
    assert (deployment.variables_count, deployment.snapshot.reveal()) == (0, {})


def test_fewer_variables_are_deployed_than_before(full_crew: Automation) -> None:
    deploy(full_crew, None)
    change_automation(full_crew, None, name="Invoice crew", slug="invoice-crew", variables=[])
    assert deploy(full_crew, None).variables_count == 0

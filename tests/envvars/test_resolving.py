"""Resolving an automation, against the sandbox: each vault opened once, each secret read once, all problems at once."""

import threading
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from credentials.models import Credential
from credentials.providers.aws.provider import AwsSecretsManager
from credentials.providers.base import Fetched, ProviderError, SecretId
from credentials.providers.failures import FailureCode
from envvars.models import Automation
from envvars.resolving import Resolution, resolve, resolve_for
from organizations.models import AuditEvent, Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import damage, store_credential, store_direct, store_reference, store_role_credential

pytestmark = pytest.mark.django_db


def values(resolution: Resolution) -> dict[str, str]:
    return {key: value.reveal() for key, value in resolution.values.items()}


def problems(resolution: Resolution) -> dict[str, str]:
    return {problem.key: problem.code.value for problem in resolution.problems}


def reads(sandbox: Sandbox) -> list[str]:
    return sorted(str(call.secret_id) for call in sandbox.calls if call.action == "GetSecretValue")


def test_every_source_gives_its_value(
    acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox
) -> None:
    store_direct(acme, "LOG_LEVEL", "debug", [crew])
    store_reference(acme, "API_KEY", seed.OPENAI_KEY.name, automations=[crew])
    store_reference(acme, "DB_PASSWORD", "database-credentials#password", aws_prod, [crew])
    resolution = resolve(crew)
    assert resolution.ok
    assert values(resolution) == {
        "API_KEY": seed.OPENAI_KEY.value,
        "DB_PASSWORD": "made-up-database-password",
        "LOG_LEVEL": "debug",
    }


def test_two_variables_on_one_secret_read_it_once(
    acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox
) -> None:
    store_reference(acme, "DB_USER", "database-credentials#username", automations=[crew])
    store_reference(acme, "DB_PASSWORD", "database-credentials#password", aws_prod, [crew])
    resolution = resolve(crew)
    assert values(resolution) == {"DB_PASSWORD": "made-up-database-password", "DB_USER": "crewai_app"}
    assert [call.action for call in sandbox.calls] == ["GetSecretValue"]
    assert resolution.secrets_read == 1


def test_three_variables_on_two_secrets_make_two_reads(
    acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox
) -> None:
    store_reference(acme, "DB_USER", "database-credentials#username", automations=[crew])
    store_reference(acme, "DB_PORT", "database-credentials#port", automations=[crew])
    store_reference(acme, "API_KEY", seed.OPENAI_KEY.name, automations=[crew])
    resolution = resolve(crew)
    assert values(resolution)["DB_PORT"] == "5432"
    assert reads(sandbox) == [seed.OPENAI_KEY.name, seed.DATABASE.name]
    assert resolution.secrets_read == 2


def test_each_credential_signs_in_once_and_reads_its_own(
    acme: Organization, alice: User, crew: Automation, aws_prod: Credential, sandbox: Sandbox
) -> None:
    role = store_role_credential(acme, alice)
    for key in ("ONE", "TWO"):
        store_reference(acme, f"ROLE_{key}", "database-credentials#username", role, [crew])
        store_reference(acme, f"PROD_{key}", "database-credentials#username", aws_prod, [crew])
    store_reference(acme, "ROLE_THREE", seed.OPENAI_KEY.name, role, [crew])
    assert resolve(crew).ok
    assert [call.action for call in sandbox.calls].count("AssumeRole") == 1
    # The same name may be another secret in another account: it is read with each credential.
    assert reads(sandbox) == [seed.OPENAI_KEY.name, seed.DATABASE.name, seed.DATABASE.name]


def test_every_problem_is_told_at_once_and_other_values_are_not_lost(
    acme: Organization, alice: User, crew: Automation, aws_prod: Credential, sandbox: Sandbox
) -> None:
    wrong = store_credential(acme, alice, "aws-wrong", access_key_id="AKIARZPUZDIKAEXAMPLF")
    sandbox.put_secret("binary", b"\x00\x01")
    sandbox.put_secret("list", "[1]")
    sandbox.put_secret("nul", '{"key": "\\u0000"}')
    sandbox.delete_secret(seed.PAYMENTS_KEY.name)
    for key, reference in {
        "BINARY": "binary",
        "DELETED": seed.PAYMENTS_KEY.name,
        "GOOD": "database-credentials#port",
        "LIST": "list#key",
        "NOT_FOUND": "no/such-secret",
        "NOT_JSON": f"{seed.OPENAI_KEY.name}#key",
        "NO_KEY": "database-credentials#pasword",
        "NUL": "nul#key",
    }.items():
        store_reference(acme, key, reference, automations=[crew])
    store_reference(acme, "WRONG_KEYS", seed.OPENAI_KEY.name, wrong, [crew])
    damage(store_direct(acme, "DAMAGED", "x", [crew]), "value")
    resolution = resolve(crew)
    assert values(resolution) == {"GOOD": "5432"}
    assert problems(resolution) == {
        "BINARY": "binary",
        "DAMAGED": "cannot_be_opened",
        "DELETED": "secret_deleted",
        "LIST": "not_object",
        "NOT_FOUND": "secret_not_found",
        "NOT_JSON": "not_json",
        "NO_KEY": "key_missing",
        "NUL": "binary",
        "WRONG_KEYS": "access_key_id_unknown",
    }
    assert not resolution.ok


def test_only_secrets_that_were_read_are_counted(
    acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox
) -> None:
    store_reference(acme, "GOOD", "database-credentials#port", automations=[crew])
    store_reference(acme, "NOT_FOUND", "no/such-secret", automations=[crew])
    assert resolve(crew).secrets_read == 1


def test_a_credential_that_cannot_be_opened_fails_its_own_variables_only(
    acme: Organization, alice: User, crew: Automation, aws_prod: Credential, sandbox: Sandbox
) -> None:
    damaged = store_credential(acme, alice, "aws-damaged")
    damage(damaged, "secrets")
    store_reference(acme, "DAMAGED", "database-credentials", damaged, [crew])
    store_reference(acme, "GOOD", "database-credentials#port", aws_prod, [crew])
    resolution = resolve(crew)
    assert values(resolution) == {"GOOD": "5432"}
    assert problems(resolution) == {"DAMAGED": "cannot_be_opened"}


def test_the_default_is_the_one_of_the_moment(
    acme: Organization, alice: User, crew: Automation, aws_prod: Credential, sandbox: Sandbox
) -> None:
    store_reference(acme, "API_KEY", seed.OPENAI_KEY.name, automations=[crew])
    assert resolve(crew).ok
    Credential.objects.filter(pk=aws_prod.pk).update(is_default=False)
    assert problems(resolve(crew)) == {"API_KEY": "no_credential"}
    store_credential(acme, alice, "aws-empty-region", is_default=True, region=seed.EMPTY_REGION)
    assert problems(resolve(crew)) == {"API_KEY": "secret_not_found"}


def test_another_organization_s_default_is_never_used(
    acme: Organization, umbrella: Organization, mallory: User, crew: Automation, sandbox: Sandbox
) -> None:
    store_credential(umbrella, mallory, is_default=True)
    store_reference(acme, "API_KEY", seed.OPENAI_KEY.name, automations=[crew])
    assert problems(resolve(crew)) == {"API_KEY": "no_credential"}
    assert sandbox.calls == []


def test_an_automation_receives_the_variables_assigned_to_it_and_no_others(
    acme: Organization, umbrella: Organization, crew: Automation
) -> None:
    store_direct(acme, "ASSIGNED", "x", [crew])
    store_direct(acme, "NOT_ASSIGNED", "x")
    store_direct(umbrella, "SMUGGLED", "x").automations.add(crew)
    assert values(resolve(crew)) == {"ASSIGNED": "x"}


def test_a_template_is_filled_from_several_secrets(
    acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox
) -> None:
    text = "postgres://${database-credentials#username}:${database-credentials#password|url}@db/${crewai/name}"
    sandbox.put_secret("crewai/name", "invoices")
    sandbox.put_secret(seed.DATABASE.name, '{"username": "app", "password": "p@ss/"}')
    store_reference(acme, "DATABASE_URL", text, automations=[crew])
    resolution = resolve(crew)
    assert values(resolution) == {"DATABASE_URL": "postgres://app:p%40ss%2F@db/invoices"}
    assert resolution.secrets_read == 2
    assert len(resolution.versions["DATABASE_URL"].split(",")) == 2


def test_a_part_of_a_template_that_fails_is_named(
    acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox
) -> None:
    text = "${database-credentials#username}:${database-credentials#pasword}"
    store_reference(acme, "DATABASE_URL", text, automations=[crew])
    (problem,) = resolve(crew).problems
    assert (problem.code, problem.reference) == (FailureCode.KEY_MISSING, "database-credentials#pasword")
    assert problem.nearest == "password"


def test_the_previous_version_can_be_meant(
    acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox
) -> None:
    sandbox.put_secret(seed.OPENAI_KEY.name, "rotated")
    store_reference(acme, "NOW", seed.OPENAI_KEY.name, automations=[crew])
    store_reference(acme, "BEFORE", seed.OPENAI_KEY.name, automations=[crew], version_stage="AWSPREVIOUS")
    store_reference(acme, "NONE", seed.DATABASE.name, automations=[crew], version_stage="AWSPREVIOUS")
    resolution = resolve(crew)
    assert values(resolution) == {"NOW": "rotated", "BEFORE": seed.OPENAI_KEY.value}
    assert problems(resolution) == {"NONE": "secret_without_value"}
    assert resolution.versions["NOW"] != resolution.versions["BEFORE"]


def test_each_value_says_which_versions_it_was_made_of(
    acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox
) -> None:
    direct = store_direct(acme, "LOG_LEVEL", "debug", [crew])
    store_reference(acme, "API_KEY", seed.OPENAI_KEY.name, automations=[crew])
    store_reference(acme, "NOT_FOUND", "no/such-secret", automations=[crew])
    versions = resolve(crew).versions
    assert versions == {
        "API_KEY": seed.OPENAI_KEY.version_id,
        "LOG_LEVEL": f"direct:{direct.updated_at.isoformat()}",
    }
    sandbox.put_secret(seed.OPENAI_KEY.name, "rotated")
    assert resolve(crew).versions["API_KEY"] != versions["API_KEY"]


def test_the_versions_read_are_those_that_descriptions_tell(
    acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox
) -> None:
    variable = store_reference(acme, "API_KEY", seed.OPENAI_KEY.name, automations=[crew])
    read = resolve(crew).versions["API_KEY"]
    sandbox.calls.clear()
    (told,) = aws_prod.open_provider().versions(one.secret_id for one in variable.references).values()
    assert told == read
    assert [call.action for call in sandbox.calls] == ["DescribeSecret"]


def test_only_some_variables_may_be_resolved(
    acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox
) -> None:
    wanted = store_reference(acme, "API_KEY", seed.OPENAI_KEY.name, automations=[crew])
    store_reference(acme, "NOT_FOUND", "no/such-secret", automations=[crew])
    resolution = resolve(crew, [wanted])
    assert (list(resolution.values), resolution.problems) == (["API_KEY"], ())
    assert len(sandbox.calls) == 1


def test_the_number_of_queries_does_not_grow_with_the_variables(
    acme: Organization,
    alice: User,
    crew: Automation,
    aws_prod: Credential,
    sandbox: Sandbox,
) -> None:
    other = store_role_credential(acme, alice)
    counts = []
    for number in range(3):
        store_reference(acme, f"A_{number}", "database-credentials#port", automations=[crew])
        store_reference(acme, f"B_{number}", "${database-credentials#port}${database-credentials}", other, [crew])
        with CaptureQueriesContext(connection) as queries:
            assert resolve(crew).ok
        counts.append(len(queries))
    assert counts[1:] == [2, 2]  # the first also opens the organization's data key


def test_a_session_that_ends_between_two_runs_is_renewed(
    acme: Organization, alice: User, crew: Automation, sandbox: Sandbox
) -> None:
    store_reference(acme, "API_KEY", seed.OPENAI_KEY.name, store_role_credential(acme, alice), [crew])
    assert resolve(crew).ok
    sandbox.expire_sessions()
    assert resolve(crew).ok
    assert [call.action for call in sandbox.calls].count("AssumeRole") == 2


# --- Several vaults, or none ----------------------------------------------------------------------------------------
def test_the_slowest_vault_decides_and_not_their_sum(
    acme: Organization, alice: User, crew: Automation, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(3, timeout=10)  # breaks unless three vaults are read at the same time
    fetch = AwsSecretsManager.fetch

    def waiting(provider: AwsSecretsManager, wanted: Iterable[SecretId], max_age: int) -> Any:
        together.wait()
        return fetch(provider, wanted, max_age)

    monkeypatch.setattr(AwsSecretsManager, "fetch", waiting)
    for number in range(3):
        credential = store_credential(acme, alice, f"aws-{number}")
        store_reference(acme, f"API_KEY_{number}", seed.OPENAI_KEY.name, credential, [crew])
    assert resolve(crew).ok


def test_an_automation_without_variables_is_complete(crew: Automation, sandbox: Sandbox) -> None:
    assert resolve(crew) == Resolution({}, (), 0)
    assert sandbox.calls == []


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_secrets_are_read(
    acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    fetch = AwsSecretsManager.fetch

    def watched(
        provider: AwsSecretsManager, wanted: Iterable[SecretId], max_age: int
    ) -> Mapping[SecretId, Fetched | ProviderError]:
        seen.append(connection.in_atomic_block)
        return fetch(provider, wanted, max_age)

    monkeypatch.setattr(AwsSecretsManager, "fetch", watched)
    store_reference(acme, "API_KEY", seed.OPENAI_KEY.name, automations=[crew])
    assert resolve_for(crew, None, "run").ok
    assert seen == [False]


def test_nobody_sees_a_value_that_was_not_written_down(
    acme: Organization, crew: Automation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: Any, **_options: Any) -> None:
        raise DatabaseError("The audit log cannot be written.")

    store_direct(acme, "LOG_LEVEL", "debug", [crew])
    monkeypatch.setattr("envvars.resolving.record", broken)
    with pytest.raises(DatabaseError):
        resolve_for(crew, None, "dotenv")


def test_the_event_counts_and_names_and_holds_no_value(
    acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox
) -> None:
    store_direct(acme, "LOG_LEVEL", "made-up-direct-value", [crew])
    store_reference(acme, "DB_PASSWORD", "database-credentials#password", automations=[crew])
    store_reference(acme, "NOT_FOUND", "no/such-secret", automations=[crew])
    resolve_for(crew, None, "json")
    event = AuditEvent.objects.get(action="automation:resolved")
    assert (event.actor, event.actor_label) == (None, "command line")
    assert event.details == {"delivery": "json", "variables": 2, "problems": ["NOT_FOUND: secret_not_found"]}


def test_a_resolution_prints_no_value(
    acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox
) -> None:
    store_direct(acme, "LOG_LEVEL", "made-up-direct-value", [crew])
    store_reference(acme, "NO_KEY", "database-credentials#pasword", automations=[crew])
    printed = f"{resolve(crew)!r}"
    assert "LOG_LEVEL" in printed
    for value in ("made-up-direct-value", "made-up-database-password"):
        assert value not in printed

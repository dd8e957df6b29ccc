"""Test Connection, against the sandbox: what the person is told, what is stored, what is called."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.urls import reverse

from credentials.models import ConnectionTest, Credential, Health
from credentials.providers.aws.provider import AwsSecretsManager
from credentials.providers.base import ProbeResult
from credentials.providers.failures import FailureCode
from credentials.services import change_credential
from credentials.testing import check_trust, run_connection_test, try_settings
from organizations.models import AuditEvent, Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import damage, store_credential, store_reference, store_role_credential
from tests.pages import errors_beside, html_of, text_of, toasts_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def address(credential: Credential) -> str:
    return reverse("credential_test", args=[credential.organization.uuid, credential.uuid])


def steps(test: ConnectionTest) -> dict[str, str]:
    return {step["step"]: step["state"] for step in test.steps}


def test_success_without_a_variable_says_that_no_secret_was_read(
    alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    (toast,) = toasts_of(sign_in(alice).post(address(aws_prod), follow=True))
    assert toast == (
        "success",
        "Connected to AWS Secrets Manager",
        "Signed in to account 123456789012 and listed secrets. No secret was read: no variable refers to one yet.",
    )
    assert [call.action for call in sandbox.calls] == ["GetCallerIdentity", "ListSecrets"]


def test_success_reads_the_secret_that_a_variable_refers_to(
    acme: Organization, alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    store_reference(acme, "DB_PASSWORD", "database-credentials#password")
    response = sign_in(alice).post(address(aws_prod), follow=True)
    (toast,) = toasts_of(response)
    assert toast.level == "success"
    assert toast.detail == ("Signed in to account 123456789012, listed secrets and read “database-credentials”.")
    assert [(call.action, call.secret_id) for call in sandbox.calls[2:]] == [
        ("DescribeSecret", "database-credentials"),
        ("GetSecretValue", "database-credentials"),
        ("BatchGetSecretValue", None),
    ]
    assert "made-up-database-password" not in html_of(response)
    assert "made-up-database-password" not in str(ConnectionTest.objects.get().steps)


def test_success_with_a_role_reads_with_the_role_s_session(
    acme: Organization, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    credential = store_role_credential(acme, alice)
    store_reference(acme, "API_KEY", seed.OPENAI_KEY.name, credential)
    (toast,) = toasts_of(sign_in(alice).post(address(credential), follow=True))
    assert toast.level == "success"
    assert f"read “{seed.OPENAI_KEY.name}”" in toast.detail
    assert {name for name, state in steps(ConnectionTest.objects.get()).items() if state != "passed"} == {"decrypt"}


def test_a_template_s_first_secret_is_read(
    acme: Organization, alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    store_reference(acme, "URL", f"http://${{{seed.DATABASE.name}#username}}:${{{seed.OPENAI_KEY.name}}}@host")
    (toast,) = toasts_of(sign_in(alice).post(address(aws_prod), follow=True))
    assert f"read “{seed.DATABASE.name}”" in toast.detail


def test_somebody_who_manages_may_name_the_secret_to_read(
    acme: Organization, alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    store_reference(acme, "DB_PASSWORD", "database-credentials#password")
    response = sign_in(alice).post(address(aws_prod), {"secret_name": f" {seed.OPENAI_KEY.name} "}, follow=True)
    assert f"read “{seed.OPENAI_KEY.name}”" in toasts_of(response)[0].detail
    assert response.redirect_chain[-1][0] == reverse("credential_detail", args=[acme.uuid, aws_prod.uuid])
    assert seed.OPENAI_KEY.value not in html_of(response)


def test_a_reader_may_test_but_not_name_the_secret(
    acme: Organization, carol: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    refused = sign_in(carol).post(address(aws_prod), {"secret_name": seed.OPENAI_KEY.name})
    assert refused.status_code == 403
    assert sandbox.calls == []
    assert not ConnectionTest.objects.exists()
    (toast,) = toasts_of(sign_in(carol).post(address(aws_prod), {"secret_name": ""}, follow=True))
    assert toast.level == "success"
    assert ConnectionTest.objects.get().created_by == carol


def test_htmx_gets_the_row_s_new_cell_and_a_toast_without_a_page(
    alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    response = sign_in(alice).post(address(aws_prod), headers={"HX-Request": "true"})
    assert response.status_code == 200
    assert "<html" not in html_of(response)
    assert 'hx-swap-oob="beforeend:#toasts"' in html_of(response)
    assert text_of(response).startswith("Connected")
    assert toasts_of(response)[0].title == "Connected to AWS Secrets Manager"


def test_a_plain_post_redirects_and_the_next_page_shows_the_toast_once(
    acme: Organization, alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    client = sign_in(alice)
    response = client.post(address(aws_prod))
    assert (response.status_code, response.headers["Location"]) == (302, reverse("credential_list", args=[acme.uuid]))
    assert len(toasts_of(client.get(response.headers["Location"]))) == 1
    assert toasts_of(client.get(response.headers["Location"])) == []


def test_the_test_is_stored_with_its_steps_person_time_and_version(
    alice: User, aws_prod: Credential, sandbox: Sandbox
) -> None:
    test = run_connection_test(aws_prod, alice)
    stored = ConnectionTest.objects.get()
    assert stored == test
    assert (stored.ok, stored.created_by, stored.person_label) == (True, alice, "alice@acme.example")
    assert stored.credential_version == 1
    assert stored.milliseconds >= sum(step["milliseconds"] for step in stored.steps) - len(stored.steps)
    assert steps(stored) == {
        "shape": "passed",
        "identity": "passed",
        "assume_role": "skipped",
        "list": "passed",
        "describe": "skipped",
        "read": "skipped",
        "decrypt": "skipped",
        "batch": "skipped",
    }
    assert Credential.objects.get().last_test == stored


def test_a_test_leaves_two_events_and_no_value_in_the_audit_log(
    acme: Organization, alice: User, aws_prod: Credential, sandbox: Sandbox
) -> None:
    run_connection_test(aws_prod, alice)
    sandbox.detach_policy()
    run_connection_test(aws_prod, alice)
    events = AuditEvent.objects.filter(action__contains="test").order_by("id")
    assert [(event.action, event.details) for event in events] == [
        ("credential:test_started", {"provider": "aws"}),
        ("credential:tested", {"result": "passed"}),
        ("credential:test_started", {"provider": "aws"}),
        ("credential:tested", {"result": "failed", "failure": "list_denied"}),
    ]


#: Each way to have the cloud called for a test.
CALLS: dict[str, Callable[[Credential, User], object]] = {
    "test": run_connection_test,
    "test of what is typed": lambda credential, by: try_settings(
        credential.organization, by, "aws", credential.config, credential.secrets.reveal()
    ),
    "check of the External ID": check_trust,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_nothing_is_called_that_cannot_be_written_down_first(
    call: Callable[[Credential, User], object],
    acme: Organization,
    alice: User,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    credential = store_role_credential(acme, alice)
    call(credential, alice)
    assert sandbox.calls, "it would call"
    sandbox.calls.clear()
    ConnectionTest.objects.all().delete()

    def broken(*_arguments: Any) -> None:
        raise DatabaseError("The audit log cannot be written.")

    monkeypatch.setattr("credentials.testing.record", broken)
    with pytest.raises(DatabaseError):
        call(credential, alice)
    assert sandbox.calls == []
    assert not ConnectionTest.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_the_provider_is_asked(
    alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    probe = AwsSecretsManager.probe

    def watched(provider: AwsSecretsManager, target: str | None = None) -> ProbeResult:
        started = AuditEvent.objects.filter(action="credential:test_started").count()
        seen.append((connection.in_atomic_block, started))
        return probe(provider, target)

    monkeypatch.setattr(AwsSecretsManager, "probe", watched)
    assert sign_in(alice).post(address(aws_prod)).status_code == 302
    assert seen == [(False, 1)]


@pytest.mark.django_db(transaction=True)
def test_a_credential_deleted_while_it_is_tested_is_a_404(
    alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = AwsSecretsManager.probe

    def deleted(provider: AwsSecretsManager, target: str | None = None) -> ProbeResult:
        Credential.objects.get().delete()
        return probe(provider, target)

    monkeypatch.setattr(AwsSecretsManager, "probe", deleted)
    assert sign_in(alice).post(address(aws_prod)).status_code == 404
    assert not ConnectionTest.objects.exists()


def test_a_credential_that_was_changed_since_it_was_looked_up_is_tested_as_it_is_now(
    acme: Organization, alice: User, aws_prod: Credential, sandbox: Sandbox
) -> None:
    looked_up = Credential.objects.for_organization(acme).get()
    config = aws_prod.config | {"access_key_id": seed.NO_KMS.access_key_id}
    secrets = {"secret_access_key": seed.NO_KMS.secret_access_key}
    change_credential(aws_prod, alice, name="aws-prod", config=config, secrets=secrets, is_default=True)
    test = run_connection_test(looked_up, None)
    assert test.failed_step is None
    assert (test.credential_version, Credential.objects.get().health) == (2, Health.HEALTHY)


def test_a_credential_deleted_just_before_it_is_opened_is_a_404(
    alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleted_first(credential: Credential, *arguments: Any) -> ConnectionTest:
        Credential.objects.filter(pk=credential.pk).delete()
        return run_connection_test(credential, *arguments)

    monkeypatch.setattr("credentials.views.run_connection_test", deleted_first)
    assert sign_in(alice).post(address(aws_prod)).status_code == 404
    assert sandbox.calls == []


def test_a_credential_that_cannot_be_opened_says_so_and_calls_nothing(
    alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    damage(aws_prod, "secrets")
    response = sign_in(alice).post(address(aws_prod), {"secret_name": ""}, follow=True)
    (toast,) = toasts_of(response)
    assert (toast.level, toast.title) == ("error", "What is stored here cannot be opened")
    assert "FERNET_KEYS" in toast.detail
    assert "Check what was entered failed" in text_of(response)
    failed = ConnectionTest.objects.get().failed_step
    assert failed
    assert failed["code"] == FailureCode.CANNOT_BE_OPENED
    assert sandbox.calls == []


def test_a_name_with_invisible_characters_is_refused_beside_its_field(
    alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    response = sign_in(alice).post(address(aws_prod), {"secret_name": "data\u200bbase"})
    assert response.status_code == 422
    assert "cannot be seen" in errors_beside(response, "secret_name")
    assert sandbox.calls == []


def test_a_secret_that_does_not_exist_is_named(
    alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    response = sign_in(alice).post(address(aws_prod), {"secret_name": "no/such-secret"}, follow=True)
    (toast,) = toasts_of(response)
    assert (toast.level, toast.title) == ("error", "Secret not found: no/such-secret")


def test_only_a_post_tests(alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn) -> None:
    assert sign_in(alice).get(address(aws_prod)).status_code == 405
    assert sandbox.calls == []


def test_who_may_not_read_credentials_cannot_test_one(
    bob: User, mallory: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    assert [sign_in(user).post(address(aws_prod)).status_code for user in (bob, mallory)] == [403, 404]
    assert sandbox.calls == []


def test_a_test_on_the_command_line_has_no_person(acme: Organization, aws_prod: Credential, sandbox: Sandbox) -> None:
    test = run_connection_test(aws_prod, None)
    assert (test.created_by, test.person_label) == (None, "command line")


def test_a_secret_of_another_credential_is_not_read(
    acme: Organization, alice: User, aws_prod: Credential, sandbox: Sandbox
) -> None:
    other = store_credential(acme, alice, "aws-other")
    store_reference(acme, "API_KEY", seed.OPENAI_KEY.name, other)
    run_connection_test(aws_prod, alice)
    assert "GetSecretValue" not in [call.action for call in sandbox.calls]

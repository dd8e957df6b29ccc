"""Check External ID: whether the role refuses whoever does not know it (the confused deputy)."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from credentials.models import ConnectionTest, Credential
from organizations.models import AuditEvent, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.pages import html_of, toasts_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


@pytest.fixture
def with_role(aws_prod: Credential) -> Credential:
    aws_prod.config |= {"role_arn": seed.ROLE_ARN}
    aws_prod.secrets = aws_prod.secrets.reveal() | {"external_id": seed.EXTERNAL_ID}
    aws_prod.save()
    return aws_prod


def address(credential: Credential) -> str:
    return reverse("credential_check_trust", args=[credential.organization.uuid, credential.uuid])


def test_a_role_that_requires_its_external_id_is_praised(
    with_role: Credential, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    (toast,) = toasts_of(sign_in(alice).post(address(with_role), follow=True))
    assert (toast.level, toast.title) == ("success", "The role refuses sign-ins without its External ID")
    assert [call.action for call in sandbox.calls].count("AssumeRole") == 2


def test_a_role_that_anybody_who_knows_it_can_use_is_a_warning_in_red(
    with_role: Credential, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": seed.ACCOUNT_ID}, "Action": "sts:AssumeRole"}
    sandbox.set_trust_policy(seed.policy(statement))
    (toast,) = toasts_of(sign_in(alice).post(address(with_role), follow=True))
    assert (toast.level, toast.title) == ("error", "The role can be assumed without its External ID")
    event = AuditEvent.objects.get(action="credential:trust_checked")
    assert event.details == {"result": "failed", "failure": "trust_without_external_id"}


def test_the_check_is_audited_and_is_not_the_credentials_last_test(
    with_role: Credential, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    sign_in(alice).post(address(with_role))
    with_role.refresh_from_db()
    assert with_role.last_test is None
    events = AuditEvent.objects.filter(target_uuid=with_role.uuid, action__contains="trust").values_list(
        "action", flat=True
    )
    assert sorted(events) == ["credential:trust_check_started", "credential:trust_checked"]
    assert not AuditEvent.objects.filter(action__contains="test").exists()


def test_only_a_credential_with_a_role_offers_it(
    with_role: Credential, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    detail = reverse("credential_detail", args=[with_role.organization.uuid, with_role.uuid])
    assert "Check External ID" in html_of(sign_in(alice).get(detail))
    with_role.config |= {"role_arn": ""}
    with_role.save()
    assert "Check External ID" not in html_of(sign_in(alice).get(detail))
    (toast,) = toasts_of(sign_in(alice).post(address(with_role), follow=True))
    assert toast.title == "There is no role to check"


def test_it_counts_towards_the_limits(with_role: Credential, alice: User, sandbox: Sandbox, sign_in: SignIn) -> None:
    client = sign_in(alice)
    for _check in range(10):
        client.post(address(with_role))
    assert ConnectionTest.objects.count() == 10
    sandbox.calls.clear()
    toasts = toasts_of(client.post(address(with_role), follow=True))
    assert toasts[-1].title == "Too many connection tests at once"
    assert not [call for call in sandbox.calls if call.action == "AssumeRole"]


def test_people_who_only_read_may_not(with_role: Credential, carol: User, sandbox: Sandbox, sign_in: SignIn) -> None:
    assert sign_in(carol).post(address(with_role)).status_code == 403
    assert sandbox.calls == []

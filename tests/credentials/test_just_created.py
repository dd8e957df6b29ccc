"""IAM needs a minute or two: after a failure that may pass, the page of a new credential tries again by itself."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from credentials.models import ConnectionTest, Credential
from organizations.models import User
from sandbox.aws import Sandbox
from tests.pages import html_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
HTMX = {"hx-request": "true"}
WAITING = "Trying again in 10 seconds"


def address(credential: Credential) -> str:
    return reverse("credential_test", args=[credential.organization.uuid, credential.uuid])


def older(credential: Credential) -> None:
    Credential.objects.update(updated_at=timezone.now() - timedelta(minutes=3))


def test_a_new_credential_that_is_refused_is_tried_again(
    aws_prod: Credential, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    sandbox.detach_policy()
    client = sign_in(alice)
    first = html_of(client.post(address(aws_prod), headers=HTMX))
    assert f"{WAITING} (1 of 6)" in first
    assert 'hx-trigger="load delay:10s"' in first
    assert f"{WAITING} (2 of 6)" in html_of(client.post(address(aws_prod), {"again": "1"}, headers=HTMX))


def test_it_ends_when_the_test_passes(aws_prod: Credential, alice: User, sandbox: Sandbox, sign_in: SignIn) -> None:
    page = html_of(sign_in(alice).post(address(aws_prod), {"again": "3"}, headers=HTMX))
    assert "Connected" in page
    assert WAITING not in page


def test_it_ends_after_a_minute(aws_prod: Credential, alice: User, sandbox: Sandbox, sign_in: SignIn) -> None:
    sandbox.detach_policy()
    page = html_of(sign_in(alice).post(address(aws_prod), {"again": "6"}, headers=HTMX))
    assert "secretsmanager:ListSecrets" in page
    assert WAITING not in page


def test_an_older_credential_is_not_tried_again(
    aws_prod: Credential, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    sandbox.detach_policy()
    older(aws_prod)
    assert WAITING not in html_of(sign_in(alice).post(address(aws_prod), headers=HTMX))


def test_a_failure_that_does_not_pass_is_not_tried_again(
    aws_prod: Credential, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    aws_prod.secrets = {"secret_access_key": aws_prod.secrets.reveal()["secret_access_key"][::-1]}
    aws_prod.save()
    assert WAITING not in html_of(sign_in(alice).post(address(aws_prod), headers=HTMX))


def test_the_credentials_own_page_tries_again_and_refreshes_its_steps(
    aws_prod: Credential, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    sandbox.detach_policy()
    client = sign_in(alice)
    page = html_of(client.post(address(aws_prod), {"secret_name": ""}, follow=True))
    assert f"{WAITING} (1 of 6)" in page
    refreshed = html_of(client.post(address(aws_prod), {"secret_name": "", "again": "1"}, headers=HTMX))
    assert f"{WAITING} (2 of 6)" in refreshed
    assert "List secrets" in refreshed


def test_looking_at_an_old_failure_starts_no_test(
    aws_prod: Credential, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    sandbox.detach_policy()
    client = sign_in(alice)
    client.post(address(aws_prod))
    ConnectionTest.objects.update(created_at=timezone.now() - timedelta(seconds=25))
    detail = reverse("credential_detail", args=[aws_prod.organization.uuid, aws_prod.uuid])
    assert WAITING not in html_of(client.get(detail))

"""Test Connection on the form: what is typed is tried before it is saved, and nothing of it is stored."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from credentials.models import ConnectionTest, Credential
from organizations.models import AuditEvent, Organization, User
from sandbox import seed
from sandbox.aws import Sandbox

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
HTMX = {"hx-request": "true"}


def typed(**changes: str) -> dict[str, str]:
    return {
        "name": "",
        "provider": "aws",
        "region": seed.REGION,
        "access_key_id": seed.READER.access_key_id,
        "secret_access_key": seed.READER.secret_access_key,
        "role_arn": "",
        "external_id": "",
    } | changes


def address(organization: Organization, credential: Credential | None = None) -> str:
    if credential:
        return reverse("credential_edit_test", args=[organization.uuid, credential.uuid])
    return reverse("credential_add_test", args=[organization.uuid])


def test_typed_settings_are_tried_without_a_name_and_not_stored(
    acme: Organization, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    response = sign_in(alice).post(address(acme), typed(), headers=HTMX)
    assert response.status_code == 200
    page = response.content.decode()
    assert "Connected to AWS Secrets Manager" in page
    assert "nothing was stored" in page
    assert seed.READER.secret_access_key not in page
    assert not Credential.objects.exists()
    test = ConnectionTest.objects.get()
    assert (test.credential, test.ok, test.created_by) == (None, True, alice)
    assert seed.READER.secret_access_key not in str(test.steps)
    assert AuditEvent.objects.filter(action="credential:test_started", actor=alice, target_uuid=acme.uuid).exists()


def test_wrong_settings_are_explained(acme: Organization, alice: User, sandbox: Sandbox, sign_in: SignIn) -> None:
    wrong = typed(secret_access_key=seed.READER.secret_access_key[::-1])
    page = sign_in(alice).post(address(acme), wrong, headers=HTMX).content.decode()
    assert "secret access key" in page.lower()
    assert not ConnectionTest.objects.get().ok


def test_what_cannot_be_right_is_not_tried(acme: Organization, alice: User, sandbox: Sandbox, sign_in: SignIn) -> None:
    response = sign_in(alice).post(address(acme), typed(access_key_id="AIDARZPUZDIKAEXAMPLE"), headers=HTMX)
    assert response.status_code == 422
    assert "unique ID of a user" in response.content.decode()
    assert sandbox.calls == []


def test_a_stored_secret_is_used_where_none_is_typed_and_the_last_test_stays(
    aws_prod: Credential, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    typed_region = typed(secret_access_key="", region=seed.EMPTY_REGION)
    page = sign_in(alice).post(address(aws_prod.organization, aws_prod), typed_region, headers=HTMX).content.decode()
    assert "No secrets found in us-west-2" in page
    aws_prod.refresh_from_db()
    assert aws_prod.last_test is None
    assert aws_prod.config["region"] == seed.REGION


def test_without_javascript_the_form_comes_back_with_the_outcome_and_without_the_secret(
    acme: Organization, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    page = sign_in(alice).post(address(acme), typed()).content.decode()
    assert "Connected to AWS Secrets Manager" in page
    assert seed.READER.access_key_id in page
    assert seed.READER.secret_access_key not in page


def test_the_form_that_comes_back_is_saved_where_a_fresh_one_is(
    aws_prod: Credential, acme: Organization, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    for credential, name in ((None, "credential_add"), (aws_prod, "credential_edit")):
        page = sign_in(alice).post(address(acme, credential), typed()).content.decode()
        form = page.partition('<form class="form"')[2].partition(">")[0]
        assert f'action="{reverse(name, args=[acme.uuid, *([credential.uuid] if credential else [])])}"' in form


def test_only_people_who_manage_credentials_may_try(
    acme: Organization, carol: User, bob: User, mallory: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    assert [sign_in(person).post(address(acme), typed()).status_code for person in (carol, bob, mallory)] == [
        403,
        403,
        404,
    ]
    assert sandbox.calls == []


def test_another_organizations_credential_does_not_exist(
    aws_prod: Credential, umbrella: Organization, mallory: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    blank = typed(secret_access_key="")
    assert sign_in(mallory).post(address(umbrella, aws_prod), blank).status_code == 404
    assert sandbox.calls == []

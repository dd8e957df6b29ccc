"""Editing a credential: blank secrets keep what is stored, and a stored secret never travels to another place."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from credentials.models import Credential
from credentials.services import change_credential, delete_credential
from credentials.testing import run_connection_test
from organizations.models import AuditEvent, Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import damage, store_credential
from tests.pages import errors_beside, html_of, rows_of, text_of, value_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
OTHER_SECRET = "MadeUp+Other/00001/opens/nothing/EXAMPLE"


def address(credential: Credential) -> str:
    return reverse("credential_edit", args=[credential.organization.uuid, credential.uuid])


def form(credential: Credential, **changes: str) -> dict[str, str]:
    """What a browser sends when nothing was typed: the secret fields are blank."""
    default = {"is_default": "on"} if credential.is_default else {}
    config = {name: str(value) for name, value in credential.config.items()}
    return {"name": credential.name, "secret_access_key": "", "external_id": "", **config, **default, **changes}


@pytest.fixture
def with_role(acme: Organization, alice: User) -> Credential:
    return store_credential(acme, alice, "aws-role", role_arn=seed.ROLE_ARN, external_id=seed.EXTERNAL_ID)


def test_the_page_shows_what_may_be_seen_and_that_secrets_are_stored(
    alice: User, with_role: Credential, sign_in: SignIn
) -> None:
    page = sign_in(alice).get(address(with_role))
    assert value_of(page, "access_key_id") == seed.READER.access_key_id
    assert value_of(page, "role_arn") == seed.ROLE_ARN
    assert value_of(page, "secret_access_key") is None
    assert value_of(page, "external_id") is None
    assert text_of(page).count("Stored. Leave blank to keep it.") == 2
    assert seed.READER.secret_access_key not in html_of(page)
    assert seed.EXTERNAL_ID not in html_of(page)


def test_a_blank_secret_keeps_what_is_stored_when_role_and_region_change(
    alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    response = sign_in(alice).post(address(aws_prod), form(aws_prod, region="eu-central-1", role_arn=seed.ROLE_ARN))
    assert response.status_code == 302
    stored = Credential.objects.get()
    assert (stored.config["region"], stored.config["role_arn"]) == ("eu-central-1", seed.ROLE_ARN)
    assert stored.secrets.reveal() == {"secret_access_key": seed.READER.secret_access_key}


def test_a_new_secret_replaces_the_stored_one(alice: User, with_role: Credential, sign_in: SignIn) -> None:
    sign_in(alice).post(address(with_role), form(with_role, secret_access_key=OTHER_SECRET))
    assert Credential.objects.get().secrets.reveal() == {
        "secret_access_key": OTHER_SECRET,
        "external_id": seed.EXTERNAL_ID,
    }


def test_another_access_key_id_needs_its_own_secret(alice: User, aws_prod: Credential, sign_in: SignIn) -> None:
    posted = form(aws_prod, access_key_id=seed.NO_KMS.access_key_id)
    response = sign_in(alice).post(address(aws_prod), posted)
    assert response.status_code == 422
    assert "The access key ID was changed" in errors_beside(response, "secret_access_key")
    assert Credential.objects.get().config == aws_prod.config
    posted["secret_access_key"] = seed.NO_KMS.secret_access_key
    assert sign_in(alice).post(address(aws_prod), posted).status_code == 302
    assert Credential.objects.get().secrets.reveal() == {"secret_access_key": seed.NO_KMS.secret_access_key}


def test_the_stored_external_id_is_never_sent_to_another_role(
    alice: User, with_role: Credential, sign_in: SignIn
) -> None:
    posted = form(with_role, role_arn="arn:aws:iam::210987654321:role/SomebodyElses")
    response = sign_in(alice).post(address(with_role), posted)
    assert response.status_code == 422
    assert "enter the External ID again, or remove it" in errors_beside(response, "external_id")
    assert sign_in(alice).post(address(with_role), posted | {"remove_external_id": "on"}).status_code == 302
    assert "external_id" not in Credential.objects.get().secrets.reveal()


def test_clearing_the_role_also_removes_its_external_id(alice: User, with_role: Credential, sign_in: SignIn) -> None:
    assert sign_in(alice).post(address(with_role), form(with_role, role_arn="")).status_code == 302
    assert Credential.objects.get().secrets.reveal() == {"secret_access_key": seed.READER.secret_access_key}


@pytest.mark.parametrize(
    ("changes", "version"),
    [
        ({}, 1),
        ({"name": "aws-renamed"}, 1),
        ({"is_default": ""}, 1),
        ({"secret_access_key": seed.READER.secret_access_key}, 1),
        ({"region": "eu-west-1"}, 2),
        ({"secret_access_key": OTHER_SECRET}, 2),
        ({"role_arn": seed.ROLE_ARN, "external_id": seed.EXTERNAL_ID}, 2),
    ],
)
def test_the_version_counts_changes_of_what_opens_the_vault(
    changes: dict[str, str], version: int, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    assert sign_in(alice).post(address(aws_prod), form(aws_prod, **changes)).status_code == 302
    assert Credential.objects.get().version == version


def test_saving_without_a_change_stores_nothing_and_leaves_no_trace(
    alice: User, with_role: Credential, sign_in: SignIn
) -> None:
    before = Credential.objects.filter(pk=with_role.pk).values().get()
    events = AuditEvent.objects.count()
    response = sign_in(alice).post(address(with_role), form(with_role), follow=True)
    assert "was saved" in text_of(response)
    assert Credential.objects.filter(pk=with_role.pk).values().get() == before
    assert AuditEvent.objects.count() == events


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"name": "aws-renamed"}, ["name"]),
        ({"is_default": "", "region": "eu-west-1"}, ["is_default", "region"]),
        ({"secret_access_key": OTHER_SECRET}, ["secret_access_key"]),
        ({"role_arn": seed.ROLE_ARN, "external_id": seed.EXTERNAL_ID}, ["external_id", "role_arn"]),
    ],
)
def test_the_audit_log_names_the_changed_fields_and_never_a_value(
    changes: dict[str, str], fields: list[str], alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    sign_in(alice).post(address(aws_prod), form(aws_prod, **changes))
    event = AuditEvent.objects.get(action="credential:changed")
    assert (event.actor, event.details) == (alice, {"fields": fields})


def test_a_test_result_is_shown_as_outdated_after_a_change(
    alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    run_connection_test(aws_prod, alice)
    response = sign_in(alice).post(address(aws_prod), form(aws_prod, region="eu-west-1"), follow=True)
    assert "The credential was changed after this test." in text_of(response)


def test_a_name_of_another_credential_is_refused(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    other = store_credential(acme, alice, "aws-other")
    response = sign_in(alice).post(address(other), form(other, name="aws-prod", region="eu-west-1"))
    assert response.status_code == 422
    assert "has this name" in errors_beside(response, "name")
    other.refresh_from_db()
    assert (other.name, other.config["region"]) == ("aws-other", "us-east-1")


def test_checking_the_default_box_takes_the_mark_from_the_other(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    other = store_credential(acme, alice, "aws-other")
    sign_in(alice).post(address(other), form(other, is_default="on"))
    assert list(Credential.objects.filter(is_default=True)) == [other]


def test_unchecking_the_default_box_leaves_no_default(alice: User, aws_prod: Credential, sign_in: SignIn) -> None:
    sign_in(alice).post(address(aws_prod), form(aws_prod, is_default=""))
    assert not Credential.objects.filter(is_default=True).exists()


def test_the_provider_of_a_stored_credential_stays(alice: User, aws_prod: Credential, sign_in: SignIn) -> None:
    response = sign_in(alice).post(address(aws_prod), form(aws_prod, provider="gopher", name="aws-renamed"))
    assert response.status_code == 302
    assert Credential.objects.get().provider == "aws"


def test_a_credential_that_cannot_be_opened_asks_for_its_secret_again(
    alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    damage(aws_prod, "secrets")
    page = sign_in(alice).get(address(aws_prod))
    assert page.status_code == 200
    assert "Stored. Leave blank" not in text_of(page)
    response = sign_in(alice).post(address(aws_prod), form(aws_prod))
    assert "This field is required." in errors_beside(response, "secret_access_key")
    response = sign_in(alice).post(address(aws_prod), form(aws_prod, secret_access_key=OTHER_SECRET))
    assert response.status_code == 302
    assert Credential.objects.get().secrets.reveal() == {"secret_access_key": OTHER_SECRET}


def test_a_credential_deleted_meanwhile_is_not_there_any_more(
    alice: User, aws_prod: Credential, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleted_first(credential: Credential, by: User, **values: Any) -> Credential:
        delete_credential(credential, by)
        return change_credential(credential, by, **values)

    monkeypatch.setattr("credentials.services.change_credential", deleted_first)
    assert sign_in(alice).post(address(aws_prod), form(aws_prod, name="late")).status_code == 404
    assert not Credential.objects.exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_who_may_not_manage_credentials_cannot_edit_one(
    method: str, bob: User, carol: User, mallory: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    posted = form(aws_prod, name="stolen")
    statuses = [getattr(sign_in(user), method)(address(aws_prod), posted).status_code for user in (bob, carol, mallory)]
    assert statuses == [403, 403, 404]
    assert Credential.objects.get().name == "aws-prod"


def test_another_organization_s_credential_does_not_exist(
    umbrella: Organization, mallory: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    for name in ("credential_edit", "credential_detail", "credential_delete"):
        url = reverse(name, args=[umbrella.uuid, aws_prod.uuid])
        assert sign_in(mallory).get(url).status_code == 404
    for name in ("credential_edit", "credential_delete", "credential_make_default", "credential_test"):
        url = reverse(name, args=[umbrella.uuid, aws_prod.uuid])
        assert sign_in(mallory).post(url, form(aws_prod, name="stolen")).status_code == 404
    assert rows_of(sign_in(mallory).get(reverse("credential_list", args=[umbrella.uuid]))) == []
    assert Credential.objects.get().name == "aws-prod"

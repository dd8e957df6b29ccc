"""Deleting a credential: only one that nothing refers to."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from credentials.models import ConnectionTest, Credential
from credentials.services import CredentialInUseError, delete_credential, make_default
from credentials.testing import run_connection_test
from credentials.views import USES_SHOWN
from organizations.models import AuditEvent, Organization, User
from sandbox.aws import Sandbox
from tests.builders import damage, store_credential, store_reference
from tests.pages import html_of, text_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def address(credential: Credential) -> str:
    return reverse("credential_delete", args=[credential.organization.uuid, credential.uuid])


def test_the_page_asks_first(alice: User, aws_prod: Credential, sign_in: SignIn) -> None:
    page = sign_in(alice).get(address(aws_prod))
    assert page.status_code == 200
    assert "Delete aws-prod?" in text_of(page)
    assert "No variable refers to it." in text_of(page)
    assert Credential.objects.exists()


def test_an_unused_credential_is_deleted_with_its_tests(
    acme: Organization, alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    run_connection_test(aws_prod, alice)
    response = sign_in(alice).post(address(aws_prod), follow=True)
    assert response.redirect_chain[-1][0] == reverse("credential_list", args=[acme.uuid])
    assert "Credential “aws-prod” was deleted." in text_of(response)
    assert not Credential.objects.exists()
    assert not ConnectionTest.objects.exists()
    event = AuditEvent.objects.get(action="credential:deleted")
    assert (event.actor, event.target_label, event.target_uuid) == (alice, "aws-prod", aws_prod.uuid)


def test_a_credential_that_a_variable_names_stays_and_the_page_says_which(
    acme: Organization, alice: User, sign_in: SignIn
) -> None:
    credential = store_credential(acme, alice, "aws-other")
    store_reference(acme, "API_KEY", "crewai/openai-api-key", credential)
    for method, status in (("get", 200), ("post", 409)):
        response = getattr(sign_in(alice), method)(address(credential))
        assert response.status_code == status
        assert "This credential is in use" in text_of(response)
        assert "1 variable is read with it." in text_of(response)
        assert "API_KEY crewai/openai-api-key" in text_of(response)
        assert "Delete credential" not in text_of(response)
    assert Credential.objects.filter(pk=credential.pk).exists()
    assert not AuditEvent.objects.filter(action="credential:deleted").exists()


def test_a_default_that_variables_rely_on_stays(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    store_reference(acme, "API_KEY", "crewai/openai-api-key")
    store_reference(acme, "DB_PASSWORD", "database-credentials#password", aws_prod)
    response = sign_in(alice).post(address(aws_prod))
    assert response.status_code == 409
    assert "2 variables are read with it." in text_of(response)
    assert "API_KEY" in text_of(response)
    assert "DB_PASSWORD database-credentials#password" in text_of(response)


def test_a_credential_that_is_not_the_default_is_no_matter_to_variables_that_use_the_default(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    store_reference(acme, "API_KEY", "crewai/openai-api-key")
    other = store_credential(acme, alice, "aws-other")
    assert sign_in(alice).post(address(other)).status_code == 302
    assert list(Credential.objects.all()) == [aws_prod]


def test_a_credential_that_became_the_default_since_the_page_was_read_stays(
    acme: Organization, alice: User, aws_prod: Credential
) -> None:
    store_reference(acme, "API_KEY", "crewai/openai-api-key")
    stale = store_credential(acme, alice, "aws-other")
    make_default(Credential.objects.get(pk=stale.pk), alice)
    assert not stale.is_default
    with pytest.raises(CredentialInUseError):
        delete_credential(stale, alice)


def test_another_organization_s_variables_block_nothing(
    umbrella: Organization, mallory: User, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    store_credential(umbrella, mallory, "aws-prod", is_default=True)
    store_reference(umbrella, "API_KEY", "crewai/openai-api-key")
    assert sign_in(alice).post(address(aws_prod)).status_code == 302


def test_a_long_list_of_uses_is_cut(acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn) -> None:
    for number in range(USES_SHOWN + 5):
        store_reference(acme, f"KEY_{number:02}", "crewai/openai-api-key", aws_prod)
    words = text_of(sign_in(alice).get(address(aws_prod)))
    assert "KEY_19" in words
    assert "KEY_20" not in words
    assert "The first 20 of 25." in words


def test_deleting_twice_is_a_404_and_one_event(alice: User, aws_prod: Credential, sign_in: SignIn) -> None:
    assert sign_in(alice).post(address(aws_prod)).status_code == 302
    assert sign_in(alice).post(address(aws_prod)).status_code == 404
    with pytest.raises(Credential.DoesNotExist):
        delete_credential(aws_prod, alice)
    assert AuditEvent.objects.filter(action="credential:deleted").count() == 1


def test_a_credential_deleted_by_somebody_else_in_the_same_moment_is_a_404(
    alice: User, aws_prod: Credential, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleted_first(credential: Credential, by: User) -> None:
        Credential.objects.filter(pk=credential.pk).delete()
        delete_credential(credential, by)

    monkeypatch.setattr("credentials.services.delete_credential", deleted_first)
    assert sign_in(alice).post(address(aws_prod)).status_code == 404


def test_a_credential_that_cannot_be_opened_can_be_deleted(alice: User, aws_prod: Credential, sign_in: SignIn) -> None:
    damage(aws_prod, "secrets")
    assert sign_in(alice).post(address(aws_prod)).status_code == 302
    assert not Credential.objects.exists()


def test_who_may_not_manage_credentials_cannot_delete_one(
    bob: User, carol: User, mallory: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    for method in ("get", "post"):
        statuses = [getattr(sign_in(user), method)(address(aws_prod)).status_code for user in (bob, carol, mallory)]
        assert statuses == [403, 403, 404]
    assert Credential.objects.exists()


def test_a_variable_is_a_link_only_for_somebody_who_may_edit_it(
    acme: Organization, alice: User, carol: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    variable = store_reference(acme, "API_KEY", "crewai/openai-api-key", aws_prod)
    link = reverse("variable_edit", args=[acme.uuid, variable.uuid])
    detail = reverse("credential_detail", args=[acme.uuid, aws_prod.uuid])
    assert link in html_of(sign_in(alice).get(address(aws_prod)))
    assert link not in html_of(sign_in(carol).get(detail))

"""Editing an environment variable: a blank value keeps what is stored."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from credentials.models import Credential
from envvars.models import Automation, EnvironmentVariable
from envvars.references import parse
from envvars.services.variables import Value, change_variable, delete_variable
from organizations.models import AuditEvent, Organization, User
from tests.builders import Source, damage, store_automation, store_credential, store_direct, store_reference
from tests.pages import errors_beside, html_of, text_of, value_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
DEFAULT = "provider_default:aws"


@pytest.fixture
def direct(acme: Organization) -> EnvironmentVariable:
    return store_direct(acme, "API_KEY", "made-up-value")


@pytest.fixture
def referring(acme: Organization, aws_prod: Credential) -> EnvironmentVariable:
    return store_reference(acme, "API_KEY", "database-credentials#password", aws_prod)


def address(variable: EnvironmentVariable) -> str:
    return reverse("variable_edit", args=[variable.organization.uuid, variable.uuid])


def form(variable: EnvironmentVariable, **changes: Any) -> dict[str, Any]:
    """What a browser sends when nothing was typed."""
    source = {"direct": "direct", "provider_default": DEFAULT}.get(variable.source)
    return {
        "key": variable.key,
        "source": source or f"credential:{variable.credential and variable.credential.uuid}",
        "value": "",
        "secret_name": variable.reference,
        "automations": [automation.slug for automation in variable.automations.all()],
        **changes,
    }


def stored() -> EnvironmentVariable:
    return EnvironmentVariable.objects.get()


def test_the_page_says_that_a_value_is_stored_and_does_not_show_it(
    alice: User, direct: EnvironmentVariable, sign_in: SignIn
) -> None:
    page = sign_in(alice).get(address(direct))
    assert "Stored. Leave blank to keep it." in text_of(page)
    assert "made-up-value" not in html_of(page)


def test_a_blank_value_keeps_what_is_stored(
    alice: User, direct: EnvironmentVariable, crew: Automation, sign_in: SignIn
) -> None:
    posted = form(direct, key="RENAMED", automations=[crew.slug])
    assert sign_in(alice).post(address(direct), posted).status_code == 302
    assert (stored().key, stored().value.reveal()) == ("RENAMED", "made-up-value")
    assert list(stored().automations.all()) == [crew]
    event = AuditEvent.objects.get(action="variable:changed")
    assert (event.actor, event.details) == (alice, {"fields": ["key", "automations"]})


def test_a_new_value_replaces_the_stored_one(alice: User, direct: EnvironmentVariable, sign_in: SignIn) -> None:
    sign_in(alice).post(address(direct), form(direct, value="made-up-second"))
    assert (stored().value.reveal(), stored().updated_by) == ("made-up-second", alice)
    assert AuditEvent.objects.get(action="variable:changed").details == {"fields": ["value"]}


def test_saving_without_a_change_leaves_no_trace(
    acme: Organization, alice: User, direct: EnvironmentVariable, crew: Automation, sign_in: SignIn
) -> None:
    direct.automations.add(crew)
    before = EnvironmentVariable.objects.values().get()
    for value in ("", "made-up-value"):
        assert sign_in(alice).post(address(direct), form(direct, value=value)).status_code == 302
    assert EnvironmentVariable.objects.values().get() == before
    assert not AuditEvent.objects.filter(action="variable:changed").exists()


def test_switching_to_a_secret_drops_the_stored_value(
    alice: User, direct: EnvironmentVariable, aws_prod: Credential, sign_in: SignIn
) -> None:
    posted = form(direct, source=DEFAULT, secret_name="crewai/openai-api-key")
    assert sign_in(alice).post(address(direct), posted).status_code == 302
    assert (stored().source, stored().value, stored().reference) == (
        "provider_default",
        None,
        "crewai/openai-api-key",
    )
    assert AuditEvent.objects.get(action="variable:changed").details == {"fields": ["source", "secret_name"]}


def test_switching_to_a_secret_needs_its_name(alice: User, direct: EnvironmentVariable, sign_in: SignIn) -> None:
    response = sign_in(alice).post(address(direct), form(direct, source=DEFAULT))
    assert response.status_code == 422
    assert "Name the secret to read." in errors_beside(response, "secret_name")
    assert stored().value.reveal() == "made-up-value"


def test_switching_to_a_direct_value_needs_a_value(
    alice: User, referring: EnvironmentVariable, sign_in: SignIn
) -> None:
    response = sign_in(alice).post(address(referring), form(referring, source="direct"))
    assert response.status_code == 422
    assert "Type the value" in errors_beside(response, "value")
    assert sign_in(alice).post(address(referring), form(referring, source="direct", value="x")).status_code == 302
    assert (stored().source, stored().credential, stored().reference, stored().provider) == ("direct", None, "", "")


def test_a_blank_value_keeps_nothing_where_somebody_else_chose_a_secret_meanwhile(
    alice: User, direct: EnvironmentVariable, aws_prod: Credential, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(variable: EnvironmentVariable, by: User, **values: Any) -> EnvironmentVariable:
        secret = Value(Source.PROVIDER_DEFAULT, provider="aws", reference=parse("database-credentials"))
        change_variable(variable, None, key="API_KEY", value=secret, automations=[])
        return change_variable(variable, by, **values)

    monkeypatch.setattr("envvars.services.variables.change_variable", late)
    response = sign_in(alice).post(address(direct), form(direct, key="RENAMED"))
    assert response.status_code == 422
    assert "Type the value" in errors_beside(response, "value")
    assert (stored().key, stored().reference) == ("API_KEY", "database-credentials")


def test_another_credential_can_be_chosen(
    acme: Organization, alice: User, referring: EnvironmentVariable, sign_in: SignIn
) -> None:
    other = store_credential(acme, alice, "aws-other")
    sign_in(alice).post(address(referring), form(referring, source=f"credential:{other.uuid}"))
    assert stored().credential == other


def test_who_may_not_see_credentials_may_keep_the_one_that_is_set(
    bob: User, referring: EnvironmentVariable, aws_prod: Credential, sign_in: SignIn
) -> None:
    page = sign_in(bob).get(address(referring))
    assert "aws-prod" not in html_of(page)
    assert "Named credential (as it is)" in text_of(page)
    posted = form(referring, key="RENAMED")
    assert sign_in(bob).post(address(referring), posted).status_code == 302
    assert (stored().key, stored().credential) == ("RENAMED", aws_prod)


def test_who_may_not_see_credentials_cannot_choose_another(
    acme: Organization, alice: User, bob: User, referring: EnvironmentVariable, aws_prod: Credential, sign_in: SignIn
) -> None:
    other = store_credential(acme, alice, "aws-other")
    for source in (DEFAULT, f"credential:{other.uuid}"):
        response = sign_in(bob).post(address(referring), form(referring, source=source))
        assert response.status_code == 422
        assert errors_beside(response, "source")
    assert stored().credential == aws_prod


def test_a_key_of_another_variable_is_refused(
    acme: Organization, alice: User, direct: EnvironmentVariable, sign_in: SignIn
) -> None:
    store_direct(acme, "TAKEN", "x")
    response = sign_in(alice).post(address(direct), form(direct, key="TAKEN", value="made-up-second"))
    assert response.status_code == 422
    assert errors_beside(response, "key")
    assert EnvironmentVariable.objects.get(key="API_KEY").value.reveal() == "made-up-value"


def test_automations_that_are_unticked_no_longer_receive_it(
    acme: Organization, alice: User, direct: EnvironmentVariable, crew: Automation, sign_in: SignIn
) -> None:
    other = store_automation(acme, "Other crew", "other-crew")
    direct.automations.set([crew, other])
    sign_in(alice).post(address(direct), form(direct, automations=["other-crew"]))
    assert list(stored().automations.all()) == [other]


def test_a_value_that_cannot_be_opened_is_kept_or_replaced(
    alice: User, direct: EnvironmentVariable, sign_in: SignIn
) -> None:
    damage(direct, "value")
    assert sign_in(alice).get(address(direct)).status_code == 200
    assert sign_in(alice).post(address(direct), form(direct, key="RENAMED")).status_code == 302
    assert stored().key == "RENAMED"
    assert sign_in(alice).post(address(direct), form(direct, value="made-up-second")).status_code == 302
    assert stored().value.reveal() == "made-up-second"


def test_a_variable_deleted_meanwhile_is_a_404(
    alice: User, direct: EnvironmentVariable, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleted_first(variable: EnvironmentVariable, by: User, **values: Any) -> EnvironmentVariable:
        delete_variable(variable, by)
        return change_variable(variable, by, **values)

    monkeypatch.setattr("envvars.services.variables.change_variable", deleted_first)
    assert sign_in(alice).post(address(direct), form(direct, key="LATE")).status_code == 404


def test_who_may_not_manage_variables_cannot_edit_one(
    dora: User, carol: User, mallory: User, umbrella: Organization, direct: EnvironmentVariable, sign_in: SignIn
) -> None:
    posted = form(direct, key="STOLEN")
    for method in ("get", "post"):
        people = (dora, carol, mallory)
        statuses = [getattr(sign_in(user), method)(address(direct), posted).status_code for user in people]
        assert statuses == [403, 403, 404]
    elsewhere = reverse("variable_edit", args=[umbrella.uuid, direct.uuid])
    assert sign_in(mallory).post(elsewhere, posted).status_code == 404
    assert stored().key == "API_KEY"


def test_the_secret_name_is_shown_for_editing(alice: User, referring: EnvironmentVariable, sign_in: SignIn) -> None:
    page = sign_in(alice).get(address(referring))
    assert value_of(page, "secret_name") == "database-credentials#password"

"""Deleting an environment variable."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from envvars.models import Automation, EnvironmentVariable
from envvars.services.variables import delete_variable
from organizations.models import AuditEvent, Organization, User
from tests.builders import damage, store_direct, store_reference
from tests.pages import text_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def address(variable: EnvironmentVariable) -> str:
    return reverse("variable_delete", args=[variable.organization.uuid, variable.uuid])


def test_the_page_asks_first_and_names_who_loses_it(
    acme: Organization, bob: User, crew: Automation, sign_in: SignIn
) -> None:
    page = sign_in(bob).get(address(store_direct(acme, "API_KEY", "x", [crew])))
    assert "Delete API_KEY?" in text_of(page)
    assert "Invoice crew invoice-crew" in text_of(page)
    assert "cannot be brought back" in text_of(page)
    page = sign_in(bob).get(address(store_reference(acme, "OTHER", "database-credentials#password")))
    assert "No automation receives it." in text_of(page)
    assert "database-credentials#password stays in the vault" in text_of(page)
    assert EnvironmentVariable.objects.count() == 2


def test_a_variable_is_deleted_and_its_automations_stay(
    acme: Organization, bob: User, crew: Automation, sign_in: SignIn
) -> None:
    response = sign_in(bob).post(address(store_direct(acme, "API_KEY", "x", [crew])), follow=True)
    assert "Variable API_KEY was deleted." in text_of(response)
    assert not EnvironmentVariable.objects.exists()
    assert list(Automation.objects.all()) == [crew]
    event = AuditEvent.objects.get(action="variable:deleted")
    assert (event.actor, event.target_label) == (bob, "API_KEY")


def test_deleting_twice_is_a_404_and_one_event(
    acme: Organization, bob: User, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleted_first(variable: EnvironmentVariable, by: User) -> None:
        delete_variable(variable, by)
        delete_variable(variable, by)

    monkeypatch.setattr("envvars.services.variables.delete_variable", deleted_first)
    variable = store_direct(acme, "API_KEY", "x")
    assert sign_in(bob).post(address(variable)).status_code == 404
    assert sign_in(bob).get(address(variable)).status_code == 404
    assert AuditEvent.objects.filter(action="variable:deleted").count() == 1


def test_a_value_that_cannot_be_opened_can_be_deleted(acme: Organization, bob: User, sign_in: SignIn) -> None:
    variable = store_direct(acme, "API_KEY", "x")
    damage(variable, "value")
    assert sign_in(bob).post(address(variable)).status_code == 302


def test_who_may_not_manage_variables_cannot_delete_one(
    acme: Organization, dora: User, carol: User, mallory: User, umbrella: Organization, sign_in: SignIn
) -> None:
    variable = store_direct(acme, "API_KEY", "x")
    for method in ("get", "post"):
        people = (dora, carol, mallory)
        assert [getattr(sign_in(user), method)(address(variable)).status_code for user in people] == [403, 403, 404]
    assert sign_in(mallory).post(reverse("variable_delete", args=[umbrella.uuid, variable.uuid])).status_code == 404
    assert EnvironmentVariable.objects.exists()

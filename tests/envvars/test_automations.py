"""Automations: the list, and adding, changing and deleting one."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from envvars.forms import MOST_BOXES
from envvars.models import Automation, EnvironmentVariable
from envvars.services.automations import change_automation, delete_automation
from organizations.models import AuditEvent, Organization, User
from tests.builders import store_automation, store_direct
from tests.pages import errors_beside, html_of, rows_of, text_of, toasts_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def at(name: str, organization: Organization, automation: Automation | None = None) -> str:
    return reverse(name, args=[organization.uuid, *([automation.uuid] if automation else [])])


def stored() -> Automation:
    return Automation.objects.get()


def test_an_empty_list_says_what_to_do_next(acme: Organization, bob: User, dora: User, sign_in: SignIn) -> None:
    page = sign_in(bob).get(at("automation_list", acme))
    assert "Name what runs, a crew or a job" in text_of(page)
    assert at("automation_add", acme) in html_of(page)
    page = sign_in(dora).get(at("automation_list", acme))
    assert "No automations yet" in text_of(page)
    assert at("automation_add", acme) not in html_of(page)


def test_a_row_counts_the_variables(acme: Organization, bob: User, crew: Automation, sign_in: SignIn) -> None:
    store_automation(acme, "Other crew", "other-crew")
    for key in ("ONE", "TWO"):
        store_direct(acme, key, "x", [crew])
    invoice, other = rows_of(sign_in(bob).get(at("automation_list", acme)))
    assert invoice.startswith("Invoice crew invoice-crew 2")
    assert other.startswith("Other crew other-crew 0")


def test_the_search_finds_part_of_a_name(acme: Organization, bob: User, crew: Automation, sign_in: SignIn) -> None:
    store_automation(acme, "Other", "other")
    (row,) = rows_of(sign_in(bob).get(at("automation_list", acme), {"q": "INVOICE"}))
    assert "Invoice crew" in row


def test_the_list_costs_the_same_queries_however_long_it_is(acme: Organization, alice: User, sign_in: SignIn) -> None:
    client = sign_in(alice)
    counts = {}
    for rows in (10, 50):
        for number in range(Automation.objects.count(), rows):
            store_direct(acme, f"KEY_{number}", "x", [store_automation(acme, f"Crew {number:02}", f"crew-{number}")])
        with CaptureQueriesContext(connection) as queries:
            assert len(rows_of(client.get(at("automation_list", acme)))) == rows
        counts[rows] = len(queries)
    assert counts == {10: 5, 50: 5}


def test_an_automation_is_stored_with_its_variables(acme: Organization, bob: User, sign_in: SignIn) -> None:
    variable = store_direct(acme, "API_KEY", "x")
    store_direct(acme, "NOT_CHOSEN", "x")
    posted = {"name": " Invoice crew ", "slug": "invoices", "variables": ["API_KEY"]}
    response = sign_in(bob).post(at("automation_add", acme), posted, follow=True)
    assert response.redirect_chain[-1][0] == at("automation_detail", acme, stored())
    assert toasts_of(response)[0].title == "Automation “Invoice crew” was created."
    assert (stored().name, stored().slug, list(stored().variables.all())) == ("Invoice crew", "invoices", [variable])
    event = AuditEvent.objects.get(action="automation:created")
    assert (event.actor, event.target_label) == (bob, "Invoice crew")


def test_a_short_name_is_made_from_the_name(acme: Organization, bob: User, sign_in: SignIn) -> None:
    sign_in(bob).post(at("automation_add", acme), {"name": "Invoice Crew (EU)!", "slug": ""})
    assert stored().slug == "invoice-crew-eu"


@pytest.mark.parametrize(
    ("posted", "field", "error"),
    [
        ({"name": ""}, "name", "This field is required."),
        ({"name": "x" * 101}, "name", "at most 100 characters"),
        ({"name": "zero\u200bwidth"}, "name", "cannot be seen"),
        ({"name": "密码"}, "slug", "Type a short name of letters, digits and hyphens."),
        ({"name": "Crew", "slug": "two words"}, "slug", "letters, numbers, underscores or hyphens"),
        ({"name": "Crew", "slug": "a/b"}, "slug", "letters, numbers, underscores or hyphens"),
        ({"name": "Crew", "slug": "x" * 51}, "slug", "at most 50 characters"),
        ({"name": "Invoice crew", "slug": "new"}, "name", "Another automation has this name."),
        ({"name": "New", "slug": "invoice-crew"}, "slug", "Another automation has this short name."),
        ({"name": "Invoice-crew"}, "slug", "Another automation has this short name."),
        ({"name": "New", "variables": ["NO_SUCH_KEY"]}, "variables", "There is no “NO_SUCH_KEY”"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field(
    posted: dict[str, Any], field: str, error: str, acme: Organization, bob: User, crew: Automation, sign_in: SignIn
) -> None:
    response = sign_in(bob).post(at("automation_add", acme), posted)
    assert response.status_code == 422
    assert error in errors_beside(response, field)
    assert list(Automation.objects.all()) == [crew]


def test_another_organization_may_use_the_same_names(
    umbrella: Organization, mallory: User, crew: Automation, sign_in: SignIn
) -> None:
    posted = {"name": crew.name, "slug": crew.slug}
    assert sign_in(mallory).post(at("automation_add", umbrella), posted).status_code == 302


def test_another_organization_s_variable_is_refused(
    acme: Organization, umbrella: Organization, mallory: User, sign_in: SignIn
) -> None:
    store_direct(acme, "ACME_KEY", "x")
    posted = {"name": "Crew", "slug": "crew", "variables": ["ACME_KEY"]}
    response = sign_in(mallory).post(at("automation_add", umbrella), posted)
    assert response.status_code == 422
    assert "There is no “ACME_KEY” in this organization." in text_of(response)


def test_many_variables_are_typed_instead_of_ticked(
    acme: Organization, bob: User, crew: Automation, sign_in: SignIn
) -> None:
    EnvironmentVariable.objects.bulk_create(
        EnvironmentVariable(organization=acme, key=f"KEY_{number:03}", source="direct", value="x")
        for number in range(MOST_BOXES + 1)
    )
    client, url = sign_in(bob), at("automation_edit", acme, crew)
    assert '<textarea name="variables"' in html_of(client.get(url))
    posted = {"name": crew.name, "slug": crew.slug, "variables": "KEY_200\r\nKEY_001,KEY_002\t KEY_001"}
    assert client.post(url, posted).status_code == 302
    assert list(crew.variables.order_by("key").values_list("key", flat=True)) == ["KEY_001", "KEY_002", "KEY_200"]
    assert "KEY_001\nKEY_002\nKEY_200" in html_of(client.get(url))
    response = client.post(url, posted | {"variables": "KEY_001 key_002"})
    assert response.status_code == 422
    assert "There is no “key_002” in this organization." in errors_beside(response, "variables")
    assert crew.variables.count() == 3
    assert client.post(url, posted | {"variables": " ,\r\n"}).status_code == 302
    assert crew.variables.count() == 0


def test_what_changed_is_stored_and_named(acme: Organization, bob: User, crew: Automation, sign_in: SignIn) -> None:
    variable = store_direct(acme, "API_KEY", "x")
    url = at("automation_edit", acme, crew)
    posted = {"name": "Invoice crew", "slug": "invoices", "variables": ["API_KEY"]}
    assert sign_in(bob).post(url, posted).status_code == 302
    assert (stored().slug, list(stored().variables.all())) == ("invoices", [variable])
    assert sign_in(bob).post(url, posted).status_code == 302
    event = AuditEvent.objects.get(action="automation:changed")
    assert event.details == {"fields": ["slug", "variables"]}


def test_deleting_asks_first_and_keeps_the_variables(
    acme: Organization, bob: User, crew: Automation, sign_in: SignIn
) -> None:
    store_direct(acme, "API_KEY", "x", [crew])
    url = at("automation_delete", acme, crew)
    assert "Commands that name acme/invoice-crew will fail" in text_of(sign_in(bob).get(url))
    response = sign_in(bob).post(url, follow=True)
    assert "Automation “Invoice crew” was deleted." in text_of(response)
    assert not Automation.objects.exists()
    assert EnvironmentVariable.objects.exists()
    assert AuditEvent.objects.get(action="automation:deleted").target_label == "Invoice crew"


def test_an_automation_deleted_meanwhile_is_a_404(
    acme: Organization, bob: User, crew: Automation, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleted_first(automation: Automation, by: User, **values: Any) -> None:
        delete_automation(automation, by)
        if values:
            change_automation(automation, by, **values)
        else:
            delete_automation(automation, by)

    monkeypatch.setattr("envvars.services.automations.change_automation", deleted_first)
    monkeypatch.setattr("envvars.services.automations.delete_automation", deleted_first)
    posted = {"name": "Late", "slug": "late"}
    assert sign_in(bob).post(at("automation_edit", acme, crew), posted).status_code == 404
    crew = store_automation(acme)
    assert sign_in(bob).post(at("automation_delete", acme, crew)).status_code == 404


@pytest.mark.parametrize("name", ["automation_add", "automation_edit", "automation_delete"])
def test_who_may_only_read_changes_nothing(
    name: str, acme: Organization, dora: User, carol: User, mallory: User, crew: Automation, sign_in: SignIn
) -> None:
    url = at(name, acme, None if name == "automation_add" else crew)
    for method in ("get", "post"):
        people = (dora, carol, mallory)
        assert [getattr(sign_in(user), method)(url).status_code for user in people] == [403, 403, 404]
    assert stored() == crew


def test_another_organization_s_automation_does_not_exist(
    umbrella: Organization, mallory: User, crew: Automation, sign_in: SignIn
) -> None:
    for name in ("automation_detail", "automation_edit", "automation_delete"):
        assert sign_in(mallory).get(at(name, umbrella, crew)).status_code == 404
    for name in ("automation_check", "automation_edit", "automation_delete"):
        assert sign_in(mallory).post(at(name, umbrella, crew)).status_code == 404

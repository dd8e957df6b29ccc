"""Restricted automations, and what the pages of automations tell of restricted variables."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from credentials.models import Credential
from envvars.models import Automation
from envvars.resolving import resolve
from organizations.models import Membership, Organization, User
from organizations.sharing import Grant
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import restrict_to, store_automation, store_direct, store_reference
from tests.pages import errors_beside, html_of, rows_of, text_of

SignIn = Callable[[User], Client]


def address(name: str, automation: Automation) -> str:
    return reverse(name, args=[automation.organization.uuid, automation.uuid])


def form(automation: Automation, **changes: Any) -> dict[str, Any]:
    return {"name": automation.name, "slug": automation.slug, **changes}


def test_the_list_leaves_out_what_is_hidden_and_says_so(
    acme: Organization, alice: User, alice_: Membership, bob: User, dora: User, crew: Automation, sign_in: SignIn
) -> None:
    store_automation(acme, "Open crew", "open-crew")
    restrict_to(crew, alice_, {dora: [Grant.READ]})
    listing = reverse("automation_list", args=[acme.uuid])
    page = sign_in(bob).get(listing)
    assert len(rows_of(page)) == 1
    assert "Invoice" not in html_of(page)
    assert "1 more is hidden from you." in text_of(page)
    for user in (alice, dora):
        assert "Invoice crew restricted" in rows_of(sign_in(user).get(listing))[0]


def test_a_list_of_which_everything_is_hidden_does_not_say_that_there_is_nothing(
    acme: Organization, alice_: Membership, bob: User, crew: Automation, sign_in: SignIn
) -> None:
    restrict_to(crew, alice_)
    words = text_of(sign_in(bob).get(reverse("automation_list", args=[acme.uuid])))
    assert "No automations that you can see" in words
    assert "No automations yet" not in words
    assert "1 is hidden from you." in words


def test_a_row_offers_only_what_the_member_may_do(
    acme: Organization, alice_: Membership, bob: User, crew: Automation, sign_in: SignIn
) -> None:
    open_ = store_automation(acme, "Open crew", "open-crew")
    restrict_to(crew, alice_, {bob: [Grant.READ]})
    html = html_of(sign_in(bob).get(reverse("automation_list", args=[acme.uuid])))
    assert address("automation_edit", open_) in html
    assert address("automation_edit", crew) not in html
    page = html_of(sign_in(bob).get(address("automation_detail", crew)))
    for name in ("automation_edit", "automation_delete", "automation_access"):
        assert address(name, crew) not in page


def test_the_page_says_who_has_access(
    alice_: Membership, dora: User, bob: User, crew: Automation, sign_in: SignIn
) -> None:
    restrict_to(crew, alice_, {dora: [Grant.READ]})
    page = text_of(sign_in(dora).get(address("automation_detail", crew)))
    assert "Alice alice@acme.example owner manage" in page
    assert "Dora dora@acme.example shared by Alice read" in page
    assert "Bob" not in page


# --- Variables that are hidden --------------------------------------------------------------------------------------
def test_hidden_variables_are_a_number(
    acme: Organization, alice: User, alice_: Membership, bob: User, crew: Automation, sign_in: SignIn
) -> None:
    store_direct(acme, "OPEN", "x", [crew])
    restrict_to(store_direct(acme, "PAYROLL", "x", [crew]), alice_)
    page = sign_in(bob).get(address("automation_detail", crew))
    assert "OPEN" in text_of(page)
    assert "PAYROLL" not in html_of(page)
    assert "1 more is hidden from you." in text_of(page)
    assert "PAYROLL" in text_of(sign_in(alice).get(address("automation_detail", crew)))


def test_an_automation_of_hidden_variables_alone_can_be_checked(
    acme: Organization, alice_: Membership, bob: User, crew: Automation, sign_in: SignIn
) -> None:
    restrict_to(store_direct(acme, "PAYROLL", "x", [crew]), alice_)
    page = sign_in(bob).get(address("automation_detail", crew))
    assert "1 is hidden from you." in text_of(page)
    assert "Check all values" in text_of(page)
    assert "None yet." not in text_of(page)


def test_a_check_resolves_all_variables_and_tells_of_hidden_ones_their_number(
    acme: Organization,
    alice_: Membership,
    bob: User,
    crew: Automation,
    aws_prod: Credential,
    sandbox: Sandbox,
    sign_in: SignIn,
) -> None:
    store_reference(acme, "OPEN", seed.OPENAI_KEY.name, aws_prod, [crew])
    restrict_to(store_reference(acme, "PAYROLL", "crewai/no-such-secret", aws_prod, [crew]), alice_)
    restrict_to(aws_prod, alice_)
    assert set(resolve(crew).values) == {"OPEN"}, "a restricted credential is read with all the same"
    page = sign_in(bob).post(address("automation_check", crew))
    assert "has a value" in text_of(page)
    assert "1 variable has no value" in text_of(page)
    for hidden in ("PAYROLL", "no-such-secret", "aws-prod"):
        assert hidden not in html_of(page)


def test_commands_get_every_variable_whatever_is_restricted(
    acme: Organization, alice_: Membership, crew: Automation
) -> None:
    restrict_to(store_direct(acme, "PAYROLL", "x", [crew]), alice_)
    restrict_to(crew, alice_)
    assert set(resolve(crew).values) == {"PAYROLL"}


def test_editing_an_automation_does_not_drop_variables_that_are_hidden(
    acme: Organization, alice_: Membership, bob: User, crew: Automation, sign_in: SignIn
) -> None:
    variables = [store_direct(acme, key, "x", [crew]) for key in ("HIDDEN", "SEEN", "MINE", "OPEN")]
    hidden, seen, mine, open_ = variables
    restrict_to(hidden, alice_)
    restrict_to(seen, alice_, {bob: [Grant.READ]})
    restrict_to(mine, alice_, {bob: [Grant.MANAGE]})
    page = sign_in(bob).get(address("automation_edit", crew))
    assert "HIDDEN" not in html_of(page)
    assert "SEEN" not in html_of(page)
    assert "2 more are restricted and stay as they are." in text_of(page)
    response = sign_in(bob).post(address("automation_edit", crew), form(crew, name="Renamed", variables=["OPEN"]))
    assert response.status_code == 302
    assert set(crew.variables.all()) == {hidden, seen, open_}
    assert mine not in crew.variables.all()


@pytest.mark.parametrize("grants", [(), (Grant.READ,)])
def test_only_who_manages_a_variable_gives_it_to_an_automation(
    acme: Organization,
    alice_: Membership,
    bob: User,
    crew: Automation,
    sign_in: SignIn,
    grants: tuple[Grant, ...],
) -> None:
    restrict_to(store_direct(acme, "PAYROLL", "x"), alice_, {bob: grants})
    hidden = sign_in(bob).post(address("automation_edit", crew), form(crew, variables=["PAYROLL"]))
    missing = sign_in(bob).post(address("automation_edit", crew), form(crew, variables=["PAYROLX"]))
    assert hidden.status_code == missing.status_code == 422
    assert "There is no" in errors_beside(missing, "variables")
    assert errors_beside(hidden, "variables").replace("PAYROLL", "PAYROLX") == errors_beside(missing, "variables")
    assert not crew.variables.exists()


def test_saving_what_is_kept_changes_nothing(
    acme: Organization, alice_: Membership, bob: User, crew: Automation, sign_in: SignIn
) -> None:
    restrict_to(store_direct(acme, "PAYROLL", "x", [crew]), alice_)
    events = acme.audit_events.count()
    assert sign_in(bob).post(address("automation_edit", crew), form(crew)).status_code == 302
    assert acme.audit_events.count() == events

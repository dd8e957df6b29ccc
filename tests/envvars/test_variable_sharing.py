"""Restricted variables, and what the pages of variables tell of restricted credentials and automations."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from credentials.models import Credential
from envvars.models import Automation, EnvironmentVariable
from organizations.models import Membership, Organization, User
from organizations.sharing import Grant
from tests.builders import restrict_to, store_automation, store_credential, store_direct, store_reference
from tests.pages import errors_beside, html_of, options_of, rows_of, text_of

SignIn = Callable[[User], Client]
DEFAULT = "provider_default:aws"


def edit(variable: EnvironmentVariable) -> str:
    return reverse("variable_edit", args=[variable.organization.uuid, variable.uuid])


def add(organization: Organization) -> str:
    return reverse("variable_add", args=[organization.uuid])


def list_of(organization: Organization) -> str:
    return reverse("variable_list", args=[organization.uuid])


def form(**changes: Any) -> dict[str, Any]:
    return {"key": "API_KEY", "source": "direct", "value": "x", "secret_name": "", **changes}


def named(credential: Credential) -> str:
    return f"credential:{credential.uuid}"


# --- The list -------------------------------------------------------------------------------------------------------
def test_the_list_leaves_out_what_is_hidden_and_says_so(
    acme: Organization, alice: User, alice_: Membership, bob: User, erin: User, sign_in: SignIn
) -> None:
    store_direct(acme, "OPEN", "x")
    restrict_to(store_direct(acme, "PAYROLL", "x"), alice_, {erin: [Grant.READ]})
    page = sign_in(bob).get(list_of(acme))
    assert len(rows_of(page)) == 1
    assert "PAYROLL" not in html_of(page)
    assert "1 more is hidden from you." in text_of(page)
    for user in (alice, erin):
        assert "PAYROLL restricted" in rows_of(sign_in(user).get(list_of(acme)))[1]


def test_a_list_of_which_everything_is_hidden_does_not_say_that_there_is_nothing(
    acme: Organization, alice_: Membership, bob: User, sign_in: SignIn
) -> None:
    restrict_to(store_direct(acme, "PAYROLL", "x"), alice_)
    words = text_of(sign_in(bob).get(list_of(acme)))
    assert "No environment variables that you can see" in words
    assert "No environment variables yet" not in words
    assert "1 is hidden from you." in words


def test_a_row_leads_to_its_form_only_for_who_manages_it(
    acme: Organization, alice_: Membership, erin: User, bob: User, sign_in: SignIn
) -> None:
    variable = store_direct(acme, "PAYROLL", "x")
    restrict_to(variable, alice_, {erin: [Grant.READ], bob: [Grant.MANAGE]})
    assert edit(variable) not in html_of(sign_in(erin).get(list_of(acme)))
    assert edit(variable) in html_of(sign_in(bob).get(list_of(acme)))


@pytest.mark.parametrize(
    ("grants", "shown"),
    [
        ((), "A restricted credential"),
        ((Grant.READ,), "aws-prod"),
        ((Grant.USE,), "aws-prod"),
        ((Grant.MANAGE,), "aws-prod"),
    ],
)
def test_the_name_of_a_restricted_credential_is_told_to_whom_it_was_shared_with(
    acme: Organization,
    alice_: Membership,
    erin: User,
    aws_prod: Credential,
    sign_in: SignIn,
    grants: tuple[Grant, ...],
    shown: str,
) -> None:
    store_reference(acme, "PASSWORD", "database#password", aws_prod)
    restrict_to(aws_prod, alice_, {erin: grants})
    page = sign_in(erin).get(list_of(acme))
    assert shown in rows_of(page)[0]
    assert ("aws-prod" in html_of(page)) == (shown == "aws-prod")


@pytest.mark.parametrize(
    ("grants", "shown"), [((), "Named credential"), ((Grant.READ,), "Named credential"), ((Grant.USE,), "aws-prod")]
)
def test_who_may_not_see_credentials_is_told_the_name_of_one_shared_for_use(
    acme: Organization,
    alice_: Membership,
    bob: User,
    aws_prod: Credential,
    sign_in: SignIn,
    grants: tuple[Grant, ...],
    shown: str,
) -> None:
    store_reference(acme, "PASSWORD", "database#password", aws_prod)
    restrict_to(aws_prod, alice_, {bob: grants})
    assert shown in rows_of(sign_in(bob).get(list_of(acme)))[0]


def test_the_list_does_not_name_a_hidden_automation(
    acme: Organization, alice: User, alice_: Membership, bob: User, sign_in: SignIn
) -> None:
    hidden, open_ = store_automation(acme, "Payroll crew", "payroll"), store_automation(acme, "Open crew", "open")
    store_direct(acme, "API_KEY", "x", [hidden, open_])
    restrict_to(hidden, alice_)
    row = rows_of(sign_in(bob).get(list_of(acme)))[0]
    assert "Open crew, a restricted automation" in row
    assert "Payroll" not in row
    assert "Open crew, Payroll crew" in rows_of(sign_in(alice).get(list_of(acme)))[0]


# --- Value Source ---------------------------------------------------------------------------------------------------
def test_only_what_may_be_used_can_be_chosen(
    acme: Organization, alice: User, alice_: Membership, erin: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    hidden, seen, usable = (store_credential(acme, alice, name) for name in ("hidden", "seen", "usable"))
    restrict_to(hidden, alice_)
    restrict_to(seen, alice_, {erin: [Grant.READ]})
    restrict_to(usable, alice_, {erin: [Grant.USE]})
    client = sign_in(erin)
    assert options_of(client.get(add(acme)), "source") == ["direct", DEFAULT, named(aws_prod), named(usable)]
    for credential in (hidden, seen):
        response = client.post(add(acme), form(source=named(credential), secret_name="x"))
        assert response.status_code == 422
        assert errors_beside(response, "source")
    assert client.post(add(acme), form(source=named(usable), secret_name="x")).status_code == 302
    assert EnvironmentVariable.objects.get().credential == usable


def test_use_lets_somebody_choose_who_may_not_see_credentials(
    acme: Organization, alice: User, alice_: Membership, bob: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    usable = store_credential(acme, alice, "usable")
    restrict_to(usable, alice_, {bob: [Grant.USE]})
    client = sign_in(bob)
    assert options_of(client.get(add(acme)), "source") == ["direct", named(usable)]
    assert client.post(add(acme), form(source=named(usable), secret_name="x")).status_code == 302
    page = reverse("credential_detail", args=[acme.uuid, usable.uuid])
    assert client.get(page).status_code == 403


def test_a_credential_of_another_organization_is_no_choice_whatever_is_granted(
    acme: Organization, umbrella: Organization, mallory: User, alice_: Membership, erin: User, sign_in: SignIn
) -> None:
    theirs = store_credential(umbrella, mallory, "theirs")
    restrict_to(theirs, mallory.memberships.select_related("role", "user").get())
    response = sign_in(erin).post(add(acme), form(source=named(theirs), secret_name="x"))
    assert response.status_code == 422


def test_a_default_beyond_reach_is_no_choice(
    acme: Organization, alice: User, alice_: Membership, erin: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    """It would open the restricted vault as its name does."""
    restrict_to(aws_prod, alice_)
    assert options_of(sign_in(erin).get(add(acme)), "source") == ["direct"]
    assert sign_in(erin).post(add(acme), form(source=DEFAULT, secret_name="x")).status_code == 422
    assert DEFAULT in options_of(sign_in(alice).get(add(acme)), "source")
    restrict_to(aws_prod, alice_, {erin: [Grant.USE]})
    assert options_of(sign_in(erin).get(add(acme)), "source") == ["direct", DEFAULT, named(aws_prod)]


@pytest.mark.parametrize("by_name", [True, False])
def test_a_variable_keeps_a_credential_beyond_reach_and_its_reference(
    acme: Organization, alice_: Membership, erin: User, aws_prod: Credential, sign_in: SignIn, by_name: bool
) -> None:
    variable = store_reference(acme, "PASSWORD", "database#password", aws_prod if by_name else None)
    source = named(aws_prod) if by_name else DEFAULT
    restrict_to(aws_prod, alice_)
    client = sign_in(erin)
    page = client.get(edit(variable))
    assert "(as it is)" in text_of(page)
    assert "aws-prod" not in html_of(page)
    kept = form(key="RENAMED", source=source, value="", secret_name="database#password")
    assert client.post(edit(variable), kept).status_code == 302
    stored = EnvironmentVariable.objects.get()
    assert (stored.key, stored.credential, stored.reference) == ("RENAMED", variable.credential, "database#password")
    response = client.post(edit(variable), {**kept, "secret_name": "payroll"})
    assert response.status_code == 422
    assert "only who may use this credential" in errors_beside(response, "secret_name")
    response = client.post(edit(variable), {**kept, "version_stage": "AWSPREVIOUS"})
    assert "only who may use this credential" in errors_beside(response, "version_stage")
    unchanged = EnvironmentVariable.objects.get()
    assert (unchanged.reference, unchanged.version_stage) == ("database#password", "AWSCURRENT")


def test_who_may_use_the_credential_changes_the_reference(
    acme: Organization, alice_: Membership, bob: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    variable = store_reference(acme, "PASSWORD", "database#password", aws_prod)
    restrict_to(aws_prod, alice_, {bob: [Grant.USE]})
    values = form(key="PASSWORD", source=named(aws_prod), value="", secret_name="other")
    assert sign_in(bob).post(edit(variable), values).status_code == 302
    assert EnvironmentVariable.objects.get().reference == "other"


# --- Automations that receive it ------------------------------------------------------------------------------------
def test_a_hidden_automation_goes_on_receiving_a_variable_that_is_edited(
    acme: Organization, alice_: Membership, bob: User, sign_in: SignIn
) -> None:
    crews = [store_automation(acme, name, name) for name in ("hidden", "seen", "mine", "open")]
    hidden, seen, mine, open_ = crews
    variable = store_direct(acme, "API_KEY", "x", crews)
    restrict_to(hidden, alice_)
    restrict_to(seen, alice_, {bob: [Grant.READ]})
    restrict_to(mine, alice_, {bob: [Grant.MANAGE]})
    page = sign_in(bob).get(edit(variable))
    assert 'value="mine"' in html_of(page)
    assert 'value="hidden"' not in html_of(page)
    assert 'value="seen"' not in html_of(page)
    assert "2 more are restricted and stay as they are." in text_of(page)
    assert sign_in(bob).post(edit(variable), form(key="RENAMED", automations=["open"])).status_code == 302
    assert set(variable.automations.all()) == {hidden, seen, open_}


def test_a_hidden_automation_cannot_be_given_a_variable(
    acme: Organization, alice_: Membership, bob: User, sign_in: SignIn
) -> None:
    hidden = store_automation(acme, "Payroll", "payroll")
    restrict_to(hidden, alice_)
    response = sign_in(bob).post(add(acme), form(automations=["payroll"]))
    missing = sign_in(bob).post(add(acme), form(automations=["payrolx"]))
    assert response.status_code == missing.status_code == 422
    assert "There is no" in errors_beside(missing, "automations")
    assert errors_beside(response, "automations").replace("payroll", "payrolx") == errors_beside(missing, "automations")
    assert not EnvironmentVariable.objects.exists()


def test_many_automations_are_named_in_a_text_without_the_hidden_ones(
    acme: Organization, alice_: Membership, bob: User, sign_in: SignIn
) -> None:
    crews = Automation.objects.bulk_create(
        Automation(organization=acme, name=f"Crew {n}", slug=f"crew-{n:03}") for n in range(203)
    )
    variable = store_direct(acme, "API_KEY", "x", crews[:3])
    restrict_to(crews[0], alice_)
    page = sign_in(bob).get(edit(variable))
    assert "crew-001" in html_of(page)
    assert "crew-000" not in html_of(page)
    sign_in(bob).post(edit(variable), form(key="RENAMED", automations="crew-002"))
    assert set(variable.automations.all()) == {crews[0], crews[2]}


def test_the_delete_page_counts_hidden_automations(
    acme: Organization, alice_: Membership, bob: User, sign_in: SignIn
) -> None:
    hidden, open_ = store_automation(acme, "Payroll crew", "payroll"), store_automation(acme, "Open crew", "open")
    variable = store_direct(acme, "API_KEY", "x", [hidden])
    restrict_to(hidden, alice_)
    delete = reverse("variable_delete", args=[acme.uuid, variable.uuid])
    page = sign_in(bob).get(delete)
    assert "Payroll" not in html_of(page)
    assert "No automation receives it." not in text_of(page)
    assert "1 is hidden from you." in text_of(page)
    variable.automations.add(open_)
    assert "Open crew open 1 more is hidden from you." in text_of(sign_in(bob).get(delete))


def test_a_key_taken_by_something_hidden_is_refused_neutrally(
    acme: Organization, alice_: Membership, bob: User, sign_in: SignIn
) -> None:
    hidden = store_direct(acme, "API_KEY", "x")
    restrict_to(hidden, alice_)
    response = sign_in(bob).post(add(acme), form())
    assert response.status_code == 422
    assert errors_beside(response, "key")
    assert str(hidden.uuid) not in html_of(response)

"""Restricted credentials, and restricted variables that refer to a credential, on the pages of credentials."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from credentials.models import Credential
from credentials.testing import run_connection_test
from credentials.usage import secret_to_read, uses_of
from envvars.models import EnvironmentVariable
from organizations.access import Feature, Level, set_levels
from organizations.models import Membership, Organization, User
from organizations.services.members import add_member
from organizations.services.roles import create_role
from organizations.services.sharing import share
from organizations.sharing import Grant
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import restrict_to, store_credential, store_direct, store_reference
from tests.conftest import PASSWORD
from tests.pages import errors_beside, html_of, rows_of, text_of, toasts_of

SignIn = Callable[[User], Client]


@pytest.fixture
def alice_(alice: User, acme: Organization) -> Membership:
    return alice.memberships.select_related("role", "organization", "user").get()


@pytest.fixture
def erin(acme: Organization) -> User:
    """Manages credentials and variables without being an owner."""
    user = User.objects.create_user("erin@acme.example", PASSWORD, name="Erin")
    role = create_role(acme, "Managers")
    set_levels(role, dict.fromkeys(Feature, Level.MANAGE))
    add_member(acme, user, role, by=None)
    return user


def address(name: str, credential: Credential) -> str:
    return reverse(name, args=[credential.organization.uuid, credential.uuid])


def list_of(organization: Organization) -> str:
    return reverse("credential_list", args=[organization.uuid])


# --- The list -------------------------------------------------------------------------------------------------------
def test_the_list_leaves_out_what_is_hidden_and_says_so(
    acme: Organization, alice: User, alice_: Membership, erin: User, carol: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    store_credential(acme, alice, "aws-open")
    restrict_to(aws_prod, alice_, {carol: [Grant.READ]})
    page = sign_in(erin).get(list_of(acme))
    assert len(rows_of(page)) == 1
    assert "aws-prod" not in html_of(page)
    assert str(aws_prod.uuid) not in html_of(page)
    assert "1 more is hidden from you." in text_of(page)
    for user in (alice, carol):
        page = sign_in(user).get(list_of(acme))
        assert len(rows_of(page)) == 2
        assert "restricted" in rows_of(page)[1]
        assert "hidden from you" not in text_of(page)


def test_a_list_of_which_everything_is_hidden_does_not_say_that_there_is_nothing(
    acme: Organization, alice_: Membership, carol: User, erin: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    restrict_to(aws_prod, alice_)
    for user, may_add in ((carol, False), (erin, True)):
        words = text_of(page := sign_in(user).get(list_of(acme)))
        assert "No credentials that you can see" in words
        assert "No credentials yet" not in words
        assert "Connect your first vault" not in words
        assert "1 is hidden from you." in words
        assert (reverse("credential_add", args=[acme.uuid]) in html_of(page)) is may_add


def test_a_row_offers_only_what_the_member_may_do(
    acme: Organization, alice: User, alice_: Membership, erin: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    other = store_credential(acme, alice, "aws-open")
    restrict_to(aws_prod, alice_, {erin: [Grant.READ]})
    html = html_of(sign_in(erin).get(list_of(acme)))
    assert address("credential_edit", other) in html
    assert address("credential_edit", aws_prod) not in html
    assert address("credential_delete", aws_prod) not in html


def test_a_search_finds_nothing_that_is_hidden(
    acme: Organization, alice_: Membership, erin: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    restrict_to(aws_prod, alice_)
    page = sign_in(erin).get(list_of(acme), {"q": "aws-prod"})
    assert rows_of(page) == []
    assert "No credential matches" in text_of(page)


# --- Its page -------------------------------------------------------------------------------------------------------
def test_the_page_says_who_has_access_and_offers_to_change_it_to_who_manages(
    alice: User, alice_: Membership, carol: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    restrict_to(aws_prod, alice_, {carol: [Grant.READ]})
    page = sign_in(carol).get(address("credential_detail", aws_prod))
    assert "Who has access" in text_of(page)
    assert "Carol carol@acme.example shared by Alice read" in text_of(page)
    assert address("credential_access", aws_prod) not in html_of(page)
    assert address("credential_access", aws_prod) in html_of(sign_in(alice).get(address("credential_detail", aws_prod)))


@pytest.mark.parametrize("name", ["credential_detail", "credential_delete"])
def test_variables_that_are_hidden_are_a_number(
    acme: Organization, alice_: Membership, erin: User, aws_prod: Credential, sign_in: SignIn, name: str
) -> None:
    store_reference(acme, "OPEN_KEY", "open-secret", aws_prod)
    restrict_to(store_reference(acme, "PAYROLL_KEY", "payroll-secret", aws_prod), alice_)
    page = sign_in(erin).get(address(name, aws_prod))
    assert "OPEN_KEY" in text_of(page)
    assert "PAYROLL" not in html_of(page)
    assert "payroll" not in html_of(page)
    assert "1 more is hidden from you." in text_of(page)
    assert "2 variables" in text_of(page)


def test_a_credential_stays_while_a_hidden_variable_refers_to_it(
    acme: Organization, alice_: Membership, erin: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    restrict_to(store_reference(acme, "PAYROLL_KEY", "payroll-secret", aws_prod), alice_)
    response = sign_in(erin).post(address("credential_delete", aws_prod))
    assert response.status_code == 409
    assert "PAYROLL_KEY" not in html_of(response)
    assert Credential.objects.filter(pk=aws_prod.pk).exists()


def test_the_policy_leaves_out_secrets_of_hidden_variables_and_says_so(
    acme: Organization, alice: User, alice_: Membership, erin: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    store_reference(acme, "OPEN_KEY", "open-secret", aws_prod)
    restrict_to(store_reference(acme, "PAYROLL_KEY", "payroll-secret", aws_prod), alice_)
    page = sign_in(erin).get(address("credential_policy", aws_prod))
    assert "open-secret" in html_of(page)
    assert "payroll-secret" not in html_of(page)
    assert "1 variable is hidden from you" in text_of(page)
    page = sign_in(alice).get(address("credential_policy", aws_prod))
    assert "payroll-secret" in html_of(page)
    assert "hidden from you" not in text_of(page)


# --- Tests of the connection ----------------------------------------------------------------------------------------
def test_a_test_reads_no_secret_of_a_restricted_variable(
    acme: Organization,
    alice: User,
    alice_: Membership,
    carol: User,
    aws_prod: Credential,
    sandbox: Sandbox,
    sign_in: SignIn,
) -> None:
    hidden = store_reference(acme, "A_FIRST", seed.OPENAI_KEY.name, aws_prod)
    restrict_to(hidden, alice_)
    assert secret_to_read(aws_prod) is None
    run_connection_test(aws_prod, alice)
    assert seed.OPENAI_KEY.name not in html_of(sign_in(carol).get(address("credential_detail", aws_prod)))
    store_reference(acme, "B_SECOND", seed.DATABASE.name, aws_prod)
    assert secret_to_read(aws_prod) == seed.DATABASE.name
    assert uses_of(aws_prod).count() == 2


@pytest.fixture
def since_restricted(
    acme: Organization, alice: User, alice_: Membership, aws_prod: Credential, sandbox: Sandbox
) -> EnvironmentVariable:
    """A variable whose secret was read by tests that passed and failed, and that was restricted after them."""
    variable = store_reference(acme, "DATABASE_PASSWORD", f"{seed.DATABASE.name}#password", aws_prod)
    run_connection_test(aws_prod, alice)
    actions = ["secretsmanager:ListSecrets", "secretsmanager:DescribeSecret"]
    sandbox.set_policy(seed.policy({"Effect": "Allow", "Action": actions, "Resource": "*"}))
    run_connection_test(aws_prod, None)
    restrict_to(variable, alice_)
    return variable


def pages_with_tests(client: Client, credential: Credential) -> str:
    """The list, and the credential's page with each of its tests."""
    pages = [client.get(list_of(credential.organization)), client.get(address("credential_detail", credential))]
    for test in credential.tests.all():
        pages.append(client.get(address("credential_detail", credential), {"test": str(test.uuid)}))
    assert {page.status_code for page in pages} == {200}
    return " ".join(html_of(page) for page in pages)


def test_earlier_tests_do_not_name_the_secret_of_a_variable_that_is_restricted_since(
    alice: User, carol: User, erin: User, aws_prod: Credential, since_restricted: EnvironmentVariable, sign_in: SignIn
) -> None:
    for user in (carol, erin):
        pages = pages_with_tests(sign_in(user), aws_prod)
        assert seed.DATABASE.name not in pages
        assert "This credential may not read the secret" in pages
    assert f"This credential may not read {seed.DATABASE.name}" in pages_with_tests(sign_in(alice), aws_prod)


def test_whoever_sees_a_variable_is_told_which_secret_was_read(
    alice_: Membership,
    erin: User,
    carol: User,
    since_restricted: EnvironmentVariable,
    aws_prod: Credential,
    sign_in: SignIn,
) -> None:
    share(since_restricted, alice_, erin.memberships.get(), [Grant.READ])
    assert seed.DATABASE.name in pages_with_tests(sign_in(erin), aws_prod)
    assert seed.DATABASE.name not in pages_with_tests(sign_in(carol), aws_prod)


def test_a_variable_that_is_gone_tells_its_secret_to_owners_only(
    alice: User, erin: User, aws_prod: Credential, since_restricted: EnvironmentVariable, sign_in: SignIn
) -> None:
    since_restricted.delete()
    assert seed.DATABASE.name not in pages_with_tests(sign_in(erin), aws_prod)
    assert seed.DATABASE.name in pages_with_tests(sign_in(alice), aws_prod)


def test_whoever_names_the_secret_of_a_test_sees_it_unless_only_hidden_variables_refer_to_it(
    alice: User,
    carol: User,
    erin: User,
    aws_prod: Credential,
    since_restricted: EnvironmentVariable,
    sandbox: Sandbox,
    sign_in: SignIn,
) -> None:
    sandbox.reset()
    test = address("credential_test", aws_prod)
    page = sign_in(erin).post(test, {"secret_name": seed.OPENAI_KEY.name}, follow=True)
    assert f"read “{seed.OPENAI_KEY.name}”" in toasts_of(page)[0].detail
    assert seed.OPENAI_KEY.name in pages_with_tests(sign_in(erin), aws_prod)
    assert seed.OPENAI_KEY.name not in pages_with_tests(sign_in(carol), aws_prod)
    page = sign_in(erin).post(test, {"secret_name": seed.DATABASE.name}, follow=True)
    assert toasts_of(page)[0].detail.endswith("listed secrets and read one.")
    assert seed.DATABASE.name not in pages_with_tests(sign_in(erin), aws_prod)


def test_naming_the_secret_of_a_test_needs_manage_on_the_credential(
    alice_: Membership, erin: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    restrict_to(aws_prod, alice_, {erin: [Grant.READ]})
    test = address("credential_test", aws_prod)
    assert sign_in(erin).post(test, {"secret_name": seed.OPENAI_KEY.name}).status_code == 403
    assert sign_in(erin).post(test).status_code == 302


# --- The default ----------------------------------------------------------------------------------------------------
@pytest.fixture
def other(acme: Organization, alice: User, alice_: Membership, aws_prod: Credential) -> Credential:
    """Open to everybody, while the default is restricted."""
    restrict_to(aws_prod, alice_)
    return store_credential(acme, alice, "aws-open")


def posted(credential: Credential, **changes: str) -> dict[str, Any]:
    return {
        "name": credential.name,
        "provider": "aws",
        "region": seed.REGION,
        "access_key_id": seed.READER.access_key_id,
        "role_arn": "",
        "secret_access_key": "",
        "external_id": "",
        **changes,
    }


def test_only_who_manages_a_restricted_default_puts_another_in_its_place(
    alice: User, erin: User, aws_prod: Credential, other: Credential, sign_in: SignIn
) -> None:
    page = sign_in(erin).post(address("credential_make_default", other), follow=True)
    assert "Another credential is the default" in toasts_of(page)[0].title
    response = sign_in(erin).post(address("credential_edit", other), posted(other, is_default="on"))
    assert response.status_code == 422
    assert "Another credential is the default" in errors_beside(response, "is_default")
    assert Credential.objects.get(is_default=True) == aws_prod
    assert sign_in(erin).post(address("credential_edit", other), posted(other, name="renamed")).status_code == 302
    sign_in(alice).post(address("credential_make_default", other))
    assert Credential.objects.get(is_default=True) == other


def test_a_new_credential_cannot_displace_it_either(
    acme: Organization, erin: User, aws_prod: Credential, other: Credential, sign_in: SignIn
) -> None:
    values = posted(other, name="new", secret_access_key=seed.READER.secret_access_key, is_default="on")
    response = sign_in(erin).post(reverse("credential_add", args=[acme.uuid]), values)
    assert response.status_code == 422
    assert errors_beside(response, "is_default")
    assert Credential.objects.get(is_default=True) == aws_prod


def test_a_name_that_is_taken_by_something_hidden_is_refused_neutrally(
    alice_: Membership, erin: User, aws_prod: Credential, other: Credential, sign_in: SignIn
) -> None:
    response = sign_in(erin).post(address("credential_edit", other), posted(other, name="aws-prod"))
    assert response.status_code == 422
    assert "has this name" in errors_beside(response, "name")
    assert str(aws_prod.uuid) not in html_of(response)


def test_somebody_who_manages_a_restricted_credential_makes_it_the_default(
    acme: Organization, alice: User, alice_: Membership, erin: User, sign_in: SignIn
) -> None:
    credential = store_credential(acme, alice, "aws-mine")
    restrict_to(credential, alice_, {erin: [Grant.MANAGE]})
    assert sign_in(erin).post(address("credential_make_default", credential)).status_code == 302
    assert Credential.objects.get(pk=credential.pk).is_default


def test_a_restricted_variable_is_listed_to_whom_it_was_shared_with(
    acme: Organization, alice_: Membership, erin: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    restrict_to(store_direct(acme, "UNRELATED", "x"), alice_)
    restrict_to(store_reference(acme, "PAYROLL_KEY", "payroll", aws_prod), alice_, {erin: [Grant.READ]})
    page = sign_in(erin).get(address("credential_detail", aws_prod))
    assert "PAYROLL_KEY" in text_of(page)
    assert "hidden from you" not in text_of(page)

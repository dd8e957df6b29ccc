"""Where a secret is used: by its name as variables say it, with key, version, credential and automations."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from credentials.models import Credential
from crewadmin.pagination import ROWS_PER_PAGE
from organizations.models import Organization, User
from sandbox import seed
from tests.builders import restrict_to, store_automation, store_credential, store_direct, store_reference
from tests.pages import html_of, rows_of, text_of, value_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
NAME = seed.DATABASE.name


def ask(client: Client, organization: Organization, name: str = NAME, **more: str) -> Any:
    return client.get(reverse("variable_secret", args=[organization.uuid]), {"name": name, **more})


def test_each_reference_says_key_version_credential_and_automations(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    crew = store_automation(acme)
    store_reference(acme, "ADDRESS", f"${{{NAME}#username}}:${{{NAME}#password|url}}@${{other}}", aws_prod, [crew])
    store_reference(acme, "BEFORE", NAME, version_stage="AWSPREVIOUS")
    store_reference(acme, "OTHER", seed.OPENAI_KEY.name, aws_prod)
    store_direct(acme, "DIRECT", NAME)
    assert rows_of(ask(sign_in(alice), acme)) == [
        "ADDRESS username , password Current (AWSCURRENT) aws-prod Invoice crew",
        "BEFORE the whole text Previous (AWSPREVIOUS) Use AWS default No automation receives it.",
    ]


def test_a_part_of_a_name_finds_nothing(acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn) -> None:
    store_reference(acme, "PASSWORD", f"{NAME}#password", aws_prod)
    page = ask(sign_in(alice), acme, NAME[:-1])
    assert rows_of(page) == []
    assert f"No variable that you may see refers to “{NAME[:-1]}”." in text_of(page)
    assert value_of(page, "name") == NAME[:-1]


def test_without_a_name_the_page_asks_for_one(acme: Organization, alice: User, sign_in: SignIn) -> None:
    page = sign_in(alice).get(reverse("variable_secret", args=[acme.uuid]))
    assert page.status_code == 200
    assert "No variable" not in text_of(page)


def test_what_is_hidden_is_a_number_and_a_credential_that_may_not_be_named_has_no_name(
    acme: Organization, alice: User, bob: User, sign_in: SignIn
) -> None:
    credential = store_credential(acme, alice, "aws-secret")
    crew = store_automation(acme, "Secret crew", "secret-crew")
    store_reference(acme, "SHOWN", f"{NAME}#password", credential, [crew])
    hidden = store_reference(acme, "HIDDEN", f"{NAME}#username", credential)
    for row in (credential, crew, hidden):
        restrict_to(row, alice.memberships.get())
    page = ask(sign_in(bob), acme)
    assert rows_of(page) == ["SHOWN password Current (AWSCURRENT) Named credential a restricted automation"]
    assert "1 more is hidden from you." in text_of(page)
    for name in ("HIDDEN", "aws-secret", "Secret crew"):
        assert name not in html_of(page)


def test_another_organization_s_references_are_not_counted(
    acme: Organization, umbrella: Organization, alice: User, mallory: User, sign_in: SignIn
) -> None:
    store_reference(umbrella, "THEIRS", NAME, store_credential(umbrella, mallory))
    page = ask(sign_in(alice), acme)
    assert rows_of(page) == []
    assert "hidden" not in text_of(page)


def test_long_lists_have_pages_that_keep_the_name_and_cost_the_same(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn, django_assert_max_num_queries: Any
) -> None:
    crew = store_automation(acme)
    for number in range(ROWS_PER_PAGE + 1):
        store_reference(acme, f"KEY_{number:03}", f"{NAME}#k{number}", aws_prod, [crew])
    client = sign_in(alice)
    first = ask(client, acme)
    assert len(rows_of(first)) == ROWS_PER_PAGE
    assert f"?name={NAME}&amp;after=KEY_049" in html_of(first)
    with django_assert_max_num_queries(20) as few:
        assert len(rows_of(ask(client, acme, after="KEY_049"))) == 1
    with django_assert_max_num_queries(len(few)):
        ask(client, acme)


def test_who_may_not_read_variables_gets_no_answer(
    acme: Organization, carol: User, mallory: User, sign_in: SignIn
) -> None:
    assert [ask(sign_in(user), acme).status_code for user in (carol, mallory)] == [403, 404]

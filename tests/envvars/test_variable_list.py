"""Environment Variables: the list. Values are masked, whatever they are."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credentials.models import Credential
from crewadmin.pagination import ROWS_PER_PAGE
from envvars.models import Automation, EnvironmentVariable
from organizations.models import Organization, User
from tests.builders import damage, store_automation, store_direct, store_reference
from tests.pages import html_of, rows_of, text_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def address(organization: Organization) -> str:
    return reverse("variable_list", args=[organization.uuid])


def test_an_empty_list_says_what_to_do_next(acme: Organization, bob: User, dora: User, sign_in: SignIn) -> None:
    page = sign_in(bob).get(address(acme))
    assert "No environment variables yet" in text_of(page)
    assert "Add Environment Variables" in text_of(page)
    page = sign_in(dora).get(address(acme))
    assert "Somebody who manages environment variables can add the first one." in text_of(page)
    assert reverse("variable_add", args=[acme.uuid]) not in html_of(page)


def test_a_row_shows_key_source_reference_and_automations_and_masks_the_value(
    acme: Organization, alice: User, aws_prod: Credential, crew: Automation, sign_in: SignIn
) -> None:
    store_direct(acme, "LOG_LEVEL", "made-up-direct-value", [crew])
    store_reference(acme, "API_KEY", "crewai/openai-api-key")
    store_reference(acme, "DB_PASSWORD", "database-credentials#password", aws_prod)
    page = sign_in(alice).get(address(acme))
    assert [row.removesuffix(" Edit Delete") for row in rows_of(page)] == [
        "API_KEY secret •••••••• hidden Use AWS default crewai/openai-api-key None",
        "DB_PASSWORD secret •••••••• hidden aws-prod database-credentials#password None",
        "LOG_LEVEL •••••••• hidden Direct Value Invoice crew",
    ]
    assert "made-up-direct-value" not in html_of(page)


def test_who_may_not_see_credentials_does_not_learn_their_names(
    acme: Organization, bob: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    store_reference(acme, "DB_PASSWORD", "database-credentials#password", aws_prod)
    page = sign_in(bob).get(address(acme))
    assert "aws-prod" not in html_of(page)
    assert "Named credential database-credentials#password" in rows_of(page)[0]


def test_a_reader_gets_no_link_that_changes(acme: Organization, dora: User, sign_in: SignIn) -> None:
    variable = store_direct(acme, "LOG_LEVEL", "debug")
    page = sign_in(dora).get(address(acme))
    assert "LOG_LEVEL" in text_of(page)
    for name in ("variable_edit", "variable_delete"):
        assert reverse(name, args=[acme.uuid, variable.uuid]) not in html_of(page)


def test_the_search_finds_part_of_a_key(acme: Organization, alice: User, sign_in: SignIn) -> None:
    store_direct(acme, "LOG_LEVEL", "debug")
    store_direct(acme, "TIMEOUT", "30")
    (row,) = rows_of(sign_in(alice).get(address(acme), {"q": "level"}))
    assert "LOG_LEVEL" in row
    assert "No key contains “debug”." in text_of(sign_in(alice).get(address(acme), {"q": "debug"}))


def test_the_list_costs_the_same_queries_however_long_it_is(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    client = sign_in(alice)
    automations = [store_automation(acme, f"Crew {number}", f"crew-{number}") for number in range(3)]
    counts = {}
    for rows in (10, 50):
        for number in range(EnvironmentVariable.objects.count(), rows):
            credential = aws_prod if number % 2 else None
            store_reference(acme, f"KEY_{number:02}", "crewai/openai-api-key", credential, automations)
        with CaptureQueriesContext(connection) as queries:
            assert len(rows_of(client.get(address(acme)))) == rows
        counts[rows] = len(queries)
    assert counts == {10: 5, 50: 5}


def test_the_list_loads_nothing_that_is_sealed(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    store_direct(acme, "LOG_LEVEL", "debug")
    store_reference(acme, "API_KEY", "crewai/openai-api-key", aws_prod)
    client = sign_in(alice)
    with CaptureQueriesContext(connection) as queries:
        client.get(address(acme))
    assert not [query for query in queries if '"secrets"' in query["sql"] or '"value"' in query["sql"]]


def test_a_long_list_comes_in_pages(acme: Organization, alice: User, sign_in: SignIn) -> None:
    keys = [f"KEY_{number:03}" for number in range(ROWS_PER_PAGE + 3)]
    for key in keys:
        store_direct(acme, key, "x")
    client = sign_in(alice)
    first = client.get(address(acme))
    second = client.get(address(acme), {"after": keys[ROWS_PER_PAGE - 1]})
    assert [row.split()[0] for row in rows_of(first) + rows_of(second)] == keys


def test_a_value_that_cannot_be_opened_does_not_break_the_list(
    acme: Organization, alice: User, sign_in: SignIn
) -> None:
    damage(store_direct(acme, "LOG_LEVEL", "debug"), "value")
    assert "LOG_LEVEL" in text_of(sign_in(alice).get(address(acme)))


def test_who_has_no_level_gets_403_and_a_stranger_404(
    acme: Organization, carol: User, mallory: User, sign_in: SignIn
) -> None:
    assert [sign_in(user).get(address(acme)).status_code for user in (carol, mallory)] == [403, 404]


def test_another_organization_s_variables_are_not_listed(
    acme: Organization, umbrella: Organization, mallory: User, sign_in: SignIn
) -> None:
    store_direct(acme, "ACME_ONLY", "x")
    assert "ACME_ONLY" not in text_of(sign_in(mallory).get(address(umbrella)))

"""Settings > Secret Provider Credentials: the list."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credentials.models import ConnectionTest, Credential
from credentials.testing import run_connection_test
from crewadmin.pagination import ROWS_PER_PAGE
from organizations.models import Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import damage, store_credential
from tests.pages import html_of, rows_of, text_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def address(organization: Organization) -> str:
    return reverse("credential_list", args=[organization.uuid])


def test_an_empty_list_says_what_to_do_next(acme: Organization, alice: User, sign_in: SignIn) -> None:
    page = sign_in(alice).get(address(acme))
    assert "Connect your first vault" in text_of(page)
    assert f'href="{reverse("credential_add", args=[acme.uuid])}"' in html_of(page)


def test_an_empty_list_offers_nothing_to_somebody_who_may_only_read(
    acme: Organization, carol: User, sign_in: SignIn
) -> None:
    page = sign_in(carol).get(address(acme))
    assert "No credentials yet" in text_of(page)
    assert reverse("credential_add", args=[acme.uuid]) not in html_of(page)


def test_a_row_names_the_credential_its_region_method_and_state(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    (row,) = rows_of(sign_in(alice).get(address(acme)))
    for words in ("aws-prod", "(default)", "AKIA…MPLE", "AWS Secrets Manager", "us-east-1", "Static access keys"):
        assert words in row
    assert "Not tested" in row
    assert aws_prod.config["access_key_id"] not in row


def test_only_the_default_carries_the_badge(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    store_credential(acme, alice, "aws-stage")
    prod, stage = rows_of(sign_in(alice).get(address(acme)))
    assert "(default)" in prod
    assert "(default)" not in stage


def test_a_row_tells_how_the_last_test_went(
    acme: Organization, alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    run_connection_test(aws_prod, alice)
    assert "Connected" in rows_of(sign_in(alice).get(address(acme)))[0]
    sandbox.detach_policy()
    run_connection_test(aws_prod, alice)
    (row,) = rows_of(sign_in(alice).get(address(acme)))
    assert "Failing" in row
    assert "This credential may not list secrets (secretsmanager:ListSecrets)" in row


def test_a_row_tells_that_the_credential_changed_since_its_test(
    acme: Organization, alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    run_connection_test(aws_prod, alice)
    Credential.objects.filter(pk=aws_prod.pk).update(version=2)
    (row,) = rows_of(sign_in(alice).get(address(acme)))
    assert "Changed since" in row
    assert "Connected" not in row


def test_the_search_finds_part_of_a_name_in_any_case(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    store_credential(acme, alice, "billing")
    (row,) = rows_of(sign_in(alice).get(address(acme), {"q": "PROD"}))
    assert "aws-prod" in row


def test_a_search_without_a_match_offers_all(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    page = sign_in(alice).get(address(acme), {"q": "<nothing>"})
    assert "No name contains “<nothing>”." in text_of(page)
    assert "<nothing>" not in html_of(page)
    assert "Show all" in text_of(page)


@pytest.mark.parametrize("query", ["\0", "%", "_", "\\", "'", "é" * 300])
def test_no_search_text_breaks_the_page(
    query: str, acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    for parameters in ({"q": query}, {"after": query}, {"before": query}):
        assert sign_in(alice).get(address(acme), parameters).status_code == 200


def test_a_long_list_comes_in_pages_that_show_every_row_once(acme: Organization, alice: User, sign_in: SignIn) -> None:
    names = [f"aws-{number:03}" for number in range(ROWS_PER_PAGE + 10)]
    for name in names:
        store_credential(acme, alice, name)
    client = sign_in(alice)
    first = client.get(address(acme))
    second = client.get(address(acme), {"after": names[ROWS_PER_PAGE - 1]})
    assert [row.split()[0] for row in rows_of(first) + rows_of(second)] == names
    assert f'href="?after={names[ROWS_PER_PAGE - 1]}"' in html_of(first)
    back = client.get(address(acme), {"before": names[ROWS_PER_PAGE]})
    assert rows_of(back) == rows_of(first)


def test_the_list_costs_the_same_queries_however_long_it_is(acme: Organization, alice: User, sign_in: SignIn) -> None:
    client = sign_in(alice)
    counts = {}
    for rows in (10, 50):
        for number in range(Credential.objects.count(), rows):
            credential = store_credential(acme, alice, f"aws-{number:03}")
            test = ConnectionTest.objects.create(
                organization=acme, provider="aws", credential=credential, credential_version=1, person_label="", ok=True
            )
            Credential.objects.filter(pk=credential.pk).update(last_test=test)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert len(rows_of(client.get(address(acme)))) == rows
        counts[rows] = len(queries)
    assert counts == {10: 4, 50: 4}


def test_the_list_does_not_load_what_is_sealed(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    with CaptureQueriesContext(connection) as queries:
        sign_in(alice).get(address(acme))
    assert not [query for query in queries if '"secrets"' in query["sql"]]


def test_a_credential_that_cannot_be_opened_does_not_break_the_list(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    damage(aws_prod, "secrets")
    assert "aws-prod" in rows_of(sign_in(alice).get(address(acme)))[0]


def test_a_reader_sees_the_list_and_the_test_button_but_nothing_that_changes(
    acme: Organization, carol: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    page = html_of(sign_in(carol).get(address(acme)))
    assert reverse("credential_test", args=[acme.uuid, aws_prod.uuid]) in page
    for name in ("credential_edit", "credential_delete", "credential_make_default"):
        assert reverse(name, args=[acme.uuid, aws_prod.uuid]) not in page


def test_another_organization_s_credentials_are_not_listed(
    acme: Organization, umbrella: Organization, mallory: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    assert "aws-prod" not in text_of(sign_in(mallory).get(address(umbrella)))
    assert sign_in(mallory).get(address(acme)).status_code == 404


def test_somebody_without_the_level_gets_403(acme: Organization, bob: User, sign_in: SignIn) -> None:
    assert sign_in(bob).get(address(acme)).status_code == 403


def test_no_secret_of_a_credential_is_on_the_page(acme: Organization, alice: User, sign_in: SignIn) -> None:
    store_credential(acme, alice, role_arn=seed.ROLE_ARN, external_id=seed.EXTERNAL_ID)
    page = html_of(sign_in(alice).get(address(acme)))
    assert seed.READER.secret_access_key not in page
    assert seed.EXTERNAL_ID not in page

"""Where a credential is used: its variables, why, and the automations that receive them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from credentials.models import Credential
from crewadmin.pagination import ROWS_PER_PAGE
from organizations.access import Feature, Level, set_levels
from organizations.models import Organization, User
from sandbox import seed
from tests.builders import restrict_to, store_automation, store_credential, store_reference
from tests.pages import html_of, rows_of, text_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def address(credential: Credential, name: str = "credential_uses") -> str:
    return reverse(name, args=[credential.organization.uuid, credential.uuid])


def test_each_variable_says_why_and_who_receives_it(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    crew = store_automation(acme)
    store_reference(acme, "BY_NAME", seed.OPENAI_KEY.name, aws_prod, [crew])
    store_reference(acme, "RELYING", f"{seed.DATABASE.name}#password")
    store_reference(acme, "OTHER", seed.OPENAI_KEY.name, store_credential(acme, alice))
    assert rows_of(sign_in(alice).get(address(aws_prod))) == [
        "BY_NAME crewai/openai-api-key by name Invoice crew",
        "RELYING database-credentials#password as the default No automation receives it.",
    ]
    words = text_of(sign_in(alice).get(address(aws_prod, "credential_detail")))
    assert "2 variables (1 of them as the default)" in words
    assert "BY_NAME crewai/openai-api-key Invoice crew" in words
    assert "RELYING database-credentials#password as the default" in words


def test_a_reference_leads_to_its_secret_and_a_template_to_each_of_its_secrets(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    store_reference(acme, "URL", "https://${database-credentials#username}:${crewai/payments-key|url}@x", aws_prod)
    store_reference(acme, "PLAIN", "a+b/c#d", aws_prod)
    page = html_of(sign_in(alice).get(address(aws_prod)))
    secret = reverse("variable_secret", args=[acme.uuid])
    for name in ("database-credentials", "crewai%2Fpayments-key", "a%2Bb%2Fc"):
        assert f'href="{secret}?name={name}"' in page


def test_what_is_hidden_is_a_number(
    acme: Organization, alice: User, bob: User, carol: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    crew = store_automation(acme, "Secret crew", "secret-crew")
    store_reference(acme, "SHOWN", seed.OPENAI_KEY.name, aws_prod, [crew])
    hidden = store_reference(acme, "HIDDEN", seed.PAYMENTS_KEY.name, aws_prod)
    restrict_to(hidden, alice.memberships.get())
    restrict_to(crew, alice.memberships.get())
    for name in ("credential_uses", "credential_detail"):
        page = sign_in(carol).get(address(aws_prod, name))
        assert "2 are hidden from you." in text_of(page)
        assert "SHOWN" not in html_of(page)
    role = carol.memberships.get().role
    set_levels(role, {Feature.ENVIRONMENT_VARIABLES: Level.READ})
    for name in ("credential_uses", "credential_detail"):
        page = sign_in(carol).get(address(aws_prod, name))
        assert "1 more is hidden from you." in text_of(page)
        assert "SHOWN" in text_of(page)
        assert "a restricted automation" in text_of(page)
        assert "Secret crew" not in html_of(page)
        assert "HIDDEN" not in html_of(page)


def test_long_lists_have_pages_and_a_search(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn, django_assert_max_num_queries: Any
) -> None:
    crew = store_automation(acme)
    for number in range(ROWS_PER_PAGE + 2):
        store_reference(acme, f"KEY_{number:03}", seed.OPENAI_KEY.name, aws_prod, [crew])
    client = sign_in(alice)
    first = client.get(address(aws_prod))
    assert len(rows_of(first)) == ROWS_PER_PAGE
    assert "?after=KEY_049" in html_of(first)
    rest = client.get(address(aws_prod) + "?after=KEY_049")
    assert [row.split()[0] for row in rows_of(rest)] == ["KEY_050", "KEY_051"]
    found = client.get(address(aws_prod) + "?q=key_007")
    assert [row.split()[0] for row in rows_of(found)] == ["KEY_007"]
    with django_assert_max_num_queries(20) as few:
        client.get(address(aws_prod) + "?after=KEY_050")
    with django_assert_max_num_queries(len(few)):
        client.get(address(aws_prod))


def test_who_may_not_read_credentials_sees_none(
    bob: User, mallory: User, aws_prod: Credential, umbrella: Organization, sign_in: SignIn
) -> None:
    assert [sign_in(user).get(address(aws_prod)).status_code for user in (bob, mallory)] == [403, 404]
    foreign = reverse("credential_uses", args=[umbrella.uuid, aws_prod.uuid])
    assert sign_in(mallory).get(foreign).status_code == 404

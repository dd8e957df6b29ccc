"""An automation's own page, and Check all values."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credentials.models import Credential
from envvars.models import Automation
from organizations.access import Feature, Level, set_levels
from organizations.models import AuditEvent, Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import damage, store_direct, store_reference
from tests.pages import html_of, text_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def address(automation: Automation) -> str:
    return reverse("automation_detail", args=[automation.organization.uuid, automation.uuid])


def check(automation: Automation) -> str:
    return reverse("automation_check", args=[automation.organization.uuid, automation.uuid])


def test_the_page_shows_what_it_receives_and_how_to_deliver_it(
    acme: Organization, bob: User, crew: Automation, sign_in: SignIn
) -> None:
    store_direct(acme, "LOG_LEVEL", "made-up-direct-value", [crew])
    store_reference(acme, "DB_PASSWORD", "database-credentials#password", automations=[crew])
    store_direct(acme, "NOT_ASSIGNED", "x")
    page = sign_in(bob).get(address(crew))
    words = text_of(page)
    assert "DB_PASSWORD secret Use AWS default · database-credentials#password" in words
    assert "LOG_LEVEL Direct Value" in words
    assert "NOT_ASSIGNED" not in words
    assert "manage.py run acme/invoice-crew -- COMMAND" in words
    assert "manage.py resolve acme/invoice-crew --format dotenv" in words
    assert "made-up-direct-value" not in html_of(page)


def test_a_check_says_that_every_variable_has_a_value_and_shows_none(
    acme: Organization, bob: User, crew: Automation, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    store_direct(acme, "LOG_LEVEL", "made-up-direct-value", [crew])
    store_reference(acme, "DB_PASSWORD", "database-credentials#password", automations=[crew])
    page = sign_in(bob).post(check(crew))
    assert page.status_code == 200
    assert "Every variable has a value" in text_of(page)
    assert "1 secret was read; its value was dropped at once." in text_of(page)
    assert text_of(page).count("has a value") == 3
    for value in ("made-up-direct-value", "made-up-database-password"):
        assert value not in html_of(page)


def test_a_check_names_each_failure_in_the_guide_s_words(
    acme: Organization, alice: User, crew: Automation, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    store_reference(acme, "A_MISSING_SECRET", "no/such-secret", automations=[crew])
    store_reference(acme, "B_MISSING_KEY", "database-credentials#pasword", automations=[crew])
    store_reference(acme, "C_NOT_JSON", "crewai/openai-api-key#key", automations=[crew])
    words = text_of(sign_in(alice).post(check(crew)))
    assert "3 variables have no value" in words
    assert "Secret not found: no/such-secret" in words
    assert "JSON key not found in database-credentials" in words
    assert "crewai/openai-api-key is not JSON" in words


def test_without_a_default_no_credential_is_found(
    acme: Organization, bob: User, crew: Automation, sandbox: Sandbox, sign_in: SignIn
) -> None:
    store_reference(acme, "API_KEY", "crewai/openai-api-key", automations=[crew])
    words = text_of(sign_in(bob).post(check(crew)))
    assert "No credential found" in words
    assert "1 variable has no value" in words
    assert sandbox.calls == []


def test_only_somebody_who_manages_variables_learns_the_keys_of_a_secret(
    acme: Organization,
    alice: User,
    bob: User,
    dora: User,
    crew: Automation,
    aws_prod: Credential,
    sandbox: Sandbox,
    sign_in: SignIn,
) -> None:
    store_reference(acme, "DB_PASSWORD", "database-credentials#pasword", automations=[crew])
    for user in (alice, bob):
        page = text_of(sign_in(user).post(check(crew)))
        assert "Keys of this secret: options, password, port, username." in page
        assert "Perhaps password is meant." in page
    page = sign_in(dora).post(check(crew))
    assert "JSON key not found in database-credentials" in text_of(page)
    assert "Perhaps" not in text_of(page)
    for key in ("options", "username"):
        assert key not in text_of(page)


def test_a_level_that_was_taken_away_counts_at_once(
    acme: Organization, dora: User, crew: Automation, sign_in: SignIn
) -> None:
    client = sign_in(dora)
    assert client.get(address(crew)).status_code == 200
    set_levels(acme.roles.get(name="Variable readers"), {Feature.ENVIRONMENT_VARIABLES: Level.NONE})
    assert client.get(address(crew)).status_code == 403


def test_a_check_is_written_down_with_the_person_and_the_problems(
    acme: Organization, bob: User, crew: Automation, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    store_direct(acme, "LOG_LEVEL", "made-up-direct-value", [crew])
    store_reference(acme, "DB_PASSWORD", "database-credentials#pasword", automations=[crew])
    sign_in(bob).post(check(crew))
    event = AuditEvent.objects.get(action="automation:resolved")
    assert (event.actor, event.target_uuid) == (bob, crew.uuid)
    assert event.details == {"delivery": "check", "variables": 1, "problems": ["DB_PASSWORD: key_missing"]}


def test_a_value_that_cannot_be_opened_is_one_problem_and_no_crash(
    acme: Organization, bob: User, crew: Automation, sandbox: Sandbox, sign_in: SignIn
) -> None:
    damage(store_direct(acme, "LOG_LEVEL", "x", [crew]), "value")
    store_direct(acme, "TIMEOUT", "30", [crew])
    words = text_of(sign_in(bob).post(check(crew)))
    assert "What is stored here cannot be opened" in words
    assert "1 variable has no value" in words


def test_keys_with_markup_are_shown_as_text(
    acme: Organization, bob: User, crew: Automation, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    sandbox.put_secret("odd", '{"<script>x</script>": 1, "\\ud800": 2}')
    store_reference(acme, "ODD", "odd#key", automations=[crew])
    page = sign_in(bob).post(check(crew))
    assert page.status_code == 200
    assert "&lt;script&gt;x" in html_of(page)
    assert "<script>x" not in html_of(page)


def test_the_page_costs_the_same_queries_however_many_variables_there_are(
    acme: Organization, alice: User, crew: Automation, aws_prod: Credential, sign_in: SignIn
) -> None:
    client = sign_in(alice)
    counts = {}
    for rows in (10, 50):
        for number in range(crew.variables.count(), rows):
            store_reference(acme, f"KEY_{number}", seed.OPENAI_KEY.name, aws_prod, [crew])
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address(crew)).status_code == 200
        counts[rows] = len(queries)
    assert counts == {10: 13, 50: 13}


def test_of_very_many_variables_those_without_a_value_are_shown_first(
    acme: Organization, bob: User, crew: Automation, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("envvars.views.automations.VARIABLES_SHOWN", 2)
    for key in ("A", "B", "C"):
        store_direct(acme, key, "x", [crew])
    store_reference(acme, "LAST", "no-default#key", automations=[crew])
    client = sign_in(bob)
    assert "LAST" not in text_of(client.get(address(crew)))
    words = text_of(client.post(check(crew)))
    assert words.index("LAST") < words.index("No credential found") < words.index("A has a value")
    assert "The first 2 of 4." in words


def test_a_check_is_a_post(bob: User, crew: Automation, sign_in: SignIn) -> None:
    assert sign_in(bob).get(check(crew)).status_code == 405


def test_who_has_no_level_gets_403_and_a_stranger_404(
    carol: User, mallory: User, crew: Automation, sandbox: Sandbox, sign_in: SignIn
) -> None:
    assert [sign_in(user).get(address(crew)).status_code for user in (carol, mallory)] == [403, 404]
    assert [sign_in(user).post(check(crew)).status_code for user in (carol, mallory)] == [403, 404]
    assert sandbox.calls == []

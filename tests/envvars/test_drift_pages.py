"""What pages say of stale values: the automation's, the lists, and the button that compares."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from envvars.models import Automation, EnvironmentVariable
from envvars.services.deployments import deploy
from envvars.services.drift import check_drift
from organizations.models import AuditEvent, Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import restrict_to, store_automation, store_reference
from tests.envvars.test_tokens import at
from tests.pages import text_of, toasts_of

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], Client]


@pytest.fixture
def stale_crew(baked_crew: Automation, acme: Organization, sandbox: Sandbox) -> Automation:
    """Deployed, then one of its secrets was rotated, and that was noticed."""
    deploy(baked_crew, None)
    sandbox.put_secret("database-credentials", '{"username": "crewai_app", "password": "another"}')
    check_drift(acme)
    return baked_crew


def stale_page(organization: Organization) -> str:
    return f"/organizations/{organization.uuid}/automations/stale/"


def test_the_automation_says_what_is_stale_and_since_when(stale_crew: Automation, bob: User, sign_in: SignIn) -> None:
    page = text_of(sign_in(bob).get(at("automation_detail", stale_crew)))
    assert "A vault holds a newer version of what was deployed. Deploy to start with it." in page
    assert page.count("stale since") == 2


def test_the_button_compares_and_tells(baked_crew: Automation, bob: User, sign_in: SignIn, sandbox: Sandbox) -> None:
    deploy(baked_crew, None)
    client = sign_in(bob)
    assert "Not compared yet. No value is read for it." in text_of(client.get(at("automation_detail", baked_crew)))
    answer = client.post(at("automation_drift", baked_crew), follow=True)
    assert [toast.title for toast in toasts_of(answer)] == ["Vaults hold what was deployed."]
    sandbox.put_secret("database-credentials", '{"username": "crewai_app", "password": "another"}')
    sandbox.delete_secret(seed.OPENAI_KEY.name)
    answer = client.post(at("automation_drift", baked_crew), follow=True)
    assert [toast.title for toast in toasts_of(answer)] == [
        "2 deployed values are stale.",
        "1 value could not be compared.",
    ]
    assert "could not be compared: " in text_of(answer)
    event = AuditEvent.objects.filter(action="automation:compared").order_by("-pk")[0]
    assert event.actor == bob
    assert {call.action for call in sandbox.calls[-2:]} == {"DescribeSecret"}


def test_without_a_deployment_there_is_nothing_to_compare(baked_crew: Automation, bob: User, sign_in: SignIn) -> None:
    client = sign_in(bob)
    assert "Compare with vaults" not in text_of(client.get(at("automation_detail", baked_crew)))
    answer = client.post(at("automation_drift", baked_crew), follow=True)
    assert [toast.title for toast in toasts_of(answer)] == ["Nothing is deployed that could be stale."]


def test_the_list_of_automations_leads_to_what_is_stale(
    stale_crew: Automation, acme: Organization, bob: User, sign_in: SignIn
) -> None:
    client = sign_in(bob)
    page = client.get(f"/organizations/{acme.uuid}/automations/")
    assert "1 automation may start with stale values" in text_of(page)
    assert stale_page(acme) in page.content.decode()
    listed = text_of(client.get(stale_page(acme)))
    assert "Invoice crew" in listed
    assert "DB_PASSWORD stale since" in listed
    assert "database-credentials#password" in listed
    deploy(stale_crew, None)
    assert "may start with" not in text_of(client.get(f"/organizations/{acme.uuid}/automations/"))
    assert "Nothing is known to be stale." in text_of(client.get(stale_page(acme)))


def test_an_automation_that_reads_at_every_start_is_never_stale(
    stale_crew: Automation, acme: Organization, bob: User, sign_in: SignIn
) -> None:
    Automation.objects.update(resolves_at=Automation.ResolvesAt.KICKOFF)
    client = sign_in(bob)
    assert "Nothing is known to be stale." in text_of(client.get(stale_page(acme)))
    assert "stale since" not in text_of(client.get(at("automation_detail", stale_crew)))


def test_a_restricted_variable_is_a_number_to_who_may_not_see_it(
    stale_crew: Automation, acme: Organization, alice: User, bob: User, sign_in: SignIn
) -> None:
    restrict_to(EnvironmentVariable.objects.get(key="DB_PASSWORD"), acme.memberships.get(user=alice))
    page = text_of(sign_in(bob).get(stale_page(acme)))
    assert "DB_PASSWORD" not in page
    assert "DB_URL" in page
    assert "1 more" in page
    assert "DB_PASSWORD" in text_of(sign_in(alice).get(stale_page(acme)))


def test_a_restricted_automation_is_not_told_of(
    stale_crew: Automation, acme: Organization, alice: User, bob: User, sign_in: SignIn
) -> None:
    restrict_to(stale_crew, acme.memberships.get(user=alice))
    client = sign_in(bob)
    assert "Nothing is known to be stale." in text_of(client.get(stale_page(acme)))
    assert client.post(at("automation_drift", stale_crew)).status_code == 404


def test_many_stale_values_are_named_in_part(
    baked_crew: Automation, acme: Organization, bob: User, sign_in: SignIn, sandbox: Sandbox
) -> None:
    for number in range(12):
        store_reference(acme, f"KEY_{number:02}", "database-credentials#password", automations=[baked_crew])
    deploy(baked_crew, None)
    sandbox.put_secret("database-credentials", '{"username": "crewai_app", "password": "another"}')
    check_drift(acme)
    page = text_of(sign_in(bob).get(stale_page(acme)))
    assert "KEY_07" in page
    assert "KEY_08" not in page
    assert "4 more" in page


def test_the_list_takes_as_many_queries_for_more_automations(
    stale_crew: Automation,
    acme: Organization,
    bob: User,
    sign_in: SignIn,
    sandbox: Sandbox,
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(5):
        crew = store_automation(acme, f"Crew {number}", f"crew-{number}")
        Automation.objects.filter(pk=crew.pk).update(resolves_at=Automation.ResolvesAt.DEPLOY)
        store_reference(acme, f"PASSWORD_{number}", "database-credentials#password", automations=[crew])
        deploy(crew, None)
    sandbox.put_secret("database-credentials", '{"username": "crewai_app", "password": "a third"}')
    check_drift(acme)
    client = sign_in(bob)
    client.get(stale_page(acme))
    with django_assert_max_num_queries(10):
        page = text_of(client.get(stale_page(acme)))
    assert page.count("stale since") + page.count("Stale since") == 6 + 7

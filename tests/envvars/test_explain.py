"""The page that explains a variable: what it shows of the way to a value, and to whom."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credentials.models import Credential
from credentials.testing import PER_MINUTE
from envvars.models import Automation, EnvironmentVariable
from envvars.services.deployments import deploy
from organizations.access import Feature, Level, set_levels
from organizations.models import AuditEvent, Membership, Organization, User
from organizations.sharing import Grant
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import restrict_to, store_automation, store_direct, store_reference, store_role_credential
from tests.pages import html_of, text_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
SETTINGS = (seed.REGION, seed.ROLE_ARN, seed.ACCOUNT_ID, "AKIA")


def address(variable: EnvironmentVariable, automation: Automation | None = None) -> str:
    organization = variable.organization.uuid
    if automation:
        return reverse("automation_explain", args=[organization, automation.uuid, variable.uuid])
    return reverse("variable_explain", args=[organization, variable.uuid])


@pytest.fixture
def by_role(acme: Organization, alice: User) -> Credential:
    return store_role_credential(acme, alice)


@pytest.fixture
def wanted(acme: Organization, crew: Automation, by_role: Credential, sandbox: Sandbox) -> EnvironmentVariable:
    return store_reference(acme, "DB_PASSWORD", "database-credentials#password", by_role, [crew])


def test_an_automation_that_starts_with_what_was_deployed_says_so(
    wanted: EnvironmentVariable, crew: Automation, alice: User, sign_in: SignIn
) -> None:
    Automation.objects.update(resolves_at=Automation.ResolvesAt.DEPLOY)
    client = sign_in(alice)
    assert "It was not deployed yet; what follows is what a deployment reads." in text_of(
        client.get(address(wanted, crew))
    )
    deploy(crew, None)
    assert "It starts with deployment #1; what follows is what the next one reads." in text_of(
        client.get(address(wanted, crew))
    )


def test_the_page_shows_what_is_stored_and_asks_nobody(
    wanted: EnvironmentVariable, crew: Automation, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    page = sign_in(alice).get(address(wanted, crew))
    words = text_of(page)
    assert "Automation passed Invoice crew receives the variable." in words
    assert "Variable passed Named credential · database-credentials#password" in words
    assert "Credential passed aws-role, which the variable names." in words
    assert "Settings and region skipped us-east-1" in words
    assert f"Role skipped {seed.ROLE_ARN}" in words
    assert "Secret skipped database-credentials" in words
    assert "Version skipped AWSCURRENT" in words
    assert "JSON key skipped password" in words
    assert "Value skipped Known once it is traced." in words
    assert sandbox.calls == []


def test_a_trace_shows_how_each_hop_went_and_never_the_value(
    wanted: EnvironmentVariable, crew: Automation, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    page = sign_in(alice).post(address(wanted, crew))
    words = text_of(page)
    assert page.status_code == 200
    assert "The variable has a value" in words
    assert f"Account passed {seed.ACCOUNT_ID}" in words
    assert f"Role passed {seed.ROLE_ARN}" in words
    assert f"Version passed {seed.DATABASE.version_id} · AWSCURRENT" in words
    assert "Value passed It is there, and was dropped." in words
    assert "Trace again" in words
    assert "made-up-database-password" not in html_of(page)
    assert [call.action for call in sandbox.calls] == ["GetCallerIdentity", "AssumeRole", "GetSecretValue"]
    assert AuditEvent.objects.filter(action="variable:traced", actor=alice, target_uuid=wanted.uuid).exists()


def test_by_htmx_only_the_panel_comes_back(
    wanted: EnvironmentVariable, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    page = sign_in(alice).post(address(wanted), headers={"HX-Request": "true"})
    assert "<html" not in html_of(page)
    assert "The variable has a value" in text_of(page)
    assert 'id="trace"' in html_of(page)


def test_the_first_failing_hop_is_open_with_what_to_do(
    acme: Organization, crew: Automation, by_role: Credential, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    missing = store_reference(acme, "MISSING", "no/such-secret#key", by_role, [crew])
    page = sign_in(alice).post(address(missing, crew))
    words = text_of(page)
    assert "No value: Secret not found: no/such-secret" in words
    assert "Secret failed Secret not found: no/such-secret" in words
    assert "Whose job it is: The environment variable" in words
    assert "JSON key skipped Not tried, because an earlier step failed." in words
    assert html_of(page).count('<details class="step-body" open>') == 1


def test_what_is_wrong_here_is_open_without_a_trace(
    acme: Organization, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    no_default = store_reference(acme, "API_KEY", "crewai/openai-api-key")
    words = text_of(sign_in(alice).get(address(no_default)))
    assert "No value: No credential found" in words
    assert "Credential failed No credential found" in words


def test_too_many_traces_are_refused_in_words(
    wanted: EnvironmentVariable, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    client = sign_in(alice)
    for _time in range(PER_MINUTE):
        assert client.post(address(wanted)).status_code == 200
    calls = len(sandbox.calls)
    for headers in ({}, {"HX-Request": "true"}):
        page = client.post(address(wanted), headers=headers)
        assert page.status_code == 429
        assert int(page.headers["Retry-After"]) > 0
        assert "A trace counts as one. Try again in" in text_of(page)
        assert "Secret skipped database-credentials" in text_of(page)
    assert len(sandbox.calls) == calls


# --- Who sees what --------------------------------------------------------------------------------------------------
def test_who_sees_no_credentials_sees_the_hops_without_their_settings(
    wanted: EnvironmentVariable, crew: Automation, dora: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    client = sign_in(dora)
    for page in (client.get(address(wanted, crew)), client.post(address(wanted, crew))):
        assert "Credential passed Named credential" in text_of(page)
        assert "Secret" in text_of(page)
        for private in ("aws-role", "Open the credential", *SETTINGS):
            assert private not in html_of(page)
    assert "The variable has a value" in text_of(client.post(address(wanted)))


def test_failures_name_no_settings_either(
    wanted: EnvironmentVariable, dora: User, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    sandbox.deactivate_key(seed.ROLE_ONLY)
    page = sign_in(dora).post(address(wanted))
    assert "Account failed AWS does not know this access key ID" in text_of(page)
    assert "Request ID" not in text_of(page)
    for private in ("aws-role", *SETTINGS):
        assert private not in html_of(page)
    assert "Request ID" in text_of(sign_in(alice).post(address(wanted)))


@pytest.mark.parametrize(
    ("grant", "named", "with_settings"), [(None, False, False), (Grant.USE, True, False), (Grant.READ, True, True)]
)
def test_a_restricted_credential_shows_what_was_shared_of_it(
    grant: Grant | None,
    named: bool,
    with_settings: bool,
    acme: Organization,
    wanted: EnvironmentVariable,
    by_role: Credential,
    alice: User,
    bob: User,
    sandbox: Sandbox,
    sign_in: SignIn,
) -> None:
    role = acme.roles.get(kind="member")
    set_levels(role, {Feature.SECRET_PROVIDERS: Level.READ})
    restrict_to(by_role, Membership.objects.get(user=alice), {bob: [grant]} if grant else {})
    page = sign_in(bob).post(address(wanted))
    assert ("aws-role" in html_of(page)) is named
    assert ("A restricted credential" in text_of(page)) is not named
    assert (seed.ACCOUNT_ID in html_of(page)) is with_settings
    assert ("Open the credential" in text_of(page)) is with_settings
    assert "The variable has a value" in text_of(page)


def test_only_who_manages_variables_learns_the_keys_of_a_secret(
    acme: Organization, by_role: Credential, bob: User, dora: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    mistyped = store_reference(acme, "MISTYPED", "database-credentials#pasword", by_role)
    assert "Keys: options, password, port, username." in text_of(sign_in(bob).post(address(mistyped)))
    words = text_of(sign_in(dora).post(address(mistyped)))
    assert "JSON key not found in database-credentials" in words
    for told in ("Keys:", "Perhaps", "username"):
        assert told not in words


def test_a_variable_or_an_automation_that_is_hidden_does_not_exist(
    acme: Organization, wanted: EnvironmentVariable, crew: Automation, alice: User, bob: User, sign_in: SignIn
) -> None:
    client, owner = sign_in(bob), Membership.objects.get(user=alice)
    assert client.get(address(wanted, crew)).status_code == 200
    restrict_to(crew, owner)
    assert client.get(address(wanted, crew)).status_code == 404
    assert client.get(address(wanted)).status_code == 200
    restrict_to(wanted, owner)
    for method in (client.get, client.post):
        assert method(address(wanted)).status_code == 404


def test_another_organization_s_variable_does_not_exist(
    acme: Organization, umbrella: Organization, crew: Automation, alice: User, sign_in: SignIn
) -> None:
    theirs = store_direct(umbrella, "THEIRS", "x")
    client = sign_in(alice)
    for at in (
        reverse("variable_explain", args=[acme.uuid, theirs.uuid]),
        reverse("automation_explain", args=[acme.uuid, crew.uuid, theirs.uuid]),
        address(theirs),
    ):
        assert client.get(at).status_code == client.post(at).status_code == 404


def test_who_may_not_read_variables_is_refused(wanted: EnvironmentVariable, carol: User, sign_in: SignIn) -> None:
    assert sign_in(carol).get(address(wanted)).status_code == 403
    assert sign_in(carol).post(address(wanted)).status_code == 403


def test_a_variable_that_the_automation_does_not_receive_says_so(
    acme: Organization, wanted: EnvironmentVariable, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    other = store_automation(acme, "Other crew", "other")
    page = sign_in(alice).post(address(wanted, other))
    assert "No value: The automation does not receive this variable" in text_of(page)
    assert sandbox.calls == []


# --- The way there --------------------------------------------------------------------------------------------------
def test_the_lists_and_the_variable_s_own_page_lead_there(
    wanted: EnvironmentVariable, crew: Automation, bob: User, dora: User, sign_in: SignIn
) -> None:
    organization = wanted.organization.uuid
    manager, reader = sign_in(bob), sign_in(dora)
    for client in (manager, reader):
        assert address(wanted, crew) in html_of(
            client.get(reverse("automation_detail", args=[organization, crew.uuid]))
        )
    assert address(wanted) in html_of(manager.get(reverse("variable_edit", args=[organization, wanted.uuid])))
    assert address(wanted) in html_of(reader.get(reverse("variable_list", args=[organization])))


def test_the_number_of_queries_does_not_grow_with_the_references(
    acme: Organization, by_role: Credential, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    client, counts = sign_in(alice), []
    for number in (1, 1, 10):
        text = "".join(f"${{database-credentials#port}}${{s/{one}}}" for one in range(number))
        variable = store_reference(acme, f"URL_{len(counts)}", text, by_role)
        found: list[int] = []
        for ask in (client.get, client.post):
            ask_it: Any = ask
            with CaptureQueriesContext(connection) as queries:
                assert ask_it(address(variable)).status_code == 200
            found.append(len(queries))
        counts.append(found)
    assert counts[1] == counts[2]
    assert counts[2][0] <= 12

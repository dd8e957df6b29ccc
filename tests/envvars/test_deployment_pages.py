"""Deploy on an automation's page, a deployment's page, and two deployments compared."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credentials.models import Credential
from credentials.services import delete_credential
from crewadmin.sealing import key_ring
from envvars.models import Automation, Deployment
from envvars.services import deployments
from envvars.services.automations import change_automation
from envvars.services.deployments import deploy
from envvars.services.imports import VariableStore
from envvars.services.variables import Value, change_variable, delete_variable
from organizations.audit import changing
from organizations.models import Membership, Organization, User
from organizations.sharing import Grant
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import Source, restrict_to, store_automation, store_credential, store_direct, store_reference
from tests.pages import html_of, text_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
VALUES = ("made-up-direct-value", "made-up-database-password", seed.OPENAI_KEY.value)


def at(name: str, row: Any, **parameters: object) -> str:
    return reverse(name, args=[row.organization.uuid, row.uuid], query=parameters or None)


@pytest.fixture
def baked(acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox) -> Automation:
    """A crew that resolves when it is deployed, with a direct value, a default's secret and a named one's."""
    store_direct(acme, "LOG_LEVEL", "made-up-direct-value", [crew])
    store_reference(acme, "API_KEY", seed.OPENAI_KEY.name, automations=[crew])
    store_reference(acme, "DB_PASSWORD", "database-credentials#password", aws_prod, [crew])
    Automation.objects.update(resolves_at=Automation.ResolvesAt.DEPLOY)
    return Automation.objects.select_related("organization").get()


@pytest.fixture
def alice_(alice: User, acme: Organization) -> Membership:
    return acme.memberships.get(user=alice)


def set_level(automation: Automation, text: str) -> None:
    variable = automation.variables.get(key="LOG_LEVEL")
    value = Value(Source.DIRECT, text=text)
    change_variable(variable, None, key="LOG_LEVEL", value=value, automations=[automation])


# --- The automation's page ------------------------------------------------------------------------------------------
def test_deploying_says_the_number_and_lists_the_deployment(baked: Automation, bob: User, sign_in: SignIn) -> None:
    client = sign_in(bob)
    assert "It cannot start until it is deployed" in text_of(client.get(at("automation_detail", baked)))
    response = client.post(at("automation_deploy", baked), follow=True)
    words = text_of(response)
    assert "Deployment #1 was made with 3 variables." in words
    assert "It starts with the values of deployment #1, and no vault is asked." in words
    assert "#1 newest" in words
    assert "bob@acme.example · 3 variables" in words
    assert not any(value in html_of(response) for value in VALUES)


def test_problems_are_shown_beside_the_variables_and_nothing_is_deployed(
    baked: Automation, acme: Organization, bob: User, sign_in: SignIn, sandbox: Sandbox
) -> None:
    deploy(baked, None)
    store_reference(acme, "NO_KEY", "database-credentials#pasword", automations=[baked])
    store_reference(acme, "NO_SECRET", "no/such-secret", automations=[baked])
    response = sign_in(bob).post(at("automation_deploy", baked))
    assert response.status_code == 409
    words = text_of(response)
    assert "2 variables have no value" in words
    assert "Nothing was deployed; what was deployed before stays." in words
    assert "Secret not found: no/such-secret" in words
    assert "Perhaps password is meant." in words
    assert Deployment.objects.count() == 1


def test_settings_that_keep_changing_are_told(
    baked: Automation, bob: User, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployments, "_store", lambda *arguments: None)
    response = sign_in(bob).post(at("automation_deploy", baked), follow=True)
    assert "Nothing was deployed: settings changed meanwhile" in text_of(response)


def test_what_changed_since_is_marked_without_asking_a_vault(
    baked: Automation, acme: Organization, alice: User, sign_in: SignIn, sandbox: Sandbox
) -> None:
    deploy(baked, None)
    calls = len(sandbox.calls)
    set_level(baked, "made-up-other-value")
    store_direct(acme, "LATER", "x", [baked])
    delete_variable(baked.variables.get(key="API_KEY"), None)
    words = text_of(sign_in(alice).get(at("automation_detail", baked)))
    assert "3 variables changed since deployment #1" in words
    assert "LATER not deployed yet" in words
    assert "LOG_LEVEL changed since deployed" in words
    assert "DB_PASSWORD secret aws-prod" in words  # and no mark
    assert len(sandbox.calls) == calls
    deploy(baked, None)
    assert "changed since" not in text_of(sign_in(alice).get(at("automation_detail", baked)))


def test_the_same_value_saved_again_is_no_change(
    baked: Automation, acme: Organization, alice: User, sign_in: SignIn
) -> None:
    """A variable is saved too when it is assigned to another automation."""
    deploy(baked, None)
    other = store_automation(acme, "Other", "other")
    variable = baked.variables.get(key="LOG_LEVEL")
    value = Value(Source.DIRECT)
    change_variable(variable, None, key="LOG_LEVEL", value=value, automations=[baked, other])
    assert "changed since" not in text_of(sign_in(alice).get(at("automation_detail", baked)))


def test_without_the_master_key_a_value_that_was_saved_since_counts_as_changed(
    baked: Automation, alice: User, sign_in: SignIn, settings: Any
) -> None:
    deploy(baked, None)
    set_level(baked, "another")
    settings.FERNET_KEYS = ["b3RoZXItMzItcmFuZG9tLWJ5dGVzLTRuUTd4WjJrVzk="]
    key_ring.forget()
    response = sign_in(alice).get(at("automation_detail", baked))
    assert response.status_code == 200
    assert "1 variable changed since deployment #1" in text_of(response)


def test_another_default_credential_is_a_change(
    baked: Automation, acme: Organization, alice: User, sign_in: SignIn
) -> None:
    deploy(baked, None)
    store_credential(acme, None, is_default=True)
    words = text_of(sign_in(alice).get(at("automation_detail", baked)))
    assert "1 variable changed since deployment #1" in words
    assert "API_KEY secret changed since deployed" in words


def test_what_resolves_at_every_start_is_never_outdated(baked: Automation, alice: User, sign_in: SignIn) -> None:
    deploy(baked, None)
    change_automation(baked, None, name=baked.name, slug=baked.slug, variables=[], resolves_at="kickoff")
    words = text_of(sign_in(alice).get(at("automation_detail", baked)))
    assert "Its values are read at every start." in words
    assert "changed since" not in words


def test_the_form_chooses_when_values_are_read(crew: Automation, bob: User, sign_in: SignIn) -> None:
    client, url = sign_in(bob), at("automation_edit", crew)
    page = text_of(client.get(url))
    assert "a rotated secret is there at the next start" in page
    posted = {"name": crew.name, "slug": crew.slug}
    assert client.post(url, posted | {"resolves_at": "deploy"}).status_code == 302
    assert Automation.objects.get().resolves_at_deploy
    assert client.post(url, posted).status_code == 302  # left out: as it is
    assert Automation.objects.get().resolves_at_deploy
    assert client.post(url, posted | {"resolves_at": "never"}).status_code == 422


def test_older_deployments_stand_on_a_page_of_their_own(baked: Automation, bob: User, sign_in: SignIn) -> None:
    client = sign_in(bob)
    assert "Not deployed yet" in text_of(client.get(at("automation_history", baked)))
    for _ in range(6):
        deploy(baked, None)
    page = text_of(client.get(at("automation_detail", baked)))
    assert ("#2" in page, "#1 " in page, "All deployments" in page) == (True, False, True)
    assert "#1 " in text_of(client.get(at("automation_history", baked)))


# --- A deployment's page --------------------------------------------------------------------------------------------
def test_a_deployment_shows_everything_but_values(baked: Automation, alice: User, sign_in: SignIn) -> None:
    deploy(baked, alice)
    deployment = deploy(baked, alice)
    page = sign_in(alice).get(at("deployment_detail", deployment))
    words = text_of(page)
    row = deployment.variables.get(key="DB_PASSWORD")
    assert "Deployment #2 newest" in words
    assert f"DB_PASSWORD aws-prod database-credentials#password {row.secrets[0]['version_id'][:8]}…" in words
    assert bytes(row.fingerprint).hex()[:12] in words
    assert "API_KEY Use AWS default (aws-prod)" in words
    assert "LOG_LEVEL Direct Value typed in" in words
    assert at("automation_compare", baked, before=1, after=2).replace("&", "&amp;") in html_of(page)
    for hidden in (*VALUES, bytes(row.fingerprint).hex(), row.secrets[0]["version_id"]):
        assert hidden not in html_of(page)


def test_a_deployment_is_searched_by_key(baked: Automation, alice: User, sign_in: SignIn) -> None:
    url = at("deployment_detail", deploy(baked, None))
    client = sign_in(alice)
    assert "LOG_LEVEL" not in text_of(client.get(url, {"q": "api"}))
    assert "No key matches." in text_of(client.get(url, {"q": "nothing"}))


def test_names_are_still_there_when_rows_are_gone(
    baked: Automation, aws_prod: Credential, alice: User, sign_in: SignIn
) -> None:
    deployment = deploy(baked, None)
    for variable in list(baked.variables.all()):
        delete_variable(variable, None)
    delete_credential(aws_prod, None)
    assert "DB_PASSWORD aws-prod" in text_of(sign_in(alice).get(at("deployment_detail", deployment)))


def test_the_credential_s_name_is_for_those_who_may_see_it(
    baked: Automation, bob: User, alice: User, sign_in: SignIn
) -> None:
    deployment = deploy(baked, None)
    words = text_of(sign_in(bob).get(at("deployment_detail", deployment)))
    assert "DB_PASSWORD Named credential" in words
    assert "aws-prod" not in words


def test_hidden_variables_are_a_number_also_when_they_are_gone(
    baked: Automation, alice_: Membership, alice: User, bob: User, sign_in: SignIn
) -> None:
    secret = baked.variables.get(key="API_KEY")
    restrict_to(secret, alice_)
    first = deploy(baked, None)
    urls = [at("deployment_detail", first), at("automation_compare", baked)]
    deploy(baked, None)
    for _round in range(2):
        for url in urls:
            page = text_of(sign_in(bob).get(url))
            assert "API_KEY" not in page
            assert "1 more is hidden from you." in page
            assert "API_KEY" in text_of(sign_in(alice).get(url))
        delete_variable(secret, None)
        secret = store_direct(baked.organization, "ANOTHER", "x")


def test_what_was_restricted_after_a_deployment_stays_hidden_when_it_is_gone(
    baked: Automation, alice_: Membership, alice: User, bob: User, sign_in: SignIn
) -> None:
    url = at("deployment_detail", deploy(baked, None))
    assert "API_KEY" in text_of(sign_in(bob).get(url))
    secret = baked.variables.get(key="API_KEY")
    restrict_to(secret, alice_)
    delete_variable(secret, None)
    assert "API_KEY" not in text_of(sign_in(bob).get(url))
    assert "API_KEY" in text_of(sign_in(alice).get(url))


def test_what_an_import_removes_stays_hidden_too(
    baked: Automation, acme: Organization, alice_: Membership, bob: User, sign_in: SignIn
) -> None:
    url = at("deployment_detail", deploy(baked, None))
    secret = baked.variables.get(key="API_KEY")
    restrict_to(secret, alice_)
    store = VariableStore(acme, None, secret.import_name)
    with changing(acme):
        store.remove([store.stored(["API_KEY"])["API_KEY"]])
    assert not baked.variables.filter(key="API_KEY").exists()
    assert "API_KEY" not in text_of(sign_in(bob).get(url))


def test_the_name_of_a_credential_that_is_gone_is_for_owners(
    baked: Automation, aws_prod: Credential, alice: User, erin: User, sign_in: SignIn
) -> None:
    url = at("deployment_detail", deploy(baked, None))
    baked.variables.exclude(key="LOG_LEVEL").delete()
    delete_credential(aws_prod, None)
    assert "aws-prod" in text_of(sign_in(alice).get(url))
    page = text_of(sign_in(erin).get(url))
    assert "DB_PASSWORD Named credential" in page
    assert "aws-prod" not in page


# --- Two deployments ------------------------------------------------------------------------------------------------
def groups_of(page: Any) -> dict[str, list[str]]:
    return {str(change): [one.key for one, _before, _after in rows] for change, _label, rows in page.context["groups"]}


def test_two_deployments_are_told_apart_by_fingerprints(
    baked: Automation, acme: Organization, alice: User, sign_in: SignIn, sandbox: Sandbox
) -> None:
    deploy(baked, None)
    sandbox.put_secret(seed.OPENAI_KEY.name, "made-up-rotated")
    store_direct(acme, "LATER", "x", [baked])
    delete_variable(baked.variables.get(key="DB_PASSWORD"), None)
    deploy(baked, None)
    client = sign_in(alice)
    page = client.get(at("automation_compare", baked))
    wanted = {"added": ["LATER"], "removed": ["DB_PASSWORD"], "changed": ["API_KEY"], "unchanged": ["LOG_LEVEL"]}
    assert groups_of(page) == wanted
    assert not any(value in html_of(page) for value in (*VALUES, "made-up-rotated"))
    backwards = client.get(at("automation_compare", baked, before=2, after=1))
    assert groups_of(backwards) == wanted | {"added": ["DB_PASSWORD"], "removed": ["LATER"]}
    same = client.get(at("automation_compare", baked, before=2, after=2))
    assert groups_of(same)["unchanged"] == ["API_KEY", "LATER", "LOG_LEVEL"]


def test_a_new_version_with_the_same_value_is_unchanged(
    baked: Automation, alice: User, sign_in: SignIn, sandbox: Sandbox
) -> None:
    deploy(baked, None)
    sandbox.put_secret(seed.OPENAI_KEY.name, seed.OPENAI_KEY.value)
    deploy(baked, None)
    assert groups_of(sign_in(alice).get(at("automation_compare", baked)))["changed"] == []


def test_without_two_deployments_there_is_nothing_to_compare(baked: Automation, bob: User, sign_in: SignIn) -> None:
    client = sign_in(bob)
    for _ in range(2):
        page = client.get(at("automation_compare", baked, before=1, after=1))
        assert (page.status_code, "There are not two deployments yet" in text_of(page)) == (200, True)
        if not Deployment.objects.exists():
            deploy(baked, None)


@pytest.mark.parametrize("number", ["3", "0", "-1", "x", "", "\0", "9" * 50])
def test_a_number_that_does_not_exist_is_said_beside_the_field(
    number: str, baked: Automation, umbrella: Organization, bob: User, sign_in: SignIn
) -> None:
    for automation, times in ((baked, 2), (store_automation(umbrella), 3)):
        for _ in range(times):
            deploy(automation, None)
    page = sign_in(bob).get(at("automation_compare", baked), {"before": number, "after": "1"})
    assert page.status_code == 422
    assert 'id="id_before_error"' in html_of(page)


# --- Who may, and what it costs -------------------------------------------------------------------------------------
def test_who_may_only_read_looks_and_deploys_nothing(
    baked: Automation, dora: User, carol: User, mallory: User, sign_in: SignIn
) -> None:
    pages = [at("deployment_detail", deploy(baked, None))]
    pages += [at(name, baked) for name in ("automation_history", "automation_compare")]
    for url in pages:
        people = (dora, carol, mallory)
        assert [sign_in(user).get(url).status_code for user in people] == [200, 403, 404]
    people = (dora, carol, mallory)
    assert [sign_in(user).post(at("automation_deploy", baked)).status_code for user in people] == [403, 403, 404]
    assert sign_in(dora).get(at("automation_deploy", baked)).status_code in (403, 405)
    assert Deployment.objects.count() == 1


def test_a_restricted_automation_s_deployments_do_not_exist_for_others(
    baked: Automation, alice_: Membership, bob: User, dora: User, sign_in: SignIn
) -> None:
    deployment = deploy(baked, None)
    restrict_to(baked, alice_, {dora: [Grant.READ]})
    urls = [at("deployment_detail", deployment), at("automation_history", baked), at("automation_compare", baked)]
    assert [sign_in(bob).get(url).status_code for url in urls] == [404, 404, 404]
    assert [sign_in(dora).get(url).status_code for url in urls] == [200, 200, 200]
    assert sign_in(bob).post(at("automation_deploy", baked)).status_code == 404


def test_pages_cost_the_same_queries_however_much_was_deployed(
    crew: Automation,
    acme: Organization,
    aws_prod: Credential,
    alice: User,
    bob: User,
    sandbox: Sandbox,
    sign_in: SignIn,
) -> None:
    Automation.objects.update(resolves_at=Automation.ResolvesAt.DEPLOY)
    crew = Automation.objects.select_related("organization").get()
    clients = [sign_in(user) for user in (alice, bob)]
    counts = {}
    for rows, times in ((10, 2), (60, 8)):
        for number in range(crew.variables.count(), rows):
            store_reference(acme, f"KEY_{number}", seed.OPENAI_KEY.name, aws_prod, [crew])
        for _ in range(times):
            deployment = deploy(crew, None)
        urls = [at("deployment_detail", deployment)]
        urls += [at(name, crew) for name in ("automation_detail", "automation_history", "automation_compare")]
        for client in clients:
            for url in urls:
                with CaptureQueriesContext(connection) as queries:
                    assert client.get(url).status_code == 200
                counts.setdefault((client, url.replace(str(deployment.uuid), "")), []).append(len(queries))
    assert all(first == second for first, second in counts.values()), counts
    assert max(count for both in counts.values() for count in both) <= 18

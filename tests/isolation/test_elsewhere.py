"""What another organization stores changes nothing here: its rows in a service's hands, its owners, its defaults."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from credentials import impact
from credentials.forms import default_is_out_of_reach
from credentials.models import ConnectionTest, Credential
from credentials.providers.failures import FailureCode
from credentials.usage import state_of
from envvars.forms import Sources
from envvars.importing.reach import everything, reach_of
from envvars.models import Automation, EnvironmentVariable
from envvars.resolving import resolve
from envvars.services.drift import check_drift
from envvars.services.imports import VariableStore
from organizations.access import Feature, Level, access_of, set_levels
from organizations.models import AuditEvent, Membership, Organization, Role, User
from organizations.services.invitations import invite
from organizations.services.members import add_member, give_role, leave
from organizations.services.owners import LastOwnerError
from organizations.services.roles import create_role, delete_role
from organizations.sharing import Grant, held
from tests.builders import restrict_to, store_direct, store_reference
from tests.conftest import PASSWORD
from tests.envvars.test_import_envvars_command import ran_command
from tests.isolation.stage import Stage, ask, face
from tests.isolation.test_matrix import ORGANIZATION_URLS
from tests.pages import toasts_of

SignIn = Callable[[User], Client]


def membership_in(stage: Stage, user: User) -> Membership:
    return Membership.objects.get(organization=stage.acme, user=user)


# --- Pages ----------------------------------------------------------------------------------------------------------
@pytest.fixture
def modest(stage: Stage, alice: User) -> Stage:
    """Acme has something for every page to show, but no default credential; its automation is restricted."""
    Credential.objects.filter(organization=stage.acme).update(is_default=False)
    own = stage.rows["own"]
    store_reference(stage.acme, "OF_DEFAULT", "shared/secret#key", automations=[own["automation"]])
    store_reference(stage.acme, "OF_CREDENTIAL", "shared/secret#key", own["credential"], [own["automation"]])
    restrict_to(own["automation"], membership_in(stage, alice))
    return stage


def let_thrive(organization: Organization, rows: dict[str, Any], owner: User) -> None:
    """Give another organization more of everything: people, roles, uses of the same secret, failures, deployments."""
    credential, automation = rows["credential"], rows["automation"]
    reader = create_role(organization, "Elsewhere")
    for name in ("first", "second"):
        person = User.objects.create_user(f"{name}@elsewhere.example", name=f"{name.title()} Elsewhere")
        add_member(organization, person, organization.roles.get(kind=Role.Kind.OWNER), by=owner)
        add_member(organization, User.objects.create_user(f"{name}@readers.example"), reader, by=owner)
    for number in range(3):
        store_reference(organization, f"ELSEWHERE_{number}", "shared/secret#key", automations=[automation])
        store_direct(organization, f"DIRECT_ELSEWHERE_{number}", "made-up", [automation])
    fail(credential)
    Automation.objects.filter(pk=automation.pk).update(resolves_at=Automation.ResolvesAt.DEPLOY)
    for row in (credential, rows["variable"], automation, *organization.variables.filter(key="ELSEWHERE_0")):
        restrict_to(row, organization.memberships.get(user=owner))


def fail(credential: Credential) -> None:
    """Let a connection test of a credential have failed."""
    test = ConnectionTest.objects.create(
        organization=credential.organization,
        credential=credential,
        credential_version=credential.version,
        provider=credential.provider,
        ok=False,
    )
    Credential.objects.filter(pk=credential.pk).update(last_test=test)


def faces(client: Client, stage: Stage) -> Iterator[tuple[str, Any]]:
    """Yield every page of Acme as somebody sees it, without UUIDs: some forms carry a new one each time."""
    for url in ORGANIZATION_URLS:
        address = url.of(stage.acme.uuid, stage.rows["own"]) + "?name=shared/secret"  # of the page that asks for one
        yield url.name, _UUID.sub("", repr(face(ask(client, "GET", address), address)))


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.mark.parametrize("person", ["owner", "member", "manager of credentials"])
def test_no_page_shows_that_another_organization_thrives(
    person: str, modest: Stage, alice: User, bob: User, mallory: User, sign_in: SignIn
) -> None:
    if person == "manager of credentials":
        role = create_role(modest.acme, person)
        set_levels(role, {Feature.SECRET_PROVIDERS: Level.MANAGE})
        Membership.objects.filter(organization=modest.acme, user=bob).update(role=role)
    client = sign_in(alice if person == "owner" else bob)
    before = dict(faces(client, modest))
    let_thrive(modest.umbrella, modest.rows["foreign"], mallory)
    assert [name for name, now in faces(client, modest) if now != before[name]] == []


# --- Services -------------------------------------------------------------------------------------------------------


def test_nobody_is_invited_with_a_role_of_another_organization(stage: Stage, alice: User) -> None:
    with pytest.raises(Role.DoesNotExist):
        invite(stage.acme, alice, email="new@example.com", role=stage.rows["foreign"]["role"])
    assert not User.objects.filter(email="new@example.com").exists()


def test_nobody_is_given_a_role_of_another_organization(stage: Stage, alice: User, bob: User) -> None:
    with pytest.raises(Role.DoesNotExist):
        give_role(membership_in(stage, bob), stage.rows["foreign"]["role"], alice)
    assert membership_in(stage, bob).role.kind == Role.Kind.MEMBER


def test_nobody_gets_a_role_of_another_organization_when_theirs_is_deleted(
    stage: Stage, alice: User, bob: User
) -> None:
    role = create_role(stage.acme, "Guests")
    add_member(stage.acme, User.objects.create_user("guest@acme.example"), role, by=alice)
    with pytest.raises(Role.DoesNotExist):
        delete_role(role, alice, successor=stage.rows["foreign"]["role"])
    assert role.memberships.count() == 1


def test_the_last_owner_stays_however_many_owners_another_organization_has(stage: Stage, alice: User) -> None:
    for membership in Membership.objects.filter(organization=stage.acme, role__kind=Role.Kind.OWNER):
        if membership.user != alice:
            leave(membership)
    with pytest.raises(LastOwnerError):
        leave(membership_in(stage, alice))


def test_a_credential_that_fails_elsewhere_is_no_news_here(stage: Stage, alice: User) -> None:
    fail(stage.rows["foreign"]["credential"])
    assert Credential.objects.failing().count() == 1
    page = Client().post(reverse("account_login"), {"login": alice.email, "password": PASSWORD}, follow=True)
    assert page.status_code == 200
    assert not [toast for toast in toasts_of(page) if "fail" in toast.title]


@pytest.fixture
def default_elsewhere(stage: Stage) -> Credential:
    """Only Umbrella has a default credential, and keeps it to itself."""
    Credential.objects.filter(organization=stage.acme).update(is_default=False)
    Credential.objects.filter(organization=stage.umbrella).update(restricted=True)
    return Credential.objects.get(organization=stage.umbrella, is_default=True)


def test_a_default_that_is_kept_elsewhere_is_in_nobody_s_way(
    stage: Stage, bob: User, default_elsewhere: Credential
) -> None:
    role = create_role(stage.acme, "Credential managers")
    set_levels(role, {Feature.SECRET_PROVIDERS: Level.MANAGE})
    member = membership_in(stage, bob)
    member.role = role
    assert not default_is_out_of_reach(member, default_elsewhere.provider)


def test_nothing_is_checked_with_another_organization_s_default(
    stage: Stage, alice: User, default_elsewhere: Credential
) -> None:
    member = membership_in(stage, alice)
    sources = Sources(member, access_of(member), None)
    assert sources.read_with(f"provider_default:{default_elsewhere.provider}") is None


def test_a_preview_reads_nothing_with_another_organization_s_default(
    stage: Stage, default_elsewhere: Credential
) -> None:
    (shift,) = impact.default_change(Credential.objects.get(pk=stage.rows["own"]["credential"].pk)).shifts
    assert shift.before == FailureCode.NO_CREDENTIAL


def test_no_variable_is_read_with_a_credential_of_another_organization(stage: Stage) -> None:
    with pytest.raises(ValidationError):
        store_reference(stage.acme, "TAKEN", "shared/secret", stage.rows["foreign"]["credential"])
    assert not stage.acme.variables.filter(key="TAKEN").exists()


def test_what_changes_elsewhere_makes_no_preview_out_of_date(stage: Stage, mallory: User) -> None:
    own = stage.rows["own"]["credential"]
    before = state_of(stage.acme, own.provider, own)
    let_thrive(stage.umbrella, stage.rows["foreign"], mallory)
    Credential.objects.filter(organization=stage.umbrella).update(version=100)
    assert state_of(stage.acme, own.provider, own) == before


def test_nothing_is_read_with_another_organization_s_default(modest: Stage) -> None:
    problems = {problem.key: problem.code for problem in resolve(modest.rows["own"]["automation"]).problems}
    assert problems["OF_DEFAULT"] == FailureCode.NO_CREDENTIAL


def test_a_secret_s_uses_are_those_of_the_organization(stage: Stage) -> None:
    for organization in (stage.acme, stage.umbrella):
        store_reference(organization, "SHARED", "shared/secret#key")
    uses = EnvironmentVariable.objects.naming_secrets(stage.acme, ["shared/secret"])
    assert [use.organization for use in uses] == [stage.acme]


def test_only_own_deployments_are_compared_with_vaults(stage: Stage) -> None:
    Automation.objects.update(resolves_at=Automation.ResolvesAt.DEPLOY)
    assert [drift.deployment for drift in check_drift(stage.acme)] == [stage.rows["own"]["deployment"]]


def test_an_export_of_the_audit_log_has_own_events_only(stage: Stage, alice: User, sign_in: SignIn) -> None:
    answer = sign_in(alice).post(reverse("audit_export", args=[stage.acme.uuid]), {"format": "jsonl"})
    lines = b"".join(answer.streaming_content).splitlines()  # type: ignore[attr-defined]  # it is streamed
    assert len(lines) == AuditEvent.objects.filter(organization=stage.acme).count()


# --- Imports and commands -------------------------------------------------------------------------------------------
def test_an_import_reaches_no_row_of_another_organization(renamed: Stage, alice: User) -> None:
    member = membership_in(renamed, alice)
    for reach in (everything(renamed.acme), reach_of(member)):
        assert set(reach.credentials) == {renamed.rows["own"]["credential"].name}
        assert set(reach.automations) == {renamed.rows["own"]["automation"].slug}


def test_who_manages_a_key_elsewhere_does_not_manage_it_here(renamed: Stage, alice: User) -> None:
    key = renamed.rows["foreign"]["variable"].key
    store = VariableStore(renamed.acme, alice, "nightly")
    managed = held(type(renamed.rows["own"]["variable"]), membership_in(renamed, alice), Grant.MANAGE)
    assert store.managed([key, "API_KEY"], managed) == {"API_KEY"}


def test_a_key_that_is_assigned_elsewhere_too_is_imported_for_own_automations(renamed: Stage, tmp_path: Path) -> None:
    own, foreign = renamed.rows["own"], renamed.rows["foreign"]
    file = tmp_path / "rows.csv"
    file.write_text(f"key,source,value,automations\n{foreign['variable'].key},direct,new,{own['automation'].slug}\n")
    file.chmod(0o600)
    assert ran_command("import_envvars", str(file), "--org", "acme", "--apply").code == 0
    imported = renamed.acme.variables.get(key=foreign["variable"].key)
    assert list(imported.automations.all()) == [own["automation"]]


@pytest.mark.parametrize("automation", [None, "foreign-automation"])
def test_what_is_stored_elsewhere_is_not_explained_here(renamed: Stage, automation: str | None) -> None:
    key = "API_KEY" if automation else renamed.rows["foreign"]["variable"].key
    more = ["--automation", automation] if automation else []
    assert ran_command("explain", "--org", "acme", key, *more).code == 2

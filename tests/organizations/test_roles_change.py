"""Settings > Roles: create, duplicate, edit, delete."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse

from organizations.access import Feature, Level, levels_of, set_levels
from organizations.levels import FEATURE_LABELS, LEVEL_LABELS, SENTENCES
from organizations.models import AuditEvent, Organization, OrganizationGroupPermission, Role, User
from organizations.services import roles
from organizations.services.invitations import invite
from tests.pages import errors_beside, html_of, options_of, text_of, toasts_of, value_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
FIELDS = {
    "name": "Deployers",
    "secret_providers": "read",
    "workload_identity_configs": "none",
    "environment_variables": "manage",
}
LEVELS = {
    Feature.SECRET_PROVIDERS: Level.READ,
    Feature.WORKLOAD_IDENTITY_CONFIGS: Level.NONE,
    Feature.ENVIRONMENT_VARIABLES: Level.MANAGE,
}


def address(name: str, organization: Organization, *role: Role) -> str:
    return reverse(f"role_{name}", args=[organization.uuid, *(one.uuid for one in role)])


def chosen(page: Any) -> list[bool]:
    """Whether each radio button of the page is chosen, feature by feature, level by level."""
    html = html_of(page)
    parts = [part.split(">", 1)[0] for part in html.split('type="radio"')[1:]]
    return ["checked" in part for part in parts]


def last_event(organization: Organization) -> AuditEvent:
    return AuditEvent.objects.filter(organization=organization).latest("id")


@pytest.fixture
def readers(acme: Organization, carol: User) -> Role:
    """Carol's role."""
    return carol.memberships.get().role


# --- Create and duplicate -------------------------------------------------------------------------------------------
def test_a_role_is_created_with_its_levels(acme: Organization, alice: User, sign_in: SignIn) -> None:
    answer = sign_in(alice).post(address("add", acme), FIELDS, follow=True)
    assert toasts_of(answer)[0].title == "Role “Deployers” was created."
    role = acme.roles.get(name="Deployers")
    assert (role.kind, levels_of(role)) == (Role.Kind.CUSTOM, LEVELS)
    event = last_event(acme)
    assert (event.action, event.actor, event.target_label) == ("role:created", alice, "Deployers")
    assert event.details == {
        "levels": ["secret_providers: read", "workload_identity_configs: none", "environment_variables: manage"]
    }


def test_the_form_says_what_each_choice_allows_and_starts_with_nothing(
    acme: Organization, alice: User, sign_in: SignIn
) -> None:
    page = sign_in(alice).get(address("add", acme))
    for feature in Feature:
        assert str(FEATURE_LABELS[feature]) in text_of(page)
        for level in Level:
            assert str(SENTENCES[feature][level]) in text_of(page)
    assert chosen(page) == [True, False, False] * 3
    assert set(LEVEL_LABELS) == set(Level)


def test_a_duplicate_starts_with_the_levels_of_the_role(
    acme: Organization, alice: User, readers: Role, sign_in: SignIn
) -> None:
    client = sign_in(alice)
    page = client.get(address("duplicate", acme, readers))
    assert "Starts with what Credential readers allows." in text_of(page)
    assert chosen(page) == [False, True, False, True, False, False, True, False, False]
    assert value_of(page, "name") is None
    assert client.post(address("duplicate", acme, readers), FIELDS).status_code == 302
    assert levels_of(acme.roles.get(name="Deployers")) == LEVELS
    assert levels_of(readers)[Feature.ENVIRONMENT_VARIABLES] == Level.NONE


def test_a_duplicate_of_the_owner_role_is_no_owner(acme: Organization, alice: User, sign_in: SignIn) -> None:
    owner = acme.roles.get(kind=Role.Kind.OWNER)
    page = sign_in(alice).get(address("duplicate", acme, owner))
    assert chosen(page) == [False, False, True] * 3
    sign_in(alice).post(address("duplicate", acme, owner), FIELDS | {"kind": "owner"})
    assert acme.roles.get(name="Deployers").kind == Role.Kind.CUSTOM


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"name": "admin\u202e"}, "name"),
        ({"name": "owner"}, "name"),
        ({"name": "Member"}, "name"),
        ({"secret_providers": "<b>all</b>"}, "secret_providers"),
        ({"secret_providers": ""}, "secret_providers"),
        ({"environment_variables": "2"}, "environment_variables"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_nothing_is_lost(
    wrong: dict[str, str], field: str, acme: Organization, alice: User, sign_in: SignIn
) -> None:
    answer = sign_in(alice).post(address("add", acme), FIELDS | wrong)
    assert answer.status_code == 422
    assert errors_beside(answer, field)
    assert "<b>all" not in html_of(answer)
    if field == "name":
        assert chosen(answer) == [False, True, False, True, False, False, False, False, True]
    else:
        assert value_of(answer, "name") == "Deployers"
    assert acme.roles.count() == 2


def test_another_organization_may_use_the_same_name(
    acme: Organization, alice: User, umbrella: Organization, mallory: User, sign_in: SignIn
) -> None:
    sign_in(mallory).post(address("add", umbrella), FIELDS)
    assert sign_in(alice).post(address("add", acme), FIELDS).status_code == 302


# --- Edit -----------------------------------------------------------------------------------------------------------
def test_a_changed_level_counts_on_the_next_click(
    acme: Organization, alice: User, carol: User, readers: Role, sign_in: SignIn
) -> None:
    carols, credentials = sign_in(carol), reverse("credential_list", args=[acme.uuid])
    assert carols.get(credentials).status_code == 200
    fields = FIELDS | {"name": "Credential readers", "secret_providers": "none"}
    answer = sign_in(alice).post(address("edit", acme, readers), fields, follow=True)
    assert toasts_of(answer)[0].title == "Role “Credential readers” was saved. It counts from now on."
    assert carols.get(credentials).status_code == 403
    assert carols.get(reverse("variable_list", args=[acme.uuid])).status_code == 200
    event = last_event(acme)
    assert event.action == "role:changed"
    assert event.details == {
        "fields": [],
        "levels": ["secret_providers: none", "environment_variables: manage"],
    }


def test_the_form_shows_what_is_stored_and_how_many_it_concerns(
    acme: Organization, alice: User, readers: Role, sign_in: SignIn
) -> None:
    page = sign_in(alice).get(address("edit", acme, readers))
    assert value_of(page, "name") == "Credential readers"
    assert "1 member has this role." in text_of(page)
    assert chosen(page) == [False, True, False, True, False, False, True, False, False]


def test_saving_what_is_stored_is_no_event(acme: Organization, alice: User, readers: Role, sign_in: SignIn) -> None:
    events = AuditEvent.objects.count()
    fields = {"name": "Credential readers", "secret_providers": "read"}
    rest = dict.fromkeys(("workload_identity_configs", "environment_variables"), "none")
    assert sign_in(alice).post(address("edit", acme, readers), fields | rest).status_code == 302
    assert AuditEvent.objects.count() == events


def test_a_role_keeps_its_own_name_in_another_case_and_takes_no_other_role_s(
    acme: Organization, alice: User, readers: Role, sign_in: SignIn
) -> None:
    client = sign_in(alice)
    assert client.post(address("edit", acme, readers), FIELDS | {"name": "CREDENTIAL readers"}).status_code == 302
    answer = client.post(address("edit", acme, readers), FIELDS | {"name": "OWNER"})
    assert errors_beside(answer, "name") == "Another role of this organization has this name. Choose a different one."
    assert Role.objects.get(pk=readers.pk).name == "CREDENTIAL readers"


def test_the_member_role_takes_levels_and_keeps_its_name(
    acme: Organization, alice: User, bob: User, sign_in: SignIn
) -> None:
    role = acme.roles.get(kind=Role.Kind.MEMBER)
    assert sign_in(alice).post(address("edit", acme, role), FIELDS | {"name": "Renamed"}).status_code == 302
    role.refresh_from_db()
    assert (role.name, levels_of(role)) == ("Member", LEVELS)
    assert sign_in(bob).get(reverse("credential_list", args=[acme.uuid])).status_code == 200


@pytest.mark.parametrize("kind", ["owner", "member"])
def test_the_services_leave_built_in_roles_alone(kind: str, acme: Organization, alice: User) -> None:
    role = acme.roles.get(kind=kind)
    with pytest.raises(ValueError, match="stay"):
        roles.delete_role(role, alice, successor=acme.roles.get(kind="member"))
    if kind == "owner":
        with pytest.raises(ValueError, match="restricted"):
            roles.change_role(role, alice, name="x", levels=LEVELS)


# --- Delete ---------------------------------------------------------------------------------------------------------
def test_a_role_that_nobody_has_is_deleted_with_its_group_and_levels(
    acme: Organization, alice: User, sign_in: SignIn
) -> None:
    role = roles.add_role(acme, alice, name="Deployers", levels=LEVELS)
    client = sign_in(alice)
    page = client.get(address("delete", acme, role))
    assert "0 members have this role." in text_of(page)
    assert options_of(page, "successor") == []
    answer = client.post(address("delete", acme, role), follow=True)
    assert toasts_of(answer)[0].title == "Role “Deployers” was deleted."
    assert not acme.roles.filter(name="Deployers").exists()
    assert not Group.objects.filter(pk=role.group_id).exists()
    assert not OrganizationGroupPermission.objects.filter(group_id=role.group_id).exists()
    assert (last_event(acme).action, last_event(acme).details) == ("role:deleted", {"members": 0})


def test_whoever_has_the_role_gets_another_one_even_if_only_invited(
    acme: Organization, alice: User, carol: User, readers: Role, sign_in: SignIn
) -> None:
    invite(acme, alice, email="ida@acme.example", role=readers)
    client, member = sign_in(alice), acme.roles.get(kind=Role.Kind.MEMBER)
    page = client.get(address("delete", acme, readers))
    assert "2 members have this role." in text_of(page)
    assert options_of(page, "successor") == [str(member.uuid)]  # nobody becomes an owner by the way
    assert client.post(address("delete", acme, readers), {"successor": member.uuid}).status_code == 302
    assert carol.memberships.get().role == member
    assert member.memberships.count() == 2
    assert last_event(acme).details == {"members": 2, "successor": "Member"}


@pytest.mark.parametrize("successor", ["", "x", "owner", "itself", "foreign"])
def test_a_role_in_use_is_not_deleted_without_a_role_for_its_members(
    successor: str, acme: Organization, alice: User, readers: Role, umbrella: Organization, sign_in: SignIn
) -> None:
    values = {
        "owner": str(acme.roles.get(kind="owner").uuid),
        "itself": str(readers.uuid),
        "foreign": str(umbrella.roles.get(kind="member").uuid),
    }
    answer = sign_in(alice).post(address("delete", acme, readers), {"successor": values.get(successor, successor)})
    assert answer.status_code == 422
    assert errors_beside(answer, "successor")
    assert Role.objects.filter(pk=readers.pk).exists()


def test_a_role_that_somebody_got_meanwhile_asks_again(
    acme: Organization, alice: User, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = roles.add_role(acme, alice, name="Deployers", levels=LEVELS)

    def fail(*args: object, **kwargs: object) -> None:
        raise roles.RoleInUseError

    monkeypatch.setattr("organizations.services.roles.delete_role", fail)
    answer = sign_in(alice).post(address("delete", acme, role))
    assert answer["Location"] == address("delete", acme, role)


def test_the_service_refuses_a_role_in_use(acme: Organization, alice: User, readers: Role) -> None:
    with pytest.raises(roles.RoleInUseError):
        roles.delete_role(readers, alice)


# --- Who may --------------------------------------------------------------------------------------------------------
def test_only_an_owner_changes_roles(
    acme: Organization, bob: User, carol: User, mallory: User, readers: Role, sign_in: SignIn
) -> None:
    set_levels(readers, dict.fromkeys(Feature, Level.MANAGE))
    pages = [address("add", acme), *(address(name, acme, readers) for name in ("edit", "duplicate", "delete"))]
    for page in pages:
        for user, status in ((bob, 403), (carol, 403), (mallory, 404)):
            client = sign_in(user)
            assert client.get(page).status_code == client.post(page, FIELDS).status_code == status
    assert levels_of(readers) == dict.fromkeys(Feature, Level.MANAGE)
    assert acme.roles.count() == 3


def test_who_lost_the_owner_role_while_waiting_changes_nothing(acme: Organization, bob: User, readers: Role) -> None:
    for attempt in (
        lambda: roles.add_role(acme, bob, name="Mine", levels=LEVELS),
        lambda: roles.change_role(readers, bob, name="Mine", levels=LEVELS),
        lambda: roles.delete_role(readers, bob, successor=acme.roles.get(kind="member")),
    ):
        with pytest.raises(PermissionDenied):
            attempt()
    assert not acme.roles.filter(name="Mine").exists()


def test_a_change_asks_for_a_fresh_proof(
    acme: Organization, alice: User, readers: Role, sign_in: SignIn, settings: Any
) -> None:
    client = sign_in(alice)
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0
    pages = [address("add", acme), *(address(name, acme, readers) for name in ("edit", "duplicate", "delete"))]
    for page in pages:
        for answer in (client.get(page), client.post(page, FIELDS)):
            assert answer["Location"].startswith("/account/reauthenticate/?next=")
    assert levels_of(readers)[Feature.ENVIRONMENT_VARIABLES] == Level.NONE

"""Settings > Members: change a role, suspend, reactivate, remove, leave."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse

from organizations.models import AuditEvent, Membership, Organization, Role, User
from organizations.services import members
from organizations.services.invitations import invite
from organizations.services.owners import LastOwnerError
from organizations.services.roles import create_role
from tests.pages import errors_beside, options_of, text_of, toasts_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def address(name: str, membership: Membership) -> str:
    return reverse(f"member_{name}", args=[membership.organization.uuid, membership.uuid])


def membership_of(user: User, organization: Organization) -> Membership:
    return Membership.objects.select_related("role", "organization").get(user=user, organization=organization)


def last_event(organization: Organization) -> AuditEvent:
    return AuditEvent.objects.filter(organization=organization).latest("id")


# --- Change role ----------------------------------------------------------------------------------------------------
def test_a_role_is_changed_and_counts_on_the_next_click(
    acme: Organization, alice: User, bob: User, sign_in: SignIn
) -> None:
    bobs, variables = sign_in(bob), reverse("variable_list", args=[acme.uuid])
    assert bobs.get(variables).status_code == 200
    role = create_role(acme, "Guests")
    answer = sign_in(alice).post(address("edit", membership_of(bob, acme)), {"role": role.uuid}, follow=True)
    assert toasts_of(answer)[0].title == "Bob has the role Guests now."
    assert bobs.get(variables).status_code == 403
    event = last_event(acme)
    assert (event.action, event.actor, event.target_uuid) == ("member:role_changed", alice, bob.uuid)
    assert event.details == {"role": "Guests", "previous_role": "Member"}


def test_the_form_offers_the_organization_s_roles_and_starts_with_the_present_one(
    acme: Organization, alice: User, bob: User, umbrella: Organization, sign_in: SignIn
) -> None:
    page = sign_in(alice).get(address("edit", membership_of(bob, acme)))
    assert [acme.roles.get(uuid=uuid).name for uuid in options_of(page, "role")] == ["Member", "Owner"]
    assert f'value="{acme.roles.get(kind="member").uuid}" selected' in page.text


@pytest.mark.parametrize("role", ["foreign", "missing", "", "x", "\0", "00000000-0000-0000-0000-000000000000"])
def test_no_role_but_the_organization_s_own_is_given(
    role: str, acme: Organization, alice: User, bob: User, umbrella: Organization, sign_in: SignIn
) -> None:
    value = str(umbrella.roles.get(kind="owner").uuid) if role == "foreign" else role
    answer = sign_in(alice).post(address("edit", membership_of(bob, acme)), {"role": value})
    assert answer.status_code == 422
    assert errors_beside(answer, "role")
    assert membership_of(bob, acme).role.kind == Role.Kind.MEMBER


def test_a_foreign_role_is_refused_by_the_service_too(
    acme: Organization, alice: User, bob: User, umbrella: Organization
) -> None:
    with pytest.raises(Role.DoesNotExist):
        members.give_role(membership_of(bob, acme), umbrella.roles.get(kind="owner"), alice)


def test_the_same_role_again_is_no_event(acme: Organization, alice: User, bob: User, sign_in: SignIn) -> None:
    events = AuditEvent.objects.count()
    sign_in(alice).post(address("edit", membership_of(bob, acme)), {"role": acme.roles.get(kind="member").uuid})
    assert AuditEvent.objects.count() == events


def test_an_invited_person_gets_another_role_and_the_log_has_the_address_only(
    acme: Organization, alice: User, mallory: User, sign_in: SignIn
) -> None:
    invitation, _token = invite(acme, alice, email=mallory.email, role=acme.roles.get(kind="member"))
    page = sign_in(alice).get(address("edit", invitation.membership))
    assert "Role of mallory@umbrella.example" in text_of(page)
    members.give_role(invitation.membership, create_role(acme, "Guests"), alice)
    assert last_event(acme).target_label == "mallory@umbrella.example"


# --- Suspend and reactivate -----------------------------------------------------------------------------------------
def test_a_suspended_member_s_open_browser_is_shut_out_and_let_in_again(
    acme: Organization, alice: User, bob: User, sign_in: SignIn
) -> None:
    bobs, alices, variables = sign_in(bob), sign_in(alice), reverse("variable_list", args=[acme.uuid])
    assert bobs.get(variables).status_code == 200
    answer = alices.post(address("suspend", membership_of(bob, acme)), follow=True)
    assert toasts_of(answer)[0].title == "Bob is suspended and sees nothing here now."
    assert bobs.get(variables).status_code == 404
    assert last_event(acme).action == "member:suspended"
    answer = alices.post(address("reactivate", membership_of(bob, acme)), follow=True)
    assert toasts_of(answer)[0].title == "Bob is active again."
    assert bobs.get(variables).status_code == 200
    assert last_event(acme).action == "member:reactivated"


def test_suspending_twice_is_suspending_once(acme: Organization, alice: User, bob: User, sign_in: SignIn) -> None:
    client = sign_in(alice)
    client.post(address("suspend", membership_of(bob, acme)))
    events = AuditEvent.objects.count()
    assert client.post(address("suspend", membership_of(bob, acme))).status_code == 302
    assert AuditEvent.objects.count() == events


def test_an_invited_person_is_not_made_active_by_an_owner(
    acme: Organization, alice: User, mallory: User, sign_in: SignIn
) -> None:
    invitation, _token = invite(acme, alice, email=mallory.email, role=acme.roles.get(kind="member"))
    for name in ("suspend", "reactivate"):
        assert sign_in(alice).post(address(name, invitation.membership)).status_code == 404
    members.reactivate(invitation.membership, alice)
    assert membership_of(mallory, acme).state == "invited"


# --- Remove and leave -----------------------------------------------------------------------------------------------
def test_a_member_is_removed_after_a_question(acme: Organization, alice: User, bob: User, sign_in: SignIn) -> None:
    bobs, alices, membership = sign_in(bob), sign_in(alice), membership_of(bob, acme)
    assert "Remove Bob?" in text_of(alices.get(address("remove", membership)))
    assert acme.memberships.filter(user=bob).exists()
    answer = alices.post(address("remove", membership), follow=True)
    assert toasts_of(answer)[0].title == "Bob was removed."
    assert not acme.memberships.filter(user=bob).exists()
    assert bobs.get(reverse("variable_list", args=[acme.uuid])).status_code == 404
    assert User.objects.filter(pk=bob.pk).exists()
    event = last_event(acme)
    assert (event.action, event.target_label, event.details) == ("member:removed", "Bob", {"role": "Member"})


def test_a_member_leaves_by_themselves(acme: Organization, bob: User, sign_in: SignIn) -> None:
    client, leave = sign_in(bob), reverse("member_leave", args=[acme.uuid])
    assert "Leave Acme?" in text_of(client.get(leave))
    answer = client.post(leave, follow=True)
    assert "You left Acme." in text_of(answer)
    assert "You are in no organization yet" in text_of(answer)
    assert last_event(acme).action == "member:left"
    assert last_event(acme).actor == bob


def test_removing_oneself_is_leaving(acme: Organization, alice: User, sign_in: SignIn) -> None:
    client = sign_in(alice)
    assert client.post(address("remove", membership_of(alice, acme)))["Location"].endswith("/settings/members/leave/")
    assert client.post(address("suspend", membership_of(alice, acme))).status_code == 404
    assert membership_of(alice, acme).state == "active"


# --- The last owner -------------------------------------------------------------------------------------------------
def test_the_last_owner_does_not_leave(acme: Organization, alice: User, bob: User, sign_in: SignIn) -> None:
    answer = sign_in(alice).post(reverse("member_leave", args=[acme.uuid]))
    assert answer.status_code == 409
    assert "Alice is the last active owner of Acme. First make somebody else an owner." in text_of(answer)
    assert membership_of(alice, acme).state == "active"


def test_the_last_owner_is_not_demoted(acme: Organization, alice: User, sign_in: SignIn) -> None:
    role = acme.roles.get(kind="member")
    answer = sign_in(alice).post(address("edit", membership_of(alice, acme)), {"role": role.uuid})
    assert answer.status_code == 422
    assert "last active owner" in errors_beside(answer, "role")
    assert membership_of(alice, acme).role.kind == Role.Kind.OWNER


@pytest.mark.parametrize("state", ["invited", "suspended", "deactivated"])
def test_an_owner_who_cannot_sign_in_does_not_count(acme: Organization, alice: User, bob: User, state: str) -> None:
    from .conftest import put_into_state

    members.give_role(membership_of(bob, acme), acme.roles.get(kind="owner"), alice)
    put_into_state(bob, acme, state)
    alices = membership_of(alice, acme)
    for attempt in (members.suspend, members.remove):
        with pytest.raises(LastOwnerError):
            attempt(alices, None)
    with pytest.raises(LastOwnerError):
        members.leave(alices)


def test_an_owner_beside_another_leaves(acme: Organization, alice: User, bob: User, sign_in: SignIn) -> None:
    members.give_role(membership_of(bob, acme), acme.roles.get(kind="owner"), alice)
    assert sign_in(alice).post(reverse("member_leave", args=[acme.uuid])).status_code == 302
    assert list(acme.memberships.values_list("user", flat=True)) == [bob.pk]


def test_who_lost_the_role_while_waiting_changes_nothing(acme: Organization, alice: User, bob: User) -> None:
    for attempt in (
        lambda: members.suspend(membership_of(alice, acme), bob),
        lambda: members.remove(membership_of(alice, acme), bob),
        lambda: members.give_role(membership_of(bob, acme), acme.roles.get(kind="owner"), bob),
    ):
        with pytest.raises(PermissionDenied):
            attempt()
    assert membership_of(bob, acme).role.kind == Role.Kind.MEMBER


# --- Who may --------------------------------------------------------------------------------------------------------
NAMES = ("edit", "suspend", "reactivate", "remove", "resend")


@pytest.mark.parametrize("name", NAMES)
def test_only_an_owner_changes_members(
    name: str, acme: Organization, alice: User, bob: User, carol: User, mallory: User, sign_in: SignIn
) -> None:
    membership = membership_of(carol, acme)
    for user, status in ((bob, 403), (carol, 403), (mallory, 404)):
        answer = sign_in(user).post(address(name, membership), {"role": acme.roles.get(kind="owner").uuid})
        assert answer.status_code == status
    assert membership_of(carol, acme).state == "active"
    assert membership_of(carol, acme).role == membership.role


@pytest.mark.parametrize("name", NAMES)
def test_a_change_asks_for_a_fresh_proof(
    name: str, acme: Organization, alice: User, bob: User, sign_in: SignIn, settings: Any
) -> None:
    client = sign_in(alice)
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0
    answer = client.post(address(name, membership_of(bob, acme)), {"role": acme.roles.get(kind="owner").uuid})
    assert answer["Location"].startswith("/account/reauthenticate/?next=")
    assert membership_of(bob, acme).role.kind == Role.Kind.MEMBER


def test_leaving_asks_for_a_fresh_proof(acme: Organization, bob: User, sign_in: SignIn, settings: Any) -> None:
    client = sign_in(bob)
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0
    answer = client.post(reverse("member_leave", args=[acme.uuid]))
    assert answer["Location"].startswith("/account/reauthenticate/?next=")
    assert acme.memberships.filter(user=bob).exists()


def test_every_permission_of_django_makes_no_owner(acme: Organization, bob: User, sign_in: SignIn) -> None:
    bob.user_permissions.set(Permission.objects.all())
    assert sign_in(bob).get(reverse("member_invite", args=[acme.uuid])).status_code == 403

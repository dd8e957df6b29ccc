"""What a form cannot show: services that are given another organization's row, and counts over all organizations."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from organizations.models import Membership, Role, User
from organizations.services.invitations import invite
from organizations.services.members import add_member, leave
from organizations.services.owners import LastOwnerError
from organizations.services.roles import create_role, delete_role
from tests.builders import restrict_to
from tests.isolation.stage import Stage, face


def membership_in(stage: Stage, user: User) -> Membership:
    return Membership.objects.get(organization=stage.acme, user=user)


def test_nobody_is_invited_with_a_role_of_another_organization(stage: Stage, alice: User) -> None:
    with pytest.raises(Role.DoesNotExist):
        invite(stage.acme, alice, email="new@example.com", role=stage.rows["foreign"]["role"])
    assert not User.objects.filter(email="new@example.com").exists()


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


@pytest.mark.parametrize(
    ("address", "kind"),
    [("credential_list", "credential"), ("variable_list", "variable"), ("automation_list", "automation")],
)
def test_what_another_organization_restricts_is_not_counted_as_hidden_here(
    stage: Stage, bob: User, mallory: User, sign_in: Callable[[User], Client], address: str, kind: str
) -> None:
    role = create_role(stage.acme, "Readers of everything")
    Membership.objects.filter(organization=stage.acme, user=bob).update(role=role)
    client, page = sign_in(bob), reverse(address, args=[stage.acme.uuid])
    before = face(client.get(page), page)
    owner = Membership.objects.get(organization=stage.umbrella, user=mallory)
    restrict_to(stage.rows["foreign"][kind], owner)
    assert face(client.get(page), page) == before

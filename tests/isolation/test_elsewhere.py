"""What another organization stores changes nothing here: its rows in a service's hands, its owners, its defaults."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from credentials import impact
from credentials.forms import default_is_out_of_reach
from credentials.models import ConnectionTest, Credential
from credentials.providers.failures import FailureCode
from organizations.access import Feature, Level, set_levels
from organizations.models import Membership, Role, User
from organizations.services.invitations import invite
from organizations.services.members import add_member, leave
from organizations.services.owners import LastOwnerError
from organizations.services.roles import create_role, delete_role
from tests.builders import restrict_to
from tests.conftest import PASSWORD
from tests.isolation.stage import Stage, face
from tests.pages import toasts_of


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


def test_who_has_access_names_nobody_of_another_organization(
    stage: Stage, alice: User, mallory: User, sign_in: Callable[[User], Client]
) -> None:
    page = sign_in(alice).get(
        reverse("credential_access", args=[stage.acme.uuid, stage.rows["own"]["credential"].uuid])
    )
    assert alice.email in page.content.decode()
    assert mallory.email not in page.content.decode()


def test_a_credential_that_fails_elsewhere_is_no_news_here(stage: Stage, alice: User) -> None:
    credential = stage.rows["foreign"]["credential"]
    credential.last_test = ConnectionTest.objects.create(
        organization=stage.umbrella,
        credential=credential,
        credential_version=credential.version,
        provider="aws",
        ok=False,
    )
    credential.save()
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


def test_a_preview_reads_nothing_with_another_organization_s_default(
    stage: Stage, default_elsewhere: Credential
) -> None:
    (shift,) = impact.default_change(Credential.objects.get(pk=stage.rows["own"]["credential"].pk)).shifts
    assert shift.before == FailureCode.NO_CREDENTIAL

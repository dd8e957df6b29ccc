"""Settings > Members: the list, which every active member may read."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crewadmin.pagination import ROWS_PER_PAGE
from organizations.models import Invitation, Membership, Organization, Role, User
from organizations.services.invitations import invite, mark_sent
from organizations.services.members import suspend
from tests.pages import html_of, rows_of, text_of

from .conftest import put_into_state

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def address(organization: Organization) -> str:
    return reverse("member_list", args=[organization.uuid])


def member_role(organization: Organization) -> Role:
    return organization.roles.get(kind=Role.Kind.MEMBER)


def crowd(organization: Organization, size: int) -> None:
    """Fill up to a number of members, behind the services' back."""
    there = organization.memberships.count()
    people = User.objects.bulk_create(
        User(email=f"person-{number:05}@acme.example", name=f"Person {number}", password="!")
        for number in range(there, size)
    )
    role = member_role(organization)
    Membership.objects.bulk_create(
        Membership(organization=organization, user=person, role=role, state=Membership.State.INVITED)
        if number % 10 == 0
        else Membership(organization=organization, user=person, role=role)
        for number, person in enumerate(people)
    )


def test_a_row_names_the_person_their_role_and_state(
    acme: Organization, alice: User, bob: User, sign_in: SignIn
) -> None:
    first, second = rows_of(sign_in(alice).get(address(acme)))
    assert first.startswith("Alice You alice@acme.example Owner Active")
    assert second.startswith("Bob bob@acme.example Member Active")


def test_an_owner_finds_what_each_state_allows(acme: Organization, alice: User, bob: User, sign_in: SignIn) -> None:
    invitation, _token = invite(acme, alice, email="ida@acme.example", role=member_role(acme))
    mark_sent(invitation)
    own, active, invited = rows_of(sign_in(alice).get(address(acme)))
    assert own.endswith("Change role")
    assert active.endswith("Change role Suspend Remove")
    assert invited.endswith("Change role Send again Revoke")
    suspend(bob.memberships.get(), alice)
    assert rows_of(sign_in(alice).get(address(acme)))[1].endswith("Change role Reactivate Remove")


@pytest.mark.parametrize("name", ["bob", "carol", "nobody"])
def test_every_member_reads_the_list_and_changes_nothing(
    name: str, request: pytest.FixtureRequest, acme: Organization, alice: User, sign_in: SignIn
) -> None:
    page = sign_in(request.getfixturevalue(name)).get(address(acme))
    assert "alice@acme.example" in text_of(page)
    assert reverse("member_leave", args=[acme.uuid]) in html_of(page)
    assert reverse("member_invite", args=[acme.uuid]) not in html_of(page)
    for membership in acme.memberships.all():
        assert str(membership.uuid) not in html_of(page)


@pytest.mark.parametrize("state", ["invited", "suspended", "removed"])
def test_who_is_not_active_sees_no_list(
    acme: Organization, alice: User, bob: User, sign_in: SignIn, state: str
) -> None:
    put_into_state(bob, acme, state)
    assert sign_in(bob).get(address(acme)).status_code == 404


def test_an_invited_person_is_shown_by_address_whatever_another_organization_calls_them(
    acme: Organization, alice: User, umbrella: Organization, mallory: User, sign_in: SignIn
) -> None:
    invite(acme, alice, email=mallory.email, role=member_role(acme))
    client = sign_in(alice)
    assert "Mallory" not in html_of(client.get(address(acme))).replace("mallory@umbrella.example", "")
    assert rows_of(client.get(address(acme), {"q": "Mallory"}))[0].startswith("mallory@umbrella.example Member Invited")
    User.objects.filter(pk=mallory.pk).update(name="Doctor M")
    assert rows_of(client.get(address(acme), {"q": "Doctor"})) == []


def test_a_row_tells_how_an_invitation_stands(acme: Organization, alice: User, sign_in: SignIn) -> None:
    client = sign_in(alice)
    invitation, _token = invite(acme, alice, email="ida@acme.example", role=member_role(acme))
    assert "The mail was not sent" in rows_of(client.get(address(acme)))[1]
    mark_sent(invitation)
    assert "The link expires" in rows_of(client.get(address(acme)))[1]
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "The link expired" in rows_of(client.get(address(acme)))[1]


@pytest.mark.parametrize("query", ["BO", "bob@acme", "ob"])
def test_the_search_looks_into_name_and_address(
    query: str, acme: Organization, alice: User, bob: User, sign_in: SignIn
) -> None:
    (row,) = rows_of(sign_in(alice).get(address(acme), {"q": query}))
    assert "Bob" in row


def test_state_and_role_narrow_the_list(
    acme: Organization, alice: User, bob: User, carol: User, sign_in: SignIn
) -> None:
    client = sign_in(alice)
    suspend(bob.memberships.get(), alice)
    (row,) = rows_of(client.get(address(acme), {"state": "suspended"}))
    assert "Bob" in row
    (row,) = rows_of(client.get(address(acme), {"role": str(carol.memberships.get().role.uuid)}))
    assert "Carol" in row
    page = client.get(address(acme), {"role": str(carol.memberships.get().role.uuid), "state": "suspended"})
    assert "No member matches" in text_of(page)
    assert "Show all" in text_of(page)


def test_another_organization_s_role_finds_what_a_missing_one_finds(
    acme: Organization, alice: User, umbrella: Organization, sign_in: SignIn
) -> None:
    client = sign_in(alice)
    for role in (umbrella.roles.get(kind="owner").uuid, uuid4()):
        page = client.get(address(acme), {"role": str(role)})
        assert "No member matches" in text_of(page)
        assert "umbrella" not in html_of(page)


@pytest.mark.parametrize("text", ["\0", "%", "_", "\\", "'", "é" * 300, "nothing", "[]"])
def test_no_parameter_breaks_the_page(text: str, acme: Organization, alice: User, sign_in: SignIn) -> None:
    client = sign_in(alice)
    for name in ("q", "state", "role", "after", "before"):
        assert client.get(address(acme), {name: text}).status_code == 200, name


def test_a_long_list_comes_in_pages_that_keep_the_filter(acme: Organization, alice: User, sign_in: SignIn) -> None:
    crowd(acme, ROWS_PER_PAGE + 31)
    client = sign_in(alice)
    first = client.get(address(acme), {"state": "active"})
    assert len(rows_of(first)) == ROWS_PER_PAGE
    last = rows_of(first)[-1].split()[2]
    assert f'href="?state=active&amp;after={last.replace("@", "%40")}"' in html_of(first)
    second = client.get(address(acme), {"state": "active", "after": last})
    assert len(rows_of(first) + rows_of(second)) == acme.memberships.filter(state="active").count()


def test_the_list_costs_the_same_queries_however_many_there_are(
    acme: Organization, alice: User, sign_in: SignIn
) -> None:
    client = sign_in(alice)
    counts = {}
    for size in (10, 1000):
        crowd(acme, size)
        with CaptureQueriesContext(connection) as queries:
            assert len(rows_of(client.get(address(acme)))) == min(size, ROWS_PER_PAGE)
        counts[size] = len(queries)
    assert counts == {10: 5, 1000: 5}


def test_hostile_names_are_shown_as_text(acme: Organization, alice: User, bob: User, sign_in: SignIn) -> None:
    User.objects.filter(pk=bob.pk).update(name="<script>alert(1)</script>")
    Role.objects.filter(organization=acme, kind="member").update(name="<b>bold</b>")
    html = html_of(sign_in(alice).get(address(acme)))
    assert "<script>alert" not in html
    assert "<b>bold" not in html


def test_another_organization_s_members_are_not_listed(
    acme: Organization, umbrella: Organization, dora: User, bob: User, mallory: User, sign_in: SignIn
) -> None:
    client = sign_in(dora)
    assert "bob@" not in html_of(client.get(address(umbrella)))
    assert "mallory@" not in html_of(client.get(address(acme)))


def test_who_lost_the_fresh_proof_still_reads(acme: Organization, alice: User, settings: Any, sign_in: SignIn) -> None:
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0
    assert sign_in(alice).get(address(acme)).status_code == 200

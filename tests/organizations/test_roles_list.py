"""Settings > Roles: the list, which every active member may read."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from organizations.access import Feature, Level, set_levels
from organizations.models import Organization, Role, User
from organizations.services.roles import create_role
from tests.pages import html_of, rows_of, text_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def address(organization: Organization) -> str:
    return reverse("role_list", args=[organization.uuid])


def test_a_row_names_the_role_its_levels_and_how_many_have_it(
    acme: Organization, alice: User, carol: User, sign_in: SignIn
) -> None:
    custom, member, owner = rows_of(sign_in(alice).get(address(acme)))
    assert custom == "Credential readers Read None None 1 Edit Duplicate Delete"
    assert member == "Member built-in None None Manage 0 Edit Duplicate"
    sentence = "Manages everything, members and roles too, and cannot be restricted."
    assert owner == f"Owner built-in {sentence} Manage Manage Manage 1 Duplicate"


def test_the_owner_role_is_locked(acme: Organization, alice: User, sign_in: SignIn) -> None:
    client, role = sign_in(alice), acme.roles.get(kind=Role.Kind.OWNER)
    for name in ("role_edit", "role_delete"):
        target = reverse(name, args=[acme.uuid, role.uuid])
        assert target not in html_of(client.get(address(acme)))
        assert client.get(target).status_code == client.post(target, {"name": "x"}).status_code == 404


@pytest.mark.parametrize("name", ["bob", "nobody"])
def test_every_member_reads_the_list_and_changes_nothing(
    name: str, request: pytest.FixtureRequest, acme: Organization, sign_in: SignIn
) -> None:
    page = sign_in(request.getfixturevalue(name)).get(address(acme))
    assert any(row.startswith("Owner built-in") for row in rows_of(page))
    assert reverse("role_add", args=[acme.uuid]) not in html_of(page)
    for role in acme.roles.all():
        assert reverse("role_edit", args=[acme.uuid, role.uuid]) not in html_of(page)


def test_the_number_leads_to_the_members_with_the_role(
    acme: Organization, alice: User, carol: User, sign_in: SignIn
) -> None:
    client, role = sign_in(alice), carol.memberships.get().role
    link = f"{reverse('member_list', args=[acme.uuid])}?role={role.uuid}"
    assert f'href="{link}"' in html_of(client.get(address(acme)))
    (row,) = rows_of(client.get(link))
    assert "Carol" in row


def test_the_search_finds_part_of_a_name(acme: Organization, alice: User, carol: User, sign_in: SignIn) -> None:
    (row,) = rows_of(sign_in(alice).get(address(acme), {"q": "READ"}))
    assert row.startswith("Credential readers")
    page = sign_in(alice).get(address(acme), {"q": "<nothing>"})
    assert "No name contains “<nothing>”." in text_of(page)
    assert "<nothing>" not in html_of(page)


def test_the_list_costs_the_same_queries_however_many_there_are(
    acme: Organization, alice: User, sign_in: SignIn
) -> None:
    client = sign_in(alice)
    counts = {}
    for size in (10, 60):
        for number in range(acme.roles.count(), size):
            set_levels(create_role(acme, f"Role {number:02}"), dict.fromkeys(Feature, Level.READ))
        with CaptureQueriesContext(connection) as queries:
            assert len(rows_of(client.get(address(acme)))) == min(size, 50)
        counts[size] = len(queries)
    assert counts == {10: 5, 60: 5}


def test_another_organization_s_roles_are_not_listed(
    acme: Organization, umbrella: Organization, alice: User, carol: User, mallory: User, sign_in: SignIn
) -> None:
    assert "Credential readers" not in text_of(sign_in(mallory).get(address(umbrella)))
    assert sign_in(mallory).get(address(acme)).status_code == 404

"""The people of the demo: what Members and Roles show on the first day."""

import pytest
from django.test import Client
from django.urls import reverse

from organizations.models import Organization
from sandbox.demo import MEMBER, OWNER, PASSWORD, create_people
from tests.pages import rows_of

pytestmark = pytest.mark.django_db


def test_members_and_roles_show_something_of_each_kind() -> None:
    create_people()
    create_people()  # a second start adds nobody
    client, acme = Client(), Organization.objects.get()
    client.post(reverse("account_login"), {"login": OWNER, "password": PASSWORD})
    members = rows_of(client.get(reverse("member_list", args=[acme.uuid])))
    assert [member.split()[0] for member in members] == ["invited@example.com", "Max", "Olivia", "Vera"]
    assert "Invited" in members[0]
    roles = rows_of(client.get(reverse("role_list", args=[acme.uuid])))
    assert any(role.startswith("Vault keepers Manage None Read 1") for role in roles)
    assert MEMBER in members[1]

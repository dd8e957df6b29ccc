"""Acme with one row of everything, more people, and the addresses of the URLconf."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from credentials.models import Credential
from credentials.services import add_credential
from envvars.models import EnvironmentVariable
from envvars.services.automations import add_automation
from envvars.services.deployments import deploy
from envvars.services.tokens import add_token
from envvars.services.variables import Value, add_variable
from organizations.models import Membership, Organization, User
from organizations.services.members import add_member
from organizations.services.roles import create_role

#: An organization's rows by what the names of their URLs start with.
Rows = dict[str, Any]


def rows_of(organization: Organization, owner: User) -> Rows:
    credential = add_credential(
        organization,
        owner,
        name="aws-prod",
        provider="aws",
        config={"region": "us-east-1", "access_key_id": "AKIAMADEUPEXAMPLE000", "role_arn": ""},
        secrets={"secret_access_key": "made-up-secret-access-key-of-forty-chars"},
        is_default=True,
    )
    variable = add_variable(
        organization, owner, key="API_KEY", value=Value(EnvironmentVariable.Source.DIRECT, text="made-up")
    )
    automation = add_automation(organization, owner, name="Crew", slug="crew", variables=[variable])
    deployment = deploy(automation, owner)
    token, _text = add_token(automation, owner, name="Cluster", lifetime=timedelta(days=30), uuid=uuid4())
    role = create_role(organization, "Deployers")
    address = f"colleague@{organization.slug}.example"  # may be there already, from rows that were deleted since
    colleague = User.objects.filter(email=address).first() or User.objects.create_user(address, name="Colleague")
    member = add_member(organization, colleague, role, by=owner)
    return {
        "credential": credential,
        "variable": variable,
        "automation": automation,
        "deployment": deployment,
        "token": token,
        "role": role,
        "member": member,
    }


@pytest.fixture
def acme_rows(acme: Organization, alice: User) -> Rows:
    return rows_of(acme, alice)


@pytest.fixture
def umbrella_rows(umbrella: Organization, mallory: User) -> Rows:
    return rows_of(umbrella, mallory)


@pytest.fixture
def credential(acme_rows: Rows) -> Credential:
    found: Credential = acme_rows["credential"]
    return found


@pytest.fixture
def nobody(acme: Organization, alice: User) -> User:
    """A member of Acme whose role may do nothing."""
    user = User.objects.create_user("nobody@acme.example", "password of nobody")
    add_member(acme, user, create_role(acme, "Guests"), by=alice)
    return user


@pytest.fixture
def dora(acme: Organization, umbrella: Organization, alice: User) -> User:
    """An owner of both organizations."""
    user = User.objects.create_user("dora@example.com", "password of dora", name="Dora")
    for organization in (acme, umbrella):
        add_member(organization, user, organization.roles.get(kind="owner"), by=None)
    return user


def put_into_state(user: User, organization: Organization, state: str) -> None:
    """Change a membership's state, or the person's own for `deactivated`."""
    if state == "deactivated":
        User.objects.filter(pk=user.pk).update(is_active=False)
    elif state == "removed":
        Membership.objects.filter(user=user, organization=organization).delete()
    else:
        Membership.objects.filter(user=user, organization=organization).update(state=state)

"""A page asks the database as often with a thousand rows as with ten, restricted rows and grants among them."""

import re
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from credentials.models import ConnectionTest, Credential, CredentialPersonGrant
from envvars.models import (
    Automation,
    AutomationPersonGrant,
    EnvironmentVariable,
    SecretReference,
    ServiceToken,
    VariablePersonGrant,
)
from organizations.access import Feature, Level, set_levels
from organizations.audit import changing, record_many
from organizations.models import AuditEvent, Membership, Organization, Role, User
from organizations.services.members import add_member
from organizations.services.roles import create_role
from organizations.sharing import Restrictable
from tests.builders import store_credential

SignIn = Callable[[User], Client]
GRANTS = {
    Credential: CredentialPersonGrant,
    EnvironmentVariable: VariablePersonGrant,
    Automation: AutomationPersonGrant,
}
#: The pages that list something, and the kind of row that they are about.
PAGES = {
    "credential_list": None,
    "credential_detail": Credential,  # its tests, the variables that use it, who has access
    "credential_access": Credential,
    "credential_policy": Credential,
    "credential_delete": Credential,
    "variable_list": None,
    "variable_add": None,
    "variable_edit": EnvironmentVariable,
    "variable_access": EnvironmentVariable,
    "automation_list": None,
    "automation_add": None,
    "automation_detail": Automation,  # its variables, its service tokens, who has access
    "automation_edit": Automation,
    "automation_access": Automation,
    "member_list": None,
    "role_list": None,
}
OF_OWNERS = {"audit_list": None, "member_invite": None}
#: What answers whether somebody may: memberships, levels of roles, grants.
_ABOUT_ACCESS = re.compile(r'FROM "organizations_(membership|organizationgrouppermission)|FROM "\w+(person|role)grant"')


@pytest.fixture
def erin(acme: Organization) -> User:
    """Somebody who manages everything and is no owner: what is restricted is asked for."""
    user = User.objects.create_user("erin@acme.example", name="Erin")
    role = create_role(acme, "Managers")
    set_levels(role, dict.fromkeys(Feature, Level.MANAGE))
    add_member(acme, user, role, by=None)
    return user


def fill(acme: Organization, erin: User, size: int) -> None:
    """Bring every list to this many rows; every fourth is restricted, and half of these are shared."""
    have = Automation.objects.count()
    numbers = range(have, size)
    first = Credential.objects.first() or store_credential(acme, None, "n-first")
    common = {"organization": acme, "provider": "aws"}
    credentials = [
        Credential(name=f"n{number}", config=first.config, secrets={"x": "y"}, restricted=number % 4 == 1, **common)
        for number in numbers
    ]
    variables = [
        EnvironmentVariable(
            key=f"KEY_{number:04}",
            source="credential",
            credential=first,
            reference="s",
            restricted=number % 4 == 1,
            **common,
        )
        for number in numbers
    ]
    automations = [
        Automation(organization=acme, name=f"Crew {number:04}", slug=f"crew-{number}", restricted=number % 4 == 1)
        for number in numbers
    ]
    for rows in (credentials, variables, automations):
        type(rows[0]).objects.bulk_create(rows)
        share_half(rows, erin.memberships.get())
    SecretReference.objects.bulk_create(
        SecretReference(variable=variable, position=0, secret_name=variable.key, version_stage="AWSCURRENT")
        for variable in variables
    )
    crew = Automation.objects.order_by("pk")[0]
    assigned = Automation.variables.through
    assigned.objects.bulk_create(assigned(automation=crew, environmentvariable=variable) for variable in variables)
    assigned.objects.bulk_create(
        (assigned(automation=automation, environmentvariable=variables[0]) for automation in automations),
        ignore_conflicts=True,
    )
    ServiceToken.objects.bulk_create(
        ServiceToken(
            automation=crew,
            name=f"Token {number}",
            prefix=f"crewadmin_{number}",
            hash=b"",
            lifetime=timedelta(days=1),
            expires_at=timezone.now() + timedelta(days=1 if number % 2 else -1),
            created_by=erin,
        )
        for number in numbers
    )
    ConnectionTest.objects.bulk_create(
        ConnectionTest(credential=first, credential_version=1, ok=True, created_by=erin, **common)
        for _number in numbers
    )
    Credential.objects.update(last_test=ConnectionTest.objects.latest("pk"))
    people(acme, numbers, [crew, first, variables[0]])
    happenings = [(AuditEvent.Action.VARIABLE_CREATED, uuid4(), f"KEY_{number}", {}) for number in numbers]
    with changing(acme):
        record_many(acme, erin, happenings)


def share_half(rows: list[Restrictable], member: Membership) -> None:
    """Share every second restricted row with somebody."""
    model = type(rows[0])
    permission = Permission.objects.get(codename=f"read_{model._meta.model_name}")
    GRANTS[model].objects.bulk_create(
        GRANTS[model](content_object=row, membership=member, user=member.user, permission=permission)
        for row in [row for row in rows if row.restricted][::2]
    )


def people(acme: Organization, numbers: range, shared: list[Restrictable]) -> None:
    """Add a person and a role for each number; each of the people gets a grant on what is shared."""
    users = User.objects.bulk_create(User(email=f"p{number}@acme.example", password="!") for number in numbers)
    groups = Group.objects.bulk_create(Group(name=f"group {number}") for number in numbers)
    roles = Role.objects.bulk_create(
        Role(organization=acme, name=f"Role {group.name}", kind=Role.Kind.CUSTOM, group=group) for group in groups
    )
    members = Membership.objects.bulk_create(
        Membership(organization=acme, user=user, role=role) for user, role in zip(users, roles, strict=True)
    )
    for row in shared:
        model = type(row)
        permission = Permission.objects.get(codename=f"read_{model._meta.model_name}")
        GRANTS[model].objects.bulk_create(
            GRANTS[model](content_object=row, membership=one, user=one.user, permission=permission) for one in members
        )


def questions(client: Client, acme: Organization) -> dict[str, list[str]]:
    """Return what each page asks the database; a page about one row is that of the first, which is not restricted."""
    asked = {}
    for name, model in (PAGES | OF_OWNERS).items():
        row = [model._default_manager.order_by("pk")[0].uuid] if model else []
        with CaptureQueriesContext(connection) as queries:
            status = client.get(reverse(name, args=[acme.uuid, *row])).status_code
        if status == 200 or name not in OF_OWNERS:
            assert status == 200, name
            asked[name] = [query["sql"] for query in queries]
    return asked


@pytest.mark.parametrize("who", ["owner", "manager"])
def test_every_list_asks_as_often_with_a_thousand_rows_as_with_ten(
    who: str, acme: Organization, alice: User, erin: User, sign_in: SignIn
) -> None:
    client = sign_in(alice if who == "owner" else erin)
    counts = {}
    for size in (10, 1000):
        fill(acme, erin, size)
        asked = questions(client, acme)
        counts[size] = {name: len(queries) for name, queries in asked.items()}
    assert {name: one for name, one in counts[1000].items() if one > counts[10][name]} == {}
    assert max(counts[10].values()) <= 16
    assert len(counts[10]) == len(PAGES) + (len(OF_OWNERS) if who == "owner" else 0)


@pytest.mark.parametrize("name", ["credential_list", "variable_list", "automation_list"])
def test_a_full_page_asks_at_most_three_times_who_may(
    name: str, acme: Organization, erin: User, sign_in: SignIn
) -> None:
    fill(acme, erin, 120)
    about_access = [query for query in questions(sign_in(erin), acme)[name] if _ABOUT_ACCESS.match(_main(query))]
    assert len(about_access) <= 3, about_access


def _main(query: str) -> str:
    """Return a query from its own FROM on, without those of its sub-selects."""
    while (without := re.sub(r"\([^()]*\)", "", query)) != query:
        query = without
    return query[query.find("FROM ") :]

"""The right to change an object is withdrawn after the page let its owner in, and before the change begins."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from credentials.models import Credential
from organizations.access import Feature, Level, set_levels
from organizations.audit import changing
from organizations.models import AuditEvent, Membership, Organization, Role, User
from organizations.services.members import add_member
from organizations.services.roles import create_role
from organizations.sharing import Grant, may, set_grants
from sandbox import seed
from tests.builders import restrict_to, store_credential
from tests.conftest import PASSWORD

from .conftest import Rows, put_into_state

SignIn = Callable[[User], Client]

CREDENTIAL = {
    "name": "renamed",
    "provider": "aws",
    "region": seed.REGION,
    "access_key_id": seed.READER.access_key_id,
    "role_arn": "",
    "secret_access_key": seed.READER.secret_access_key,
    "external_id": "",
}
VARIABLE = {"key": "RENAMED", "source": "direct", "value": "made-up"}
AUTOMATION = {"name": "renamed", "slug": "renamed"}
TOKEN = {"uuid": str(uuid4()), "name": "Another", "days": "30"}
SHARE = {"share": "1", "holder": "bob@acme.example", "grants": "read"}

#: What changes an object: the address, by name, and what is posted there.
CHANGES: list[tuple[str, str, dict[str, str]]] = [
    ("credential_access", "credential", SHARE | {"grants": "use"}),
    ("variable_access", "variable", SHARE),
    ("automation_access", "automation", SHARE),
    ("credential_access", "credential", {"lift": "1"}),
    ("credential_edit", "credential", CREDENTIAL),
    ("credential_delete", "credential", {}),
    ("credential_make_default", "credential", {}),
    ("variable_edit", "variable", VARIABLE),
    ("variable_delete", "variable", {}),
    ("automation_edit", "automation", AUTOMATION),
    ("automation_delete", "automation", {}),
    ("automation_token_add", "automation", TOKEN),
    ("token_rotate", "token", {"uuid": str(uuid4()), "hours": "1"}),
    ("token_revoke", "token", {}),
]
each_change = pytest.mark.parametrize(("name", "kind", "posted"), CHANGES)


@pytest.fixture
def alice_(alice: User, acme: Organization) -> Membership:
    return alice.memberships.select_related("role", "organization", "user").get()


@pytest.fixture
def managers(acme: Organization) -> Role:
    role = create_role(acme, "Managers")
    set_levels(role, dict.fromkeys(Feature, Level.MANAGE))
    return role


@pytest.fixture
def erin(acme: Organization, managers: Role) -> Membership:
    user = User.objects.create_user("erin@acme.example", PASSWORD, name="Erin")
    return add_member(acme, user, managers, by=None)


@pytest.fixture
def rows(acme_rows: Rows, alice_: Membership, erin: Membership, bob: User) -> Rows:
    """Acme's objects, restricted; Erin manages each, by a grant."""
    Credential.objects.update(is_default=False)
    for kind in ("credential", "variable", "automation"):
        restrict_to(acme_rows[kind], alice_, {erin.user: [Grant.MANAGE]})
    return acme_rows


@pytest.fixture
def in_between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Return a function that has something happen while a change waits for the organization's lock."""

    def prepared(happens: Callable[[], object]) -> None:
        @contextmanager
        def changing_later(organization: Organization) -> Iterator[None]:
            happens()
            with changing(organization):
                yield

        for module in ("organizations.services.managers", "credentials.services"):
            monkeypatch.setattr(f"{module}.changing", changing_later)

    return prepared


def posted_by(user: User, sign_in: SignIn, name: str, row: Any, posted: dict[str, str]) -> int:
    """Post; return the status, which is of an answer that changed nothing in the audit log unless it is a redirect."""
    before = AuditEvent.objects.count()
    response = sign_in(user).post(reverse(name, args=[row.organization.uuid, row.uuid]), posted)
    if response.status_code in (403, 404):
        assert AuditEvent.objects.count() == before
    return int(response.status_code)


@each_change
def test_what_is_posted_here_is_a_change_to_somebody_who_manages_it(
    name: str, kind: str, posted: dict[str, str], rows: Rows, erin: Membership, sign_in: SignIn
) -> None:
    before = AuditEvent.objects.count()
    assert posted_by(erin.user, sign_in, name, rows[kind], posted) in (200, 302)
    assert AuditEvent.objects.count() > before


@each_change
def test_a_grant_that_is_taken_away_in_between_makes_it_nothing(
    name: str,
    kind: str,
    posted: dict[str, str],
    rows: Rows,
    alice: User,
    erin: Membership,
    sign_in: SignIn,
    in_between: Any,
) -> None:
    shared = rows["automation"] if kind == "token" else rows[kind]
    in_between(lambda: set_grants(shared, erin, (), alice))
    assert posted_by(erin.user, sign_in, name, rows[kind], posted) == 404


@each_change
def test_a_grant_that_is_lowered_in_between_is_refused(
    name: str,
    kind: str,
    posted: dict[str, str],
    rows: Rows,
    alice: User,
    erin: Membership,
    sign_in: SignIn,
    in_between: Any,
) -> None:
    shared = rows["automation"] if kind == "token" else rows[kind]
    in_between(lambda: set_grants(shared, erin, {Grant.READ}, alice))
    assert posted_by(erin.user, sign_in, name, rows[kind], posted) == 403


@each_change
def test_a_role_that_is_lowered_in_between_is_refused(
    name: str,
    kind: str,
    posted: dict[str, str],
    rows: Rows,
    managers: Role,
    erin: Membership,
    sign_in: SignIn,
    in_between: Any,
) -> None:
    in_between(lambda: set_levels(managers, dict.fromkeys(Feature, Level.READ)))
    assert posted_by(erin.user, sign_in, name, rows[kind], posted) == 403


@pytest.mark.parametrize("state", ["suspended", "removed", "deactivated"])
def test_a_membership_that_ends_in_between_is_nothing(
    acme: Organization, state: str, rows: Rows, erin: Membership, sign_in: SignIn, in_between: Any
) -> None:
    in_between(lambda: put_into_state(erin.user, acme, state))
    assert posted_by(erin.user, sign_in, "variable_edit", rows["variable"], VARIABLE) == 404


@pytest.mark.parametrize("holder", ["bob@acme.example", "Managers"])
def test_a_holder_who_is_gone_in_between_gets_nothing(
    holder: str, rows: Rows, alice: User, bob: User, managers: Role, sign_in: SignIn, in_between: Any
) -> None:
    def leaves() -> None:
        Membership.objects.filter(user=bob).delete()
        Membership.objects.filter(role=managers).delete()
        managers.delete()

    in_between(leaves)
    posted = SHARE | {"grants": "use", "holder": holder}
    assert posted_by(alice, sign_in, "credential_access", rows["credential"], posted) == 404


def test_who_restricts_an_object_and_is_no_owner_any_more_keeps_managing_it(
    acme: Organization, acme_rows: Rows, alice: User, managers: Role, sign_in: SignIn, in_between: Any
) -> None:
    in_between(lambda: Membership.objects.filter(user=alice).update(role=managers))
    assert posted_by(alice, sign_in, "variable_access", acme_rows["variable"], {"restrict": "1"}) == 302
    assert may(alice.memberships.get(), acme_rows["variable"], Grant.MANAGE)


def test_a_default_that_is_restricted_in_between_stays_the_default(
    acme: Organization, rows: Rows, alice_: Membership, erin: Membership, sign_in: SignIn, in_between: Any
) -> None:
    default = store_credential(acme, None, "aws-open", is_default=True)
    in_between(lambda: Credential.objects.filter(pk=default.pk).update(restricted=True))
    marked, own = CREDENTIAL | {"is_default": "on"}, [acme.uuid, rows["credential"].uuid]
    changes = {
        reverse("credential_make_default", args=own): {},
        reverse("credential_edit", args=own): marked,
        reverse("credential_add", args=[acme.uuid]): marked | {"name": "new"},
    }
    for address, posted in changes.items():
        Credential.objects.filter(pk=default.pk).update(restricted=False)
        assert sign_in(erin.user).post(address, posted).status_code == 404
        assert Credential.objects.get(is_default=True) == default

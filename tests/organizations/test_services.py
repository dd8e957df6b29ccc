"""organizations.services and .models: organizations, roles and members come complete or not at all."""

import pytest
from django.contrib.auth import authenticate
from django.db import IntegrityError, transaction
from django.test import RequestFactory

from crewadmin.sealing import master_key_id
from organizations.models import AuditEvent, DataKey, Membership, Organization, Role, User, public_id
from organizations.services.members import add_member
from organizations.services.organizations import create_organization
from organizations.services.roles import create_role


def test_a_new_organization_has_a_key_its_roles_an_owner_and_a_log(
    acme: Organization, alice: User, settings: pytest.FixtureRequest
) -> None:
    key = acme.data_keys.get()
    assert key.retired_at is None
    assert key.master_key_id == master_key_id(settings.FERNET_KEYS[0])  # type: ignore[attr-defined]  # pytest-django's
    assert {(role.name, role.kind) for role in acme.roles.all()} == {("Owner", "owner"), ("Member", "member")}
    membership = Membership.objects.get()
    assert (membership.user, membership.role.kind, membership.state) == (alice, Role.Kind.OWNER, "active")
    actions = list(acme.audit_events.order_by("id").values_list("action", flat=True))
    assert actions == [AuditEvent.Action.ORGANIZATION_CREATED, AuditEvent.Action.MEMBER_ADDED]


def test_two_organizations_have_different_keys(acme: Organization, umbrella: Organization) -> None:
    one, two = (organization.data_keys.get().wrapped_key.unwrap() for organization in (acme, umbrella))
    assert one != two


def test_a_short_name_is_given_once_and_a_failed_organization_leaves_nothing(acme: Organization, mallory: User) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        create_organization("Other", "acme", mallory)
    assert (Organization.objects.count(), DataKey.objects.count(), Role.objects.count()) == (1, 1, 2)


def test_an_organization_has_one_sealing_key(acme: Organization) -> None:
    key = acme.data_keys.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        DataKey.objects.create(organization=acme, wrapped_key=key.wrapped_key, master_key_id=key.master_key_id)


def test_a_person_is_a_member_once(acme: Organization, bob: User) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        add_member(acme, bob, acme.roles.get(kind=Role.Kind.OWNER), by=None)
    assert bob.memberships.get().role.kind == Role.Kind.MEMBER


def test_a_role_of_another_organization_is_refused(acme: Organization, umbrella: Organization, mallory: User) -> None:
    with pytest.raises(ValueError, match="another organization"):
        add_member(acme, mallory, umbrella.roles.get(kind=Role.Kind.OWNER), by=None)
    assert not acme.memberships.filter(user=mallory).exists()


@pytest.mark.parametrize(("name", "kind"), [("Owner", "custom"), ("Second owner", "owner")])
def test_role_names_and_built_in_roles_are_unique(acme: Organization, name: str, kind: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        create_role(acme, name, Role.Kind(kind))


def test_custom_roles_are_as_many_as_one_likes(acme: Organization) -> None:
    create_role(acme, "One")
    create_role(acme, "Two")
    assert acme.roles.count() == 4


# --- People ---------------------------------------------------------------------------------------------------------
def test_an_address_is_stored_in_lower_case_and_found_in_any(db: None) -> None:
    user = User.objects.create_user("Alice@ACME.example", "a long password")
    assert user.email == "alice@acme.example"
    assert User.objects.get_by_natural_key("ALICE@acme.EXAMPLE") == user
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user("ALICE@acme.example")


def test_a_person_without_a_password_cannot_sign_in(rf: RequestFactory, db: None) -> None:
    user = User.objects.create_user("new@acme.example")
    assert not user.has_usable_password()
    for password in ("", "None"):
        assert authenticate(rf.get("/"), email=user.email, password=password) is None


def test_a_person_is_shown_by_name_or_address(db: None) -> None:
    assert str(User(email="a@b.example", name="Alice")) == "Alice"
    assert str(User(email="a@b.example")) == "a@b.example"


@pytest.mark.parametrize("value", ["", "1", None, "acme", "00000000-0000-0000-0000-00000000000g", b"\xff"])
def test_what_is_no_public_id_is_none(value: object) -> None:
    assert public_id(value) is None


def test_a_public_id_is_read_from_text(acme: Organization) -> None:
    assert public_id(str(acme.uuid)) == public_id(acme.uuid) == acme.uuid

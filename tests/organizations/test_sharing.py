"""organizations.sharing: who gets to a restricted object; the page is tested here too, it is one for all kinds."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credentials.models import Credential, CredentialPersonGrant, CredentialRoleGrant
from envvars.models import Automation
from organizations.access import Feature, Level, set_levels
from organizations.models import AuditEvent, Membership, Organization, Role, User
from organizations.services.members import add_member
from organizations.services.roles import create_role
from organizations.services.sharing import NotRestrictedError, lift, restrict, share
from organizations.sharing import Grant, grants_of, hidden_count, may, object_of, set_grants, visible
from organizations.who_has_access import MOST, effect_of, in_words, who_has_access
from tests.builders import restrict_to, store_automation, store_credential, store_direct
from tests.conftest import PASSWORD
from tests.organizations.conftest import Rows, put_into_state
from tests.pages import errors_beside, html_of, text_of, toasts_of

SignIn = Callable[[User], Client]
READ, USE, MANAGE = Grant.READ, Grant.USE, Grant.MANAGE


def member(user: User) -> Membership:
    return user.memberships.select_related("role", "organization", "user").get()


@pytest.fixture
def alice_(alice: User, acme: Organization) -> Membership:
    return member(alice)


@pytest.fixture
def managers(acme: Organization) -> Role:
    """A role that manages everything without being an owner."""
    role = create_role(acme, "Managers")
    set_levels(role, dict.fromkeys(Feature, Level.MANAGE))
    return role


@pytest.fixture
def erin(acme: Organization, managers: Role) -> User:
    user = User.objects.create_user("erin@acme.example", PASSWORD, name="Erin")
    add_member(acme, user, managers, by=None)
    return user


@pytest.fixture
def frank(acme: Organization, managers: Role) -> User:
    user = User.objects.create_user("frank@acme.example", PASSWORD, name="Frank")
    add_member(acme, user, managers, by=None)
    return user


# --- What a grant allows --------------------------------------------------------------------------------------------
def held_by(user: User, row: Credential) -> set[Grant]:
    return {grant for grant in Grant if may(member(user), row, grant)}


def test_everybody_has_what_is_not_restricted(erin: User, credential: Credential) -> None:
    assert held_by(erin, credential) == set(Grant)


def test_owners_have_everything_and_the_others_nothing(
    alice: User, alice_: Membership, erin: User, credential: Credential
) -> None:
    restrict_to(credential, alice_)
    assert held_by(alice, credential) == set(Grant)
    assert held_by(erin, credential) == set()


@pytest.mark.parametrize(
    ("granted", "holds"), [({READ}, {READ}), ({USE}, {USE}), ({READ, USE}, {READ, USE}), ({MANAGE}, set(Grant))]
)
def test_read_and_use_are_two_things_and_manage_is_both(
    alice_: Membership, erin: User, frank: User, credential: Credential, granted: set[Grant], holds: set[Grant]
) -> None:
    restrict_to(credential, alice_, {erin: granted})
    assert held_by(erin, credential) == holds
    assert held_by(frank, credential) == set()


def test_a_role_that_was_given_a_grant_gives_it_to_its_members(
    alice_: Membership, erin: User, frank: User, carol: User, managers: Role, credential: Credential
) -> None:
    restrict_to(credential, alice_, {managers: [READ]})
    assert held_by(erin, credential) == held_by(frank, credential) == {READ}
    assert held_by(carol, credential) == set()


def test_whoever_restricts_an_object_keeps_managing_it(erin: User, credential: Credential) -> None:
    restrict(credential, member(erin))
    assert held_by(erin, credential) == set(Grant)


def test_a_later_grant_replaces_the_earlier_one(alice_: Membership, erin: User, credential: Credential) -> None:
    restrict_to(credential, alice_, {erin: [MANAGE]})
    share(credential, alice_, member(erin), [USE])
    assert held_by(erin, credential) == {USE}
    share(credential, alice_, member(erin), [])
    assert held_by(erin, credential) == set()


def test_a_grant_never_reaches_another_organization(
    alice_: Membership, umbrella: Organization, umbrella_rows: Rows, dora: User, mallory: User, credential: Credential
) -> None:
    theirs = umbrella_rows["credential"]
    restrict_to(credential, alice_)
    assert not may(dora.memberships.get(organization=umbrella), credential, READ), "an owner there is nobody here"
    assert not visible(Credential.objects.filter(pk=theirs.pk), alice_, READ).exists()
    with pytest.raises(ValueError, match="cannot"):
        share(credential, alice_, member(mallory), [READ])
    with pytest.raises(ValueError, match="cannot"):
        share(credential, alice_, umbrella.roles.get(kind=Role.Kind.MEMBER), [READ])


def test_only_credentials_can_be_used(alice_: Membership, erin: User, acme_rows: Rows) -> None:
    for kind in ("variable", "automation"):
        restrict(acme_rows[kind], alice_)
        with pytest.raises(ValueError, match="cannot"):
            share(acme_rows[kind], alice_, member(erin), [USE])


def test_what_is_not_restricted_is_not_shared(alice_: Membership, erin: User, credential: Credential) -> None:
    with pytest.raises(NotRestrictedError):
        share(credential, alice_, member(erin), [READ])
    assert grants_of(credential) == []


def test_lifting_a_restriction_forgets_its_grants(alice_: Membership, erin: User, credential: Credential) -> None:
    restrict_to(credential, alice_, {erin: [MANAGE]})
    lift(credential, alice_)
    assert held_by(erin, credential) == set(Grant)
    restrict_to(credential, alice_)
    assert held_by(erin, credential) == set()


def test_restricting_and_lifting_twice_changes_nothing(alice_: Membership, credential: Credential) -> None:
    for service in (restrict, restrict, lift, lift):
        service(credential, alice_)
    assert AuditEvent.objects.filter(action__startswith="sharing:").count() == 2


# --- Grants vanish --------------------------------------------------------------------------------------------------
def grants_stored() -> int:
    return CredentialPersonGrant.objects.count() + CredentialRoleGrant.objects.count()


def test_grants_vanish_with_the_membership_and_do_not_come_back_with_it(
    acme: Organization, alice_: Membership, managers: Role, erin: User, credential: Credential
) -> None:
    restrict_to(credential, alice_, {erin: [MANAGE]})
    put_into_state(erin, acme, "removed")
    assert grants_stored() == 0
    add_member(acme, erin, managers, by=None)
    assert held_by(erin, credential) == set()


def test_grants_vanish_with_the_role(
    acme: Organization, alice_: Membership, carol: User, managers: Role, credential: Credential
) -> None:
    restrict_to(credential, alice_, {managers: [READ]})
    managers.delete()
    assert grants_stored() == 0


def test_a_change_of_role_takes_the_old_roles_grants_away(
    acme: Organization, alice_: Membership, erin: User, managers: Role, credential: Credential
) -> None:
    restrict_to(credential, alice_, {managers: [READ]})
    Membership.objects.filter(user=erin).update(role=acme.roles.get(kind=Role.Kind.MEMBER))
    assert held_by(erin, credential) == set()


def test_grants_vanish_with_the_object_and_a_key_that_is_used_again_has_none(
    acme: Organization, alice: User, alice_: Membership, erin: User, managers: Role, credential: Credential
) -> None:
    restrict_to(credential, alice_, {erin: [MANAGE], managers: [READ]})
    key = credential.pk
    credential.delete()
    assert grants_stored() == 0
    other = store_credential(acme, alice)
    Credential.objects.filter(pk=other.pk).update(id=key, restricted=True)
    assert held_by(erin, Credential.objects.get(pk=key)) == set()


def test_suspended_members_get_nowhere(
    acme: Organization, alice_: Membership, erin: User, credential: Credential, sign_in: SignIn
) -> None:
    restrict_to(credential, alice_, {erin: [MANAGE]})
    put_into_state(erin, acme, "suspended")
    address = reverse("credential_detail", args=[acme.uuid, credential.uuid])
    assert sign_in(erin).get(address).status_code == 404


# --- Many rows ------------------------------------------------------------------------------------------------------
def test_a_check_of_fifty_rows_is_part_of_their_query(
    acme: Organization, alice_: Membership, erin: User, django_assert_num_queries: Any
) -> None:
    for number in range(50):
        restrict_to(store_automation(acme, f"Crew {number}", f"crew-{number}"), alice_, {erin: [READ]})
    erin_ = member(erin)
    with django_assert_num_queries(1):
        assert len(visible(Automation.objects.for_organization(acme), erin_, READ)) == 50
    with django_assert_num_queries(0):
        assert hidden_count(Automation, alice_) == 0
    with django_assert_num_queries(1):
        assert hidden_count(Automation, erin_) == 0


LISTS = ("credential_list", "variable_list", "automation_list")


def test_how_many_rows_are_hidden_does_not_depend_on_the_search(
    acme: Organization, alice_: Membership, bob: User, sign_in: SignIn
) -> None:
    """Otherwise the count would spell out hidden names letter by letter."""
    restrict_to(store_direct(acme, "SECRET_PROJECT", "x"), alice_)
    client, address = sign_in(bob), reverse("variable_list", args=[acme.uuid])
    for query in ("", "SECRET", "NOTHING"):
        assert "1 is hidden from you." in text_of(client.get(address, {"q": query}))


def test_nothing_is_said_where_nothing_is_hidden(
    acme: Organization, alice: User, alice_: Membership, bob: User, umbrella_rows: Rows, sign_in: SignIn
) -> None:
    Automation.objects.filter(organization=umbrella_rows["automation"].organization).update(restricted=True)
    restrict_to(store_direct(acme, "API_KEY", "x"), alice_)
    for name in LISTS:
        assert "hidden from you" not in text_of(sign_in(alice).get(reverse(name, args=[acme.uuid])))
    assert "hidden from you" not in text_of(sign_in(bob).get(reverse("automation_list", args=[acme.uuid])))


# --- Who has access -------------------------------------------------------------------------------------------------
def panel(row: Any) -> dict[str, tuple[str, list[str]]]:
    return {person.name: (person.may, person.reasons) for person in who_has_access(row).people}


def test_the_panel_names_people_with_the_reason(
    alice_: Membership, bob: User, carol: User, erin: User, frank: User, managers: Role, credential: Credential
) -> None:
    assert panel(credential) == {
        "Alice": ("manage", ["owner"]),
        "Carol": ("read", ["role Credential readers"]),
        "Erin": ("manage", ["role Managers"]),
        "Frank": ("manage", ["role Managers"]),
    }
    restrict_to(credential, alice_, {managers: [READ], frank: [MANAGE], bob: [USE]})
    assert panel(credential) == {
        "Alice": ("manage", ["owner"]),
        "Bob": ("use", ["shared by Alice"]),
        "Erin": ("read", ["role Managers, shared by Alice"]),
        "Frank": ("manage", ["role Managers, shared by Alice", "shared by Alice"]),
    }


def test_the_panel_leaves_out_what_has_no_effect_and_who_is_not_active(
    acme: Organization, alice_: Membership, bob: User, erin: User, frank: User, credential: Credential
) -> None:
    restrict_to(credential, alice_, {bob: [READ], erin: [READ], frank: [READ]})
    put_into_state(erin, acme, "suspended")
    put_into_state(frank, acme, "deactivated")
    assert set(panel(credential)) == {"Alice"}


@pytest.mark.parametrize(
    ("granted", "level", "counts"),
    [
        ({READ}, Level.NONE, set()),
        ({USE}, Level.NONE, {USE}),
        ({MANAGE}, Level.NONE, {USE}),
        ({MANAGE}, Level.READ, {READ, USE}),
        ({READ}, Level.MANAGE, {READ}),
        ({MANAGE}, Level.MANAGE, set(Grant)),
    ],
)
def test_a_role_caps_what_was_granted(
    credential: Credential, granted: set[Grant], level: Level, counts: set[Grant]
) -> None:
    assert effect_of(credential, frozenset(granted), level) == counts


def test_grants_read_as_words() -> None:
    sets = [frozenset({READ}), frozenset({USE}), frozenset({READ, USE}), frozenset({MANAGE, READ})]
    assert [in_words(grants) for grants in sets] == ["read", "use", "read and use", "manage"]


def test_a_long_panel_says_how_many_more_there_are(
    acme: Organization, managers: Role, credential: Credential, django_assert_max_num_queries: Any
) -> None:
    people = User.objects.bulk_create(User(email=f"p{n}@acme.example", name=f"P{n:03}") for n in range(MOST + 5))
    Membership.objects.bulk_create(Membership(organization=acme, user=one, role=managers) for one in people)
    with django_assert_max_num_queries(6):
        found = who_has_access(credential)
    assert (len(found.people), found.more) == (MOST, 6)  # Alice stands first
    assert found.people[0].name == "Alice"


def test_a_share_outlives_the_person_who_gave_it(
    alice_: Membership, erin: User, frank: User, credential: Credential
) -> None:
    credential = restrict(credential, member(frank))
    share(credential, member(frank), member(erin), [READ])
    frank.delete()
    assert panel(credential)["Erin"] == ("read", ["shared by a person who is gone"])


# --- The page -------------------------------------------------------------------------------------------------------
KINDS = ("credential", "variable", "automation")


def page_of(kind: str, organization: Organization, row: Any) -> str:
    return reverse(f"{kind}_access", args=[organization.uuid, row.uuid])


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_is_restricted_shared_taken_away_and_given_back(
    acme: Organization, alice: User, erin: User, acme_rows: Rows, sign_in: SignIn, kind: str
) -> None:
    row, client = acme_rows[kind], sign_in(alice)
    address = page_of(kind, acme, row)
    assert "Not restricted" in text_of(client.get(address))
    page = client.post(address, {"restrict": "1"}, follow=True)
    assert toasts_of(page)[0].title == f"“{row}” is restricted now."
    assert "Nobody yet." in text_of(page)
    page = client.post(address, {"share": "1", "holder": "Erin@acme.example", "grants": "read"}, follow=True)
    assert "Erin erin@acme.example shared by Alice read" in text_of(page)
    assert may(member(erin), row, READ)
    page = client.post(address, {"remove": str(member(erin).uuid)}, follow=True)
    assert "Nobody yet." in text_of(page)
    assert not may(member(erin), row, READ)
    client.post(address, {"share": "1", "holder": "managers", "grants": "manage"})
    assert may(member(erin), row, MANAGE)
    assert "Not restricted" in text_of(client.post(address, {"lift": "1"}, follow=True))
    assert may(member(erin), row, MANAGE)


def test_every_change_is_audited_with_names_and_grants(
    acme: Organization, alice: User, bob: User, credential: Credential, sign_in: SignIn
) -> None:
    client, address = sign_in(alice), page_of("credential", acme, credential)
    client.post(address, {"restrict": "1"})
    client.post(address, {"share": "1", "holder": bob.email, "grants": "use"})
    client.post(address, {"remove": str(member(bob).uuid)})
    client.post(address, {"lift": "1"})
    events = AuditEvent.objects.filter(action__startswith="sharing:").order_by("id")
    assert list(events.values_list("action", "target_label", "details")) == [
        ("sharing:restricted", "aws-prod", {}),
        ("sharing:changed", "aws-prod", {"holder": bob.email, "grants": ["use"]}),
        ("sharing:changed", "aws-prod", {"holder": bob.email, "grants": []}),
        ("sharing:lifted", "aws-prod", {}),
    ]
    assert {event.actor for event in events} == {alice}


@pytest.mark.parametrize(
    ("holder", "grants", "field"),
    [
        ("", "read", "holder"),
        ("nobody@nowhere.example", "read", "holder"),
        ("mallory@umbrella.example", "read", "holder"),
        ("Umbrella only", "read", "holder"),
        ("alice@acme.example", "read", "holder"),
        ("Owner", "read", "holder"),
        ("frank@acme.example", "read", "holder"),
        ("a\0b", "read", "holder"),
        ("x" * 300, "read", "holder"),
        ("erin@acme.example", "own", "grants"),
        ("erin@acme.example", "", "grants"),
        ("bob@acme.example", "read", "grants"),
        ("Credential readers", "manage", "grants"),
    ],
)
def test_what_cannot_be_shared_is_refused_beside_its_field(
    acme: Organization,
    umbrella: Organization,
    alice: User,
    alice_: Membership,
    bob: User,
    carol: User,
    erin: User,
    frank: User,
    credential: Credential,
    sign_in: SignIn,
    holder: str,
    grants: str,
    field: str,
) -> None:
    create_role(umbrella, "Umbrella only")
    put_into_state(frank, acme, "suspended")
    restrict_to(credential, alice_)
    address = page_of("credential", acme, credential)
    response = sign_in(alice).post(address, {"share": "1", "holder": holder, "grants": grants})
    assert response.status_code == 422
    assert errors_beside(response, field)
    assert grants_of(credential) == []


@pytest.mark.parametrize("uuid", ["", "1", "00000000-0000-0000-0000-000000000000"])
def test_only_a_share_that_is_there_is_taken_away(
    acme: Organization, alice: User, alice_: Membership, erin: User, credential: Credential, sign_in: SignIn, uuid: str
) -> None:
    restrict_to(credential, alice_, {erin: [READ]})
    address = page_of("credential", acme, credential)
    assert sign_in(alice).post(address, {"remove": uuid}).status_code == 302
    assert sign_in(alice).post(address, {}).status_code == 302
    assert len(grants_of(credential)) == 1


def test_sharing_what_was_given_back_meanwhile_changes_nothing(
    acme: Organization, alice: User, erin: User, credential: Credential, sign_in: SignIn
) -> None:
    address = page_of("credential", acme, credential)
    page = sign_in(alice).post(address, {"share": "1", "holder": erin.email, "grants": "read"}, follow=True)
    assert toasts_of(page)[0].title == "Nothing was changed: “aws-prod” is not restricted."


def test_who_gives_away_the_own_access_is_led_to_the_list(
    acme: Organization, erin: User, credential: Credential, sign_in: SignIn
) -> None:
    restrict(credential, member(erin))
    response = sign_in(erin).post(page_of("credential", acme, credential), {"remove": str(member(erin).uuid)})
    assert response["Location"] == reverse("credential_list", args=[acme.uuid])
    assert sign_in(erin).get(page_of("credential", acme, credential)).status_code == 404


def test_the_names_offered_are_the_organizations_own(
    acme: Organization,
    umbrella: Organization,
    mallory: User,
    alice: User,
    alice_: Membership,
    bob: User,
    credential: Credential,
    sign_in: SignIn,
) -> None:
    create_role(umbrella, "Umbrella only")
    restrict_to(credential, alice_)
    html = html_of(sign_in(alice).get(page_of("credential", acme, credential)))
    assert 'value="bob@acme.example"' in html
    assert 'value="Member"' in html
    for name in ("mallory@umbrella.example", "Umbrella only", "alice@acme.example", 'value="Owner"'):
        assert f'<option value="{name}"' not in html


def test_a_stale_proof_is_asked_for_first(acme: Organization, alice: User, credential: Credential) -> None:
    client = Client()
    client.force_login(alice)
    response = client.post(page_of("credential", acme, credential), {"restrict": "1"})
    assert response["Location"].startswith("/account/reauthenticate/")
    assert not Credential.objects.get(pk=credential.pk).restricted


# --- Every address of a restricted object, by everybody -------------------------------------------------------------
ADDRESSES: dict[str, tuple[str, ...]] = {
    "credential": ("detail", "edit", "delete", "access", "policy", "make_default", "test", "check_trust", "edit_test"),
    "variable": ("edit", "delete", "access"),
    "automation": ("detail", "check", "edit", "delete", "access"),
}
ONLY_READ = {"credential_detail", "credential_test", "automation_detail", "automation_check"}
NAMES = [f"{kind}_{name}" for kind, names in ADDRESSES.items() for name in names]


def addresses_of(name: str, organization: Organization, row: Any) -> str:
    return reverse(name, args=[organization.uuid, row.uuid])


def answers(client: Client, address: str) -> list[tuple[Any, ...]]:
    """What a visitor gets by GET and by POST, to the byte, and at what cost."""
    found = []
    for method in ("get", "post"):
        with CaptureQueriesContext(connection) as queries:
            response = getattr(client, method)(address)
        found.append((response.status_code, response.content, sorted(response.headers.items()), len(queries)))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_what_is_hidden_answers_as_what_does_not_exist(
    acme: Organization, alice_: Membership, erin: User, acme_rows: Rows, sign_in: SignIn, name: str
) -> None:
    row = acme_rows[name.split("_")[0]]
    restrict_to(row, alice_)
    client, events = sign_in(erin), AuditEvent.objects.count()
    hidden = answers(client, addresses_of(name, acme, row))
    missing = answers(client, addresses_of(name, acme, alice_))  # no object has a membership's id
    assert hidden == missing
    assert {answer[0] for answer in hidden} <= {404, 405}
    assert AuditEvent.objects.count() == events


@pytest.mark.parametrize("by", ["person", "role"])
@pytest.mark.parametrize("name", NAMES)
def test_who_may_read_a_restricted_object_changes_nothing(
    acme: Organization,
    alice_: Membership,
    erin: User,
    managers: Role,
    acme_rows: Rows,
    sign_in: SignIn,
    name: str,
    by: str,
) -> None:
    row = acme_rows[name.split("_")[0]]
    restrict_to(row, alice_, {erin if by == "person" else managers: [READ]})
    before = type(row).objects.filter(pk=row.pk).values().get()
    statuses = {answer[0] for answer in answers(sign_in(erin), addresses_of(name, acme, row))} - {405}
    assert statuses <= ({200, 302} if name in ONLY_READ else {403})
    assert statuses
    if name not in ONLY_READ:
        assert type(row).objects.filter(pk=row.pk).values().get() == before


@pytest.mark.parametrize("by", ["person", "role", "owner"])
@pytest.mark.parametrize("name", NAMES)
def test_who_manages_a_restricted_object_opens_all_of_it(
    acme: Organization,
    alice: User,
    alice_: Membership,
    erin: User,
    managers: Role,
    acme_rows: Rows,
    sign_in: SignIn,
    name: str,
    by: str,
) -> None:
    row = acme_rows[name.split("_")[0]]
    restrict_to(row, alice_, {erin if by == "person" else managers: [MANAGE]})
    client = sign_in(alice if by == "owner" else erin)
    assert client.get(addresses_of(name, acme, row)).status_code in (200, 405)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("credential")])
def test_use_opens_no_page(
    acme: Organization, alice_: Membership, erin: User, bob: User, acme_rows: Rows, sign_in: SignIn, name: str
) -> None:
    row = acme_rows["credential"]
    restrict_to(row, alice_, {erin: [USE], bob: [USE]})
    assert {answer[0] for answer in answers(sign_in(erin), addresses_of(name, acme, row))} <= {404, 405}
    assert {answer[0] for answer in answers(sign_in(bob), addresses_of(name, acme, row))} <= {403}


@pytest.mark.parametrize("name", NAMES)
def test_a_stranger_gets_what_a_stranger_gets(
    acme: Organization,
    alice_: Membership,
    mallory: User,
    umbrella: Organization,
    acme_rows: Rows,
    sign_in: SignIn,
    name: str,
) -> None:
    row = acme_rows[name.split("_")[0]]
    restrict_to(row, alice_)
    client = sign_in(mallory)
    assert answers(client, addresses_of(name, acme, row)) == answers(client, addresses_of(name, acme, alice_))


def test_a_level_that_is_missing_is_said_first(
    acme: Organization, alice_: Membership, bob: User, nobody: User, acme_rows: Rows, sign_in: SignIn
) -> None:
    restrict_to(acme_rows["credential"], alice_, {bob: [MANAGE]})
    address = addresses_of("credential_edit", acme, acme_rows["credential"])
    assert [sign_in(user).get(address).status_code for user in (bob, nobody)] == [403, 403]


def test_grants_are_stored_for_the_kind_of_object_only(
    acme: Organization, alice: User, alice_: Membership, erin: User, acme_rows: Rows
) -> None:
    restrict_to(acme_rows["credential"], alice_, {erin: [READ]})
    assert [share.grants for share in grants_of(acme_rows["credential"])] == [{READ}]
    assert grants_of(acme_rows["variable"]) == grants_of(acme_rows["automation"]) == []
    set_grants(acme_rows["credential"], member(erin), [MANAGE], alice)
    assert [(share.grants, share.by) for share in grants_of(acme_rows["credential"])] == [({MANAGE}, alice)]
    assert object_of(Credential.objects.all(), member(erin), acme_rows["credential"].uuid).managed

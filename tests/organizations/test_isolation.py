"""Who gets in where: every address of an organization, by everybody who should not and everybody who should."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from organizations.access import Feature, Level, set_levels
from organizations.models import AuditEvent, Organization, Role, User
from organizations.services.members import add_member
from organizations.services.roles import create_role

from .conftest import Rows, put_into_state
from .urlconf import OF_EVERY_MEMBER, Url, organization_urls

SignIn = Callable[[User], Client]

URLS = organization_urls()
WITH_OBJECT = [url for url in URLS if "uuid" in url.captures]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Missing:
    """Rows that do not exist."""

    def __init__(self) -> None:
        self.uuid = uuid4()


MISSING: Rows = dict.fromkeys(
    ("credential", "variable", "automation", "deployment", "token", "member", "role"), Missing()
)


def statuses(
    client: Client, organization: UUID, rows: Rows, urls: Iterable[Url] = URLS, methods: Iterable[str] = METHODS
) -> dict[int, set[str]]:
    """Ask everything; return the requests by the status of their answers."""
    found: dict[int, set[str]] = {}
    for url in urls:
        for method in methods:
            answer = client.generic(method, url.of(organization, rows))
            found.setdefault(answer.status_code, set()).add(f"{method} {url.name}")
    return found


def face(answer: HttpResponse) -> tuple[object, ...]:
    """All that a visitor gets of an answer."""
    return answer.status_code, answer.content, sorted(answer.headers.items()), answer.cookies.output()


def ask(client: Client, method: str, address: str) -> tuple[object, ...]:
    """Return what a visitor gets, and how many queries it took."""
    with CaptureQueriesContext(connection) as queries:
        answer = client.generic(method, address)
    return *face(answer), len(queries)


def test_there_is_an_address_for_every_kind_of_row() -> None:
    assert {url.name.split("_")[0] for url in WITH_OBJECT} == set(MISSING)
    assert len(URLS) > 15


# --- Who does not get in --------------------------------------------------------------------------------------------
def test_anonymous_visitors_are_sent_to_the_sign_in(acme: Organization, acme_rows: Rows) -> None:
    client = Client()
    assert set(statuses(client, acme.uuid, acme_rows)) == {302}
    for url in URLS:
        address = url.of(acme.uuid, acme_rows)
        assert client.get(address)["Location"] == f"/account/login/?next={address}"


def stranger(name: str, request: pytest.FixtureRequest, acme: Organization) -> User:
    """Return somebody who is no active member of Acme."""
    if name == "superuser":
        return User.objects.create_superuser("root@example.com", "root password")
    if name == "no organization":
        return User.objects.create_user("alone@example.com", "alone password")
    if name == "mallory":
        user: User = request.getfixturevalue("mallory")
        return user
    member = User.objects.create_user("ex@acme.example", "password of ex")
    add_member(acme, member, acme.roles.get(kind=Role.Kind.OWNER), by=None)
    put_into_state(member, acme, name)
    return member


STRANGERS = ("mallory", "no organization", "superuser", "suspended", "invited", "removed")


@pytest.mark.parametrize("name", STRANGERS)
def test_strangers_get_the_answer_of_an_organization_that_does_not_exist(
    name: str,
    request: pytest.FixtureRequest,
    acme: Organization,
    umbrella: Organization,
    acme_rows: Rows,
    sign_in: SignIn,
) -> None:
    client = sign_in(stranger(name, request, acme))
    nowhere = uuid4()
    events = AuditEvent.objects.count()
    for url in URLS:
        for method in ("GET", "POST"):
            theirs = ask(client, method, url.of(acme.uuid, acme_rows))
            missing = ask(client, method, url.of(nowhere, acme_rows))
            assert theirs[0] == 404, (method, url.name)
            assert theirs == missing == ask(client, method, url.of(acme.uuid, MISSING)), (method, url.name)
    assert AuditEvent.objects.count() == events


def test_a_stranger_learns_nothing_by_any_method(
    acme: Organization, acme_rows: Rows, mallory: User, sign_in: SignIn
) -> None:
    assert set(statuses(sign_in(mallory), acme.uuid, acme_rows)) == {404}


def test_a_deactivated_person_is_signed_out(acme: Organization, acme_rows: Rows, bob: User, sign_in: SignIn) -> None:
    client = sign_in(bob)
    assert client.get(f"/organizations/{acme.uuid}/environment-variables/").status_code == 200
    put_into_state(bob, acme, "deactivated")
    assert set(statuses(client, acme.uuid, acme_rows)) == {302}


@pytest.mark.parametrize("state", ["suspended", "invited", "removed"])
def test_leaving_counts_between_two_clicks(
    acme: Organization, acme_rows: Rows, bob: User, sign_in: SignIn, state: str
) -> None:
    client = sign_in(bob)
    assert client.get(f"/organizations/{acme.uuid}/environment-variables/").status_code == 200
    put_into_state(bob, acme, state)
    assert set(statuses(client, acme.uuid, acme_rows, methods=["GET", "POST"])) == {404}


# --- Objects of others ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["alice", "dora"])
def test_an_object_of_another_organization_is_one_that_does_not_exist(
    name: str,
    request: pytest.FixtureRequest,
    acme: Organization,
    acme_rows: Rows,
    umbrella_rows: Rows,
    sign_in: SignIn,
) -> None:
    client = sign_in(request.getfixturevalue(name))
    before = {kind: type(row).objects.filter(pk=row.pk).values().get() for kind, row in umbrella_rows.items()}
    for url in WITH_OBJECT:
        for method in ("GET", "POST", "DELETE"):
            foreign = ask(client, method, url.of(acme.uuid, umbrella_rows))
            missing = ask(client, method, url.of(acme.uuid, MISSING))
            assert foreign == missing, (method, url.name)
            assert foreign[0] in (404, 405), (method, url.name)
        assert 404 in {
            client.generic(method, url.of(acme.uuid, umbrella_rows)).status_code for method in ("GET", "POST")
        }
    after = {kind: type(row).objects.filter(pk=row.pk).values().get() for kind, row in umbrella_rows.items()}
    assert after == before


def test_no_address_is_built_from_a_number(acme: Organization, acme_rows: Rows, alice: User, sign_in: SignIn) -> None:
    client = sign_in(alice)
    for address in (f"/organizations/{acme.pk}/", f"/organizations/{acme.slug}/"):
        assert client.get(address).status_code == 404
    for row in acme_rows.values():
        assert client.get(f"/organizations/{acme.uuid}/settings/credentials/{row.pk}/").status_code == 404


# --- Members without the level --------------------------------------------------------------------------------------
def allowed(levels: dict[Feature, Level]) -> set[str]:
    """Return the names of the addresses that a member with these levels, no owner, may open."""
    return {
        url.name
        for url in URLS
        if url.rule
        and not url.rule.owner
        and (url.rule.feature is None or levels.get(url.rule.feature, Level.NONE) >= url.rule.level)
    }


LEVELS: list[dict[Feature, Level]] = [
    {},
    {Feature.SECRET_PROVIDERS: Level.READ},
    {Feature.SECRET_PROVIDERS: Level.MANAGE},
    {Feature.ENVIRONMENT_VARIABLES: Level.READ},
    {Feature.ENVIRONMENT_VARIABLES: Level.MANAGE},
    {Feature.WORKLOAD_IDENTITY_CONFIGS: Level.MANAGE},
    {Feature.SECRET_PROVIDERS: Level.READ, Feature.ENVIRONMENT_VARIABLES: Level.READ},
]


@pytest.mark.parametrize("levels", LEVELS, ids=lambda levels: "+".join(f"{f}:{n.name}" for f, n in levels.items()))
def test_a_member_opens_what_the_level_allows_and_nothing_else(
    levels: dict[Feature, Level], acme: Organization, acme_rows: Rows, alice: User, sign_in: SignIn
) -> None:
    member = User.objects.create_user("member@acme.example", "password of member")
    role = create_role(acme, "Custom")
    set_levels(role, levels)
    add_member(acme, member, role, by=alice)
    answers = statuses(sign_in(member), acme.uuid, acme_rows, methods=["GET", "DELETE"])
    refused = {request.split()[1] for request in answers.pop(403, set())}
    assert refused == {url.name for url in URLS} - allowed(levels)
    assert not refused & {request.split()[1] for requests in answers.values() for request in requests}
    assert set(answers) <= {200, 302, 405}


def test_a_member_without_the_level_changes_nothing(
    acme: Organization, acme_rows: Rows, nobody: User, sign_in: SignIn
) -> None:
    client = sign_in(nobody)
    before = {kind: list(type(row).objects.values()) for kind, row in acme_rows.items()}, AuditEvent.objects.count()
    for url in URLS:
        if url.name not in OF_EVERY_MEMBER:
            assert client.post(url.of(acme.uuid, acme_rows), {"name": "changed"}).status_code == 403, url.name
    after = {kind: list(type(row).objects.values()) for kind, row in acme_rows.items()}, AuditEvent.objects.count()
    assert after == before


def test_a_missing_object_is_refused_before_it_is_looked_for(acme: Organization, nobody: User, sign_in: SignIn) -> None:
    assert set(statuses(sign_in(nobody), acme.uuid, MISSING, WITH_OBJECT)) == {403}


# --- Who does -------------------------------------------------------------------------------------------------------
def test_an_owner_opens_everything(acme: Organization, acme_rows: Rows, alice: User, sign_in: SignIn) -> None:
    answers = statuses(sign_in(alice), acme.uuid, acme_rows, methods=["GET", "HEAD"])
    assert set(answers) <= {200, 302, 405}
    only_posted = {request.split()[1] for request in answers[405]}
    tests = {"credential_test", "credential_add_test", "credential_edit_test"}
    changes = {"credential_check_trust", "credential_make_default", "automation_check", "audit_export"}
    changes |= {"automation_deploy", "automation_drift"}
    typing = {f"variable_{form}_{what}" for form in ("add", "edit") for what in ("check", "suggest")}
    assert only_posted == tests | changes | typing | {"member_suspend", "member_reactivate", "member_resend"}


def test_a_wrong_method_is_refused(acme: Organization, acme_rows: Rows, alice: User, sign_in: SignIn) -> None:
    methods = ("PUT", "PATCH", "DELETE", "OPTIONS")
    assert set(statuses(sign_in(alice), acme.uuid, acme_rows, methods=methods)) == {405}


def test_somebody_in_two_organizations_opens_each_with_its_own_objects(
    acme: Organization, umbrella: Organization, acme_rows: Rows, umbrella_rows: Rows, dora: User, sign_in: SignIn
) -> None:
    client = sign_in(dora)
    for organization, rows in ((acme, acme_rows), (umbrella, umbrella_rows)):
        assert set(statuses(client, organization.uuid, rows, methods=["GET"])) <= {200, 302, 405}


def test_an_owner_there_is_nothing_here(
    acme: Organization, umbrella: Organization, acme_rows: Rows, alice: User, sign_in: SignIn
) -> None:
    member: Any = User.objects.create_user("both@example.com", "password of both")
    add_member(umbrella, member, umbrella.roles.get(kind=Role.Kind.OWNER), by=None)
    add_member(acme, member, create_role(acme, "Guests"), by=alice)
    answers = statuses(sign_in(member), acme.uuid, acme_rows, methods=["GET"])
    assert answers[403] == {f"GET {url.name}" for url in URLS} - {f"GET {name}" for name in OF_EVERY_MEMBER}

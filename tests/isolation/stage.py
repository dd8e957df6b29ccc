"""The stage of the matrix: two organizations with one row of everything, rows that are gone, and all who may ask."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth.models import Permission
from django.db import transaction
from django.http import HttpResponse
from django.test import Client

from organizations.access import Feature, Level, set_levels
from organizations.models import Organization, Role, User
from organizations.services.members import add_member
from organizations.services.roles import create_role
from tests.organizations.conftest import Rows, put_into_state

#: The access key id of the other organization's credential.
FOREIGN_KEY = "AKIAFOREIGNEXAMPLE00"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_TOKEN = re.compile(rb'(name="csrfmiddlewaretoken" value=|hx-headers=)"[^"]*"')


class Missing:
    """A row that does not exist, or no more."""

    def __init__(self, uuid: UUID | None = None) -> None:
        self.uuid = uuid or uuid4()


@dataclass(frozen=True)
class Stage:
    """Acme is where the actors ask; `rows` has one of every kind: Acme's own, foreign, missing and deleted."""

    acme: Organization
    umbrella: Organization
    rows: dict[str, Rows]


@dataclass(frozen=True)
class Actor:
    """Somebody who asks: which levels they have in Acme (None: no active member), and how they came to be."""

    name: str
    make: Callable[[Organization, Organization], User | None]
    levels: dict[Feature, Level] | None = None
    owner: bool = False
    signed_in: bool = True
    staff: bool = False


def _person(name: str, **fields: Any) -> User:
    return User.objects.create_user(f"{name.replace(' ', '-')}@matrix.example", "password of the matrix", **fields)


def _member(name: str, levels: dict[Feature, Level] | None = None, state: str = "active") -> Callable[..., User]:
    """Return what makes a member of Acme: of the built-in Member role, or of a custom one with these levels."""

    def make(acme: Organization, umbrella: Organization) -> User:
        user = _person(name)
        role = acme.roles.get(kind=Role.Kind.MEMBER) if levels is None else create_role(acme, f"Role of {name}")
        if levels is not None:
            set_levels(role, levels)
        add_member(acme, user, role, by=None)
        if state != "active":
            put_into_state(user, acme, state)
        return user

    return make


def _owner(*organizations: str) -> Callable[..., User]:
    """Return what makes an owner of each named organization ("acme", "umbrella")."""

    def make(acme: Organization, umbrella: Organization) -> User:
        user = _person("owner of " + " and ".join(organizations))
        for organization in (acme, umbrella):
            if organization.slug in organizations:
                add_member(organization, user, organization.roles.get(kind=Role.Kind.OWNER), by=None)
        return user

    return make


def _both(acme: Organization, umbrella: Organization) -> User:
    """A plain member of Acme who owns Umbrella, and acts in Acme."""
    user = _owner("umbrella")(acme, umbrella)
    add_member(acme, user, acme.roles.get(kind=Role.Kind.MEMBER), by=None)
    return user


def _support(acme: Organization, umbrella: Organization) -> User:
    user = _person("support", is_staff=True)
    apps = ("organizations", "credentials", "envvars")
    user.user_permissions.set(Permission.objects.filter(content_type__app_label__in=apps, codename__startswith="view_"))
    return user


MEMBER = {Feature.ENVIRONMENT_VARIABLES: Level.MANAGE}

ACTORS = (
    Actor("anonymous", lambda acme, umbrella: None, signed_in=False),
    Actor("deactivated", _member("deactivated", state="deactivated"), signed_in=False),
    Actor("without organization", lambda acme, umbrella: _person("alone")),
    Actor("invited", _member("invited", state="invited")),
    Actor("suspended", _member("suspended", state="suspended")),
    Actor("ex-member", _member("ex", state="removed")),
    Actor("owner elsewhere", _owner("umbrella")),
    Actor("support, view only", _support, staff=True),
    Actor("superuser", lambda acme, umbrella: _person("root", is_staff=True, is_superuser=True), staff=True),
    Actor("member", _member("member"), MEMBER),
    Actor("member here, owner there", _both, MEMBER),
    *(
        Actor(f"{level.name.lower()} {feature}", _member(f"{feature} {level.name}", {feature: level}), {feature: level})
        for feature in Feature
        for level in (Level.READ, Level.MANAGE)
    ),
    Actor("owner", _owner("acme"), dict.fromkeys(Feature, Level.MANAGE), owner=True),
    Actor("owner of both", _owner("acme", "umbrella"), dict.fromkeys(Feature, Level.MANAGE), owner=True),
)


@contextmanager
def undone(client: Client) -> Iterator[None]:
    """Undo what a request does to the database and to the browser's cookies."""
    cookies = client.cookies.copy()
    try:
        with transaction.atomic():
            yield
            transaction.set_rollback(True)
    finally:
        client.cookies = cookies


def ask(
    client: Client, method: str, address: str, data: Any = None, look: Callable[[], Any] | None = None, **more: Any
) -> Any:
    """Ask once and undo it; a streamed answer is read. What `look` sees before it is undone is `answer.seen`."""
    with undone(client):
        answer: Any = client.generic(method, address, **more) if data is None else client.post(address, data, **more)
        if answer.streaming:
            answer.content = b"".join(answer.streaming_content)
        answer.seen = look() if look else None
        return answer


def face(answer: HttpResponse, address: str) -> tuple[object, ...]:
    """All that a visitor gets of an answer, without what differs by design: the form's token, the address asked."""
    cookies = sorted(answer.cookies)
    headers = sorted((name, value.replace(address, "")) for name, value in answer.headers.items())
    content = _TOKEN.sub(b"", answer.content).replace(address.encode(), b"")
    return answer.status_code, content, headers, cookies

"""Every address x method x actor x object, against the rule that the address declares. 0 deviations."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client

from organizations.access import Audience, Rule
from organizations.models import User
from tests.isolation.stage import ACTORS, METHODS, Actor, Stage, ask, face
from tests.organizations.conftest import Rows
from tests.organizations.urlconf import Url, every_url

SignIn = Callable[[User], Client]
#: What the site answers somebody who may do what they ask, whatever becomes of it.
SERVED = frozenset({200, 204, 302, 304, 400, 405, 409, 413, 415, 422, 429})
WRONG_METHOD = 405
#: Nothing here is asked by these; whoever may ask hears so.
UNUSED_METHODS = frozenset({"PUT", "PATCH", "DELETE", "OPTIONS"})

ORGANIZATION_URLS = [url for url in every_url() if url.rule and url.rule.audience == Audience.MEMBERS]
OTHER_URLS = [url for url in every_url() if url not in ORGANIZATION_URLS]


def objects_of(url: Url, stage: Stage) -> dict[str, Rows]:
    """Return the rows to ask an address with: one set where it names no object."""
    return stage.rows if "uuid" in url.captures else {"own": stage.rows["own"]}


def expected(rule: Rule, actor: Actor, kind: str, method: str) -> frozenset[int]:
    """Return the statuses that an address of an organization may answer with."""
    if not actor.signed_in:
        return frozenset({302})
    if actor.levels is None:
        return frozenset({404})
    if not may(rule, actor):
        return frozenset({403})
    if method in UNUSED_METHODS:
        return frozenset({WRONG_METHOD})
    return SERVED if kind == "own" else frozenset({404, WRONG_METHOD})


def sign_in_page(url: Url, stage: Stage, rows: Rows) -> str:
    """Return where somebody who is not signed in is sent: to the sign-in, and back from there."""
    return f"/account/login/?next={url.of(stage.acme.uuid, rows)}"


def may(rule: Rule, actor: Actor) -> bool:
    """Whether a member passes the rule's own question, before any object is looked for."""
    if getattr(rule, "owner", False) and not actor.owner:
        return False
    return rule.feature is None or (actor.levels or {}).get(rule.feature, 0) >= rule.level


def client_of(actor: Actor, stage: Stage, sign_in: SignIn) -> Client:
    """Return the actor's browser. A deactivated person was signed in before."""
    user = actor.make(stage.acme, stage.umbrella)
    return sign_in(user) if user else Client()


def answers(client: Client, address: str) -> Iterator[tuple[str, Any, Any]]:
    """Ask an address by every method; yield the method, the answer, and its face with the number of its queries."""
    for method in METHODS:
        queries = Queries()
        with connection.execute_wrapper(queries):
            answer = ask(client, method, address)
        yield method, answer, (face(answer, address), queries.number)


class Queries:
    """Counts queries: more of them for a foreign object than for a missing one would tell by the time they take."""

    number = 0

    def __call__(self, execute: Callable[..., Any], *query: Any) -> Any:
        """Count one query and run it."""
        self.number += 1
        return execute(*query)


@pytest.mark.parametrize("actor", ACTORS, ids=lambda actor: actor.name)
def test_every_address_of_an_organization_answers_as_its_rule_says(actor: Actor, stage: Stage, sign_in: SignIn) -> None:
    client = client_of(actor, stage, sign_in)
    deviations, asked = [], 0
    for url in ORGANIZATION_URLS:
        assert url.rule
        faces: dict[str, list[Any]] = {}
        for kind, rows in objects_of(url, stage).items():
            for method, answer, its_face in answers(client, url.of(stage.acme.uuid, rows)):
                asked += 1
                faces.setdefault(kind, []).append(its_face)
                allowed = expected(url.rule, actor, kind, method)
                if answer.status_code not in allowed:
                    deviations.append(f"{method} {url.name} ({kind}): {answer.status_code}, not {sorted(allowed)}")
                if not actor.signed_in and answer.headers.get("Location") != sign_in_page(url, stage, rows):
                    deviations.append(f"{method} {url.name} ({kind}): sent to {answer.headers.get('Location')}")
        for kind in set(faces) - {"own", "missing"}:
            if faces[kind] != faces["missing"]:
                deviations.append(f"{url.name}: a {kind} object answers otherwise than a missing one")
    assert deviations == []
    assert asked > len(ORGANIZATION_URLS) * len(METHODS)


@pytest.mark.parametrize("actor", ACTORS, ids=lambda actor: actor.name)
def test_an_organization_that_does_not_exist_answers_everybody_alike(
    actor: Actor, stage: Stage, sign_in: SignIn
) -> None:
    client, nowhere = client_of(actor, stage, sign_in), uuid4()
    for url in ORGANIZATION_URLS:
        for method in METHODS:
            address, theirs = (url.of(organization, stage.rows["own"]) for organization in (nowhere, stage.acme.uuid))
            answer = ask(client, method, address)
            assert answer.status_code == (404 if actor.signed_in else 302), (method, url.name)
            if actor.levels is None and actor.signed_in:
                assert face(answer, address) == face(ask(client, method, theirs), theirs), (method, url.name)


@pytest.mark.parametrize("actor", ACTORS, ids=lambda actor: actor.name)
def test_every_other_address_answers_as_its_rule_says(actor: Actor, stage: Stage, sign_in: SignIn) -> None:
    client = client_of(actor, stage, sign_in)
    deviations: Counter[str] = Counter()
    for url in OTHER_URLS:
        assert url.rule, url.route
        for address in dict.fromkeys(url.anywhere(rows) for rows in stage.rows.values()):
            for method in METHODS:
                answer = ask(client, method, address)
                if not allowed_elsewhere(url.rule, actor, answer):
                    deviations[f"{method} {url.name}: {answer.status_code} {answer.get('Location', '')}"] += 1
    assert deviations == {}


def allowed_elsewhere(rule: Rule, actor: Actor, answer: Any) -> bool:
    """Whether an address outside organizations may answer an actor like this."""
    where = answer.get("Location", "")
    to_sign_in = where.startswith(("/account/login/", "/support/login/"))
    match rule.audience:
        case Audience.EVERYBODY:
            return answer.status_code < 500 and answer.status_code != 403
        case Audience.STAFF:  # the admin's own sign-in leads on to ours, and refuses whoever is signed in already
            leads_on = to_sign_in or where == "/support/"  # its sign-out sends strangers to its start, which sends on
            return answer.status_code < 500 if actor.staff else leads_on or answer.status_code in (403, 404)
        case Audience.SIGNED_IN:
            return answer.status_code in SERVED | {404} and not to_sign_in if actor.signed_in else to_sign_in
        case _:  # for programs with a token, which none of these has
            return answer.status_code in (401, 404, WRONG_METHOD, 429)

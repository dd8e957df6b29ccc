"""Every id in a form or a link, replaced by another organization's: nothing there is touched, nothing is told."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.apps import apps
from django.db import models
from django.test import Client

from credentials.providers.base import Provider
from organizations.models import Organization, User
from tests.isolation.forms import Form, query_of, read
from tests.isolation.stage import FOREIGN_KEY, Stage, ask, face
from tests.isolation.test_matrix import ORGANIZATION_URLS

SignIn = Callable[[User], Client]
OURS = ("organizations", "credentials", "envvars")
#: What identifies a row to people or programs.
IDS = ("uuid", "slug", "key", "name")


def pages(client: Client, stage: Stage) -> Iterator[tuple[str, str]]:
    """Yield every page of Acme that its owner may open: the address and the HTML."""
    for url in ORGANIZATION_URLS:
        address = url.of(stage.acme.uuid, stage.rows["own"])
        answer = ask(client, "GET", address)
        if answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html"):
            yield address, answer.content.decode()


def targets(html: str, address: str) -> Iterator[tuple[Form, str]]:
    """Yield each form of a page with each address that it can be sent to."""
    for form in read(html)[0]:
        for target in {form.action or address, *form.others}:
            yield form, urlsplit(target).path


def identities(rows: dict[str, Any]) -> dict[str, str]:
    """Return what identifies each row, by kind and attribute."""
    found = {}
    for kind, row in rows.items():
        for name in IDS:
            if value := getattr(row, name, None):
                found[f"{kind} {name}"] = str(value)
    return found


def swapped(value: str, own: dict[str, str], foreign: dict[str, str]) -> set[str]:
    """Return a control's value with Acme's id replaced by Umbrella's, in every way there is."""
    return {value.replace(text, foreign[what]) for what, text in own.items() if text in value and foreign[what] != text}


def fingerprint(organization: Organization) -> list[Any]:
    """Return every row of an organization, column by column, and what is tied to it by many-to-many tables."""
    rows: list[Any] = []
    for model in apps.get_models(include_auto_created=True):
        if model._meta.app_label in OURS and (path := _path_to_organization(model)):
            found = model._base_manager.filter(**{path: organization}).order_by("pk").values_list()
            rows.append(
                (model._meta.label, [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in found])
            )
    return rows


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def _path_to_organization(model: type[models.Model]) -> str | None:
    names = {column.name: column for column in model._meta.concrete_fields}
    if "organization" in names:
        return "organization"
    for name, column in names.items():
        related = column.related_model
        if isinstance(related, type) and any(other.name == "organization" for other in related._meta.concrete_fields):
            return f"{name}__organization"
    return None


def tampered(form: Form, own: dict[str, str], foreign: dict[str, str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield a control's name, the foreign id, and what would be posted with it in place of Acme's."""
    for name, offered in form.offered.items():
        for value in offered:
            for other in swapped(value, own, foreign):
                yield name, other, form.values | {name: [other]}


def test_no_form_takes_an_id_of_another_organization(renamed: Stage, alice: User, sign_in: SignIn) -> None:
    client, stage = sign_in(alice), renamed
    own, foreign = identities(stage.rows["own"]), identities(stage.rows["foreign"])
    before, refused, taken = fingerprint(stage.umbrella), 0, 0
    for address, html in pages(client, stage):
        for form, target in targets(html, address):
            for name, other, data in tampered(form, own, foreign):
                if form.method == "get":
                    answer = ask(client, "GET", f"{target}?{urlencode({name: other})}")
                    assert_tells_nothing(answer.content.decode(), foreign, other)
                    continue
                answer = ask(client, "POST", target, data, look=lambda: fingerprint(stage.umbrella))
                assert answer.seen == before, (address, name, other)
                if name in form.typed:  # a name is free here, whatever another organization calls its own
                    free = ask(client, "POST", target, data | {name: [f"{other}_2" if name == "key" else f"{other}-2"]})
                    assert answer.status_code == free.status_code, (address, name, other)
                    taken += 1
                elif answer.status_code == 200:  # an address that reads no such control answers as without it
                    without = ask(client, "POST", target, {one: data[one] for one in data if one != name})
                    assert face(answer, target) == face(without, target), (address, name, other)
                else:
                    assert answer.status_code in (400, 403, 404, 409, 422), (address, name, other, answer.status_code)
                    refused += 1
    assert refused > 3
    assert taken > 3


def test_no_link_takes_an_id_of_another_organization(renamed: Stage, alice: User, sign_in: SignIn) -> None:
    client, stage = sign_in(alice), renamed
    own, foreign = identities(stage.rows["own"]), identities(stage.rows["foreign"])
    for address, html in pages(client, stage):
        for link in read(html)[1]:
            for name, value in query_of(link).items():
                for other in swapped(value, own, foreign):
                    target = urlsplit(link).path or address
                    answer = ask(client, "GET", f"{target}?{name}={other}")
                    assert_tells_nothing(answer.content.decode(), foreign, other)


def test_no_page_tells_anything_of_another_organization(renamed: Stage, alice: User, sign_in: SignIn) -> None:
    foreign = identities(renamed.rows["foreign"]) | {"organization": str(renamed.umbrella.uuid)}
    for _address, html in pages(sign_in(alice), renamed):
        assert_tells_nothing(html, foreign)


def assert_tells_nothing(html: str, foreign: dict[str, str], asked: str = "") -> None:
    """A page may repeat what it was asked for, and nothing else of another organization."""
    assert [what for what, text in foreign.items() if text in html.replace(asked or "\0", "")] == []


def test_no_request_opens_a_vault_of_another_organization(
    renamed: Stage, alice: User, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    opening = Provider.__init__

    def watched(provider: Provider, config: Any, *rest: Any, **more: Any) -> None:
        opened.append(config["access_key_id"])
        opening(provider, config, *rest, **more)

    monkeypatch.setattr(Provider, "__init__", watched)
    client = sign_in(alice)
    for url in ORGANIZATION_URLS:
        ask(client, "POST", url.of(renamed.acme.uuid, renamed.rows["own"]))
    assert opened
    assert FOREIGN_KEY not in opened


def test_nothing_that_an_owner_does_touches_another_organization(renamed: Stage, alice: User, sign_in: SignIn) -> None:
    client, stage = sign_in(alice), renamed
    before = fingerprint(stage.umbrella)
    # A default mark can move only where it is not.
    type(stage.rows["own"]["credential"]).objects.filter(organization=stage.acme).update(is_default=False)
    client.defaults["HTTP_HX_REQUEST"] = "true"  # an htmx request is told of a limit by its status
    for url in ORGANIZATION_URLS:
        address = url.of(stage.acme.uuid, stage.rows["own"])
        answer = ask(client, "POST", address, look=lambda: fingerprint(stage.umbrella))
        assert answer.seen == before, url.name
        assert answer.status_code != 429, url.name  # the limits are each organization's own
    for address, html in pages(client, stage):
        for form, target in targets(html, address):
            if form.method == "post":
                assert ask(client, "POST", target, form.values, look=lambda: fingerprint(stage.umbrella)).seen == before

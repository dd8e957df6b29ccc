"""Settings > Organization, and what an organization that requires a second factor does to its members."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.test import Client

from organizations.audit import changing
from organizations.models import AuditEvent, Organization, User
from tests.pages import errors_beside, html_of, text_of, toasts_of
from tests.second_factors import give_passkey, give_recovery_codes

from .conftest import Rows, put_into_state
from .urlconf import organization_urls

SignIn = Callable[[User], Client]
INDEX = "/account/second-factor/"


@pytest.fixture
def page(acme: Organization) -> str:
    return f"/organizations/{acme.uuid}/settings/organization/"


@pytest.fixture
def strict(acme: Organization, alice: User) -> Organization:
    """Acme, where Alice has a passkey and requires second factors."""
    give_passkey(alice)
    Organization.objects.filter(pk=acme.pk).update(requires_mfa=True)
    acme.refresh_from_db()
    return acme


# --- The page -------------------------------------------------------------------------------------------------------
def test_every_member_reads_the_facts(
    acme: Organization, page: str, alice: User, nobody: User, sign_in: SignIn
) -> None:
    for user, may_edit in ((alice, True), (nobody, False)):
        answer = sign_in(user).get(page)
        text = text_of(answer)
        assert "Name Acme Short name acme" in text
        assert str(acme.uuid) in text
        assert "left to each member" in text
        assert (f'href="{page}edit/"' in html_of(answer)) is may_edit


def test_only_an_owner_changes_it(acme: Organization, page: str, bob: User, mallory: User, sign_in: SignIn) -> None:
    for user, status in ((bob, 403), (mallory, 404)):
        client = sign_in(user)
        assert client.get(f"{page}edit/").status_code == status
        assert client.post(f"{page}edit/", {"name": "Taken"}).status_code == status
    acme.refresh_from_db()
    assert acme.name == "Acme"


def test_an_owner_changes_the_name_and_it_is_audited(
    acme: Organization, page: str, alice: User, sign_in: SignIn
) -> None:
    answer = sign_in(alice).post(f"{page}edit/", {"name": " Acme Inc. ", "slug": "taken"}, follow=True)
    assert [toast.title for toast in toasts_of(answer)] == ["The organization was saved."]
    acme.refresh_from_db()
    assert (acme.name, acme.slug, acme.requires_mfa) == ("Acme Inc.", "acme", False)
    event = AuditEvent.objects.filter(organization=acme).latest("id")
    assert (event.action, event.details) == ("organization:changed", {"fields": ["name"]})


def test_an_owner_who_loses_the_role_in_between_changes_nothing(
    acme: Organization, page: str, alice: User, dora: User, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def changing_later(organization: Organization) -> Iterator[None]:
        put_into_state(alice, organization, "suspended")
        with changing(organization):
            yield

    monkeypatch.setattr("organizations.services.owners.changing", changing_later)
    before = AuditEvent.objects.count()
    assert sign_in(alice).post(f"{page}edit/", {"name": "Taken"}).status_code == 403
    acme.refresh_from_db()
    assert (acme.name, AuditEvent.objects.count()) == ("Acme", before)


def test_saving_without_a_change_is_no_event(acme: Organization, page: str, alice: User, sign_in: SignIn) -> None:
    before = AuditEvent.objects.count()
    sign_in(alice).post(f"{page}edit/", {"name": "Acme"})
    assert AuditEvent.objects.count() == before


@pytest.mark.parametrize("name", ["", "x" * 101, "a\0b", "a\u202eb"])
def test_a_name_that_cannot_be_read_is_refused(
    acme: Organization, page: str, alice: User, sign_in: SignIn, name: str
) -> None:
    answer = sign_in(alice).post(f"{page}edit/", {"name": name})
    assert answer.status_code == 422
    assert errors_beside(answer, "name")


# --- Requiring a second factor --------------------------------------------------------------------------------------
def test_an_owner_without_a_second_factor_cannot_require_one(
    acme: Organization, page: str, alice: User, sign_in: SignIn
) -> None:
    give_recovery_codes(alice)  # no second factor by themselves
    answer = sign_in(alice).post(f"{page}edit/", {"name": "Acme Inc.", "requires_mfa": "on"})
    assert answer.status_code == 422
    assert "First set up a second factor of your own" in errors_beside(answer, "requires_mfa")
    acme.refresh_from_db()
    assert (acme.name, acme.requires_mfa) == ("Acme", False)


def test_an_owner_with_one_can(acme: Organization, page: str, alice: User, sign_in: SignIn) -> None:
    give_passkey(alice)
    sign_in(alice).post(f"{page}edit/", {"name": "Acme", "requires_mfa": "on"})
    acme.refresh_from_db()
    assert acme.requires_mfa
    assert AuditEvent.objects.filter(organization=acme).latest("id").details == {"fields": ["requires_mfa"]}


def test_every_address_of_a_strict_organization_leads_to_the_set_up(
    strict: Organization, acme_rows: Rows, bob: User, sign_in: SignIn
) -> None:
    client = sign_in(bob)
    for url in organization_urls():
        for method in ("GET", "POST", "DELETE"):
            answer = client.generic(method, url.of(strict.uuid, acme_rows))
            assert (answer.status_code, answer["Location"]) == (302, INDEX), url.name


def test_the_set_up_page_says_why_and_leads_back(strict: Organization, bob: User, sign_in: SignIn) -> None:
    client, wanted = sign_in(bob), f"/organizations/{strict.uuid}/environment-variables/?q=x"
    page = client.get(wanted, follow=True)
    assert page.request["PATH_INFO"] == INDEX
    assert "Acme requires a second factor" in text_of(page)
    assert "Continue to Acme" not in text_of(page)
    give_passkey(bob)
    assert f'href="{wanted}"' in html_of(client.get(INDEX))
    assert client.get(wanted).status_code == 200
    assert "Acme" not in text_of(client.get(INDEX))


def test_a_part_of_a_page_leads_the_whole_page(strict: Organization, bob: User, sign_in: SignIn) -> None:
    address = f"/organizations/{strict.uuid}/environment-variables/"
    answer = sign_in(bob).get(address, headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Redirect"]) == (200, INDEX)


def test_recovery_codes_alone_are_no_second_factor(strict: Organization, bob: User, sign_in: SignIn) -> None:
    give_recovery_codes(bob)
    assert sign_in(bob).get(f"/organizations/{strict.uuid}/")["Location"] == INDEX


def test_removing_the_last_one_closes_the_organization_again(
    strict: Organization, alice: User, sign_in: SignIn
) -> None:
    client = sign_in(alice)
    address = f"/organizations/{strict.uuid}/environment-variables/"
    assert client.get(address).status_code == 200
    alice.authenticator_set.all().delete()
    assert client.get(address)["Location"] == INDEX


def test_a_stranger_learns_nothing_of_it(
    strict: Organization, mallory: User, umbrella: Organization, sign_in: SignIn
) -> None:
    client = sign_in(mallory)
    assert client.get(f"/organizations/{strict.uuid}/").status_code == 404
    assert client.get(f"/organizations/{umbrella.uuid}/environment-variables/").status_code == 200

"""organizations.views and the frame around every page: where people land, and how they switch."""

from collections.abc import Callable

import pytest
from django.test import Client

from organizations.access import Feature, Level, set_levels
from organizations.models import Organization, User
from organizations.services.members import add_member
from organizations.services.roles import create_role

from .conftest import put_into_state

SignIn = Callable[[User], Client]


# --- The start ------------------------------------------------------------------------------------------------------
def test_a_visitor_signs_in_first(db: None) -> None:
    assert Client().get("/")["Location"] == "/account/login/?next=/"


def test_a_member_lands_in_the_organization(acme: Organization, alice: User, sign_in: SignIn) -> None:
    answer = sign_in(alice).get("/")
    assert (answer.status_code, answer["Location"]) == (302, f"/organizations/{acme.uuid}/")


def test_somebody_in_two_lands_in_the_first_by_name(
    acme: Organization, umbrella: Organization, dora: User, sign_in: SignIn
) -> None:
    Organization.objects.filter(pk=acme.pk).update(name="Zebra")
    assert sign_in(dora).get("/")["Location"] == f"/organizations/{umbrella.uuid}/"


@pytest.mark.parametrize("state", ["invited", "suspended", "removed"])
def test_somebody_in_no_organization_is_told_so(acme: Organization, bob: User, sign_in: SignIn, state: str) -> None:
    put_into_state(bob, acme, state)
    answer = sign_in(bob).get("/")
    assert answer.status_code == 200
    assert "No organization" in answer.text
    assert "Acme" not in answer.text


def test_the_start_is_only_read(alice: User, sign_in: SignIn) -> None:
    assert sign_in(alice).post("/").status_code == 405


# --- An organization's start ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("levels", "place"),
    [
        ({Feature.ENVIRONMENT_VARIABLES: Level.READ}, "environment-variables/"),
        (dict.fromkeys(Feature, Level.READ), "environment-variables/"),
        ({Feature.SECRET_PROVIDERS: Level.READ}, "settings/credentials/"),
    ],
)
def test_a_member_goes_on_to_the_first_page_there_is_to_see(
    acme: Organization, nobody: User, sign_in: SignIn, levels: dict[Feature, Level], place: str
) -> None:
    set_levels(nobody.memberships.get().role, levels)
    answer = sign_in(nobody).get(f"/organizations/{acme.uuid}/", follow=True)
    assert answer.status_code == 200
    assert answer.request["PATH_INFO"] == f"/organizations/{acme.uuid}/{place}"


@pytest.mark.parametrize("levels", [{}, {Feature.WORKLOAD_IDENTITY_CONFIGS: Level.MANAGE}])
def test_a_member_who_may_see_nothing_is_told_so(
    acme: Organization, nobody: User, sign_in: SignIn, levels: dict[Feature, Level]
) -> None:
    set_levels(nobody.memberships.get().role, levels)
    answer = sign_in(nobody).get("/", follow=True)
    assert answer.status_code == 200
    assert answer.templates[0].name == "organizations/nothing.html"
    assert f"/organizations/{acme.uuid}/environment-variables/" not in answer.text


def test_a_superuser_without_an_organization_has_none_but_the_support_pages(
    acme: Organization, sign_in: SignIn
) -> None:
    root = User.objects.create_superuser("root@example.com", "root password")
    assert sign_in(root).get("/")["Location"] == "/support/"
    assert sign_in(root).get(f"/organizations/{acme.uuid}/").status_code == 404


# --- The frame ------------------------------------------------------------------------------------------------------
SWITCHER = "Switch organization"


def test_somebody_in_two_organizations_can_switch(
    acme: Organization, umbrella: Organization, dora: User, sign_in: SignIn
) -> None:
    text = sign_in(dora).get(f"/organizations/{acme.uuid}/environment-variables/").text
    assert SWITCHER in text
    assert f'href="/organizations/{umbrella.uuid}/"' in text
    assert text.count(f'href="/organizations/{acme.uuid}/"') == 1


def test_somebody_in_one_organization_has_no_switcher(
    acme: Organization, umbrella: Organization, alice: User, sign_in: SignIn
) -> None:
    text = sign_in(alice).get(f"/organizations/{acme.uuid}/environment-variables/").text
    assert SWITCHER not in text
    assert "Umbrella" not in text


@pytest.mark.parametrize("state", ["invited", "suspended"])
def test_an_organization_where_one_is_not_active_is_not_offered(
    acme: Organization, umbrella: Organization, alice: User, sign_in: SignIn, state: str
) -> None:
    add_member(umbrella, alice, umbrella.roles.get(kind="owner"), by=None)
    put_into_state(alice, umbrella, state)
    assert "Umbrella" not in sign_in(alice).get(f"/organizations/{acme.uuid}/environment-variables/").text


def test_the_navigation_names_only_what_may_be_seen(acme: Organization, carol: User, sign_in: SignIn) -> None:
    text = sign_in(carol).get(f"/organizations/{acme.uuid}/settings/credentials/").text
    assert f"/organizations/{acme.uuid}/settings/credentials/" in text
    assert f"/organizations/{acme.uuid}/environment-variables/" not in text
    assert f"/organizations/{acme.uuid}/automations/" not in text


def test_names_are_shown_as_text(alice: User, sign_in: SignIn) -> None:
    from organizations.services.organizations import create_organization

    hostile = create_organization("<script>alert(1)</script>", "hostile", alice)
    create_role(hostile, "<b>bold</b>")
    text = sign_in(alice).get(f"/organizations/{hostile.uuid}/environment-variables/").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_the_demo_says_that_it_is_one(
    acme: Organization, alice: User, sign_in: SignIn, settings: pytest.FixtureRequest
) -> None:
    address = f"/organizations/{acme.uuid}/environment-variables/"
    assert "demo-banner" not in sign_in(alice).get(address).text
    settings.AWS_SANDBOX_URL = "http://127.0.0.1:5000"  # type: ignore[attr-defined]  # pytest-django's fixture
    assert "demo-banner" in sign_in(alice).get(address).text

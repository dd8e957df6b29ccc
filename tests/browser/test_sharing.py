"""An owner restricts a credential to one person, who uses it and sees no page of it; another does not know it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from credentials.models import Credential
from envvars.models import EnvironmentVariable
from organizations.access import Feature, Level, set_levels
from organizations.models import Organization, Role, User
from organizations.services.members import add_member
from sandbox import seed
from tests.browser.conftest import NARROW, accessibility_problems
from tests.builders import restrict_to, store_direct
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Enter = Callable[..., Page]


@pytest.fixture
def dave(acme: Organization) -> User:
    """A member as Bob is."""
    user = User.objects.create_user("dave@acme.example", PASSWORD, name="Dave")
    add_member(acme, user, acme.roles.get(kind=Role.Kind.MEMBER), by=None)
    return user


def test_a_credential_is_shared_with_one_person_for_use(
    acme: Organization,
    alice: User,
    bob: User,
    dave: User,
    aws_prod: Credential,
    enter: Enter,
    open_page: Callable[..., Page],
    picture: Callable[[str], None],
) -> None:
    page = enter(alice)
    page.get_by_role("link", name="Secret Provider Credentials").click()
    page.get_by_role("link", name="aws-prod").click()
    page.get_by_role("link", name="Restrict").click()
    page.get_by_role("button", name="Restrict").click()
    expect(page.get_by_text("Nobody yet.")).to_be_visible()
    page.get_by_label("Person or role").fill("bob@acme.example")
    page.get_by_label("May").select_option(label="read")
    page.get_by_role("button", name="Share").click()
    expect(page.get_by_text("The role Member does not allow that much.")).to_be_visible()
    picture("sharing-refused")
    page.get_by_label("May").select_option(label="use")
    page.get_by_role("button", name="Share").click()
    expect(page.get_by_text("shared by Alice")).to_be_visible()
    picture("sharing-shared")

    bobs = enter(bob, page=open_page())
    bobs.get_by_role("link", name="Add Environment Variables").click()
    bobs.get_by_label("Key", exact=True).fill("DATABASE_PASSWORD")
    bobs.get_by_label("Value Source", exact=True).select_option(label="aws-prod (AWS Secrets Manager)")
    bobs.get_by_label("Secret Name").fill(f"{seed.DATABASE.name}#password")
    bobs.get_by_role("button", name="Create").click()
    expect(bobs.get_by_role("row").filter(has_text="DATABASE_PASSWORD")).to_contain_text("aws-prod")
    assert EnvironmentVariable.objects.get().credential == aws_prod
    expect(bobs.get_by_role("link", name="Secret Provider Credentials")).to_have_count(0)
    answer = bobs.goto(f"/organizations/{acme.uuid}/settings/credentials/{aws_prod.uuid}/")
    assert answer
    assert answer.status == 403

    daves = enter(dave, page=open_page())
    expect(daves.get_by_role("row").filter(has_text="DATABASE_PASSWORD")).to_contain_text("Named credential")
    daves.get_by_role("link", name="Add Environment Variables").click()
    expect(daves.get_by_label("Value Source", exact=True).locator("option")).to_have_count(1)
    assert "aws-prod" not in daves.content()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_list_with_hidden_rows_says_so_on_a_narrow_screen(
    acme: Organization,
    alice: User,
    aws_prod: Credential,
    bob: User,
    enter: Enter,
    open_page: Callable[..., Page],
    keep: Callable[[Page, str], None],
    theme: str,
) -> None:
    set_levels(bob.memberships.get().role, {Feature.SECRET_PROVIDERS: Level.READ})
    restrict_to(aws_prod, alice.memberships.get())
    store_direct(acme, "LOG_LEVEL", "debug")
    page = enter(bob, page=open_page(viewport=NARROW, color_scheme=theme))
    page.goto(f"/organizations/{acme.uuid}/settings/credentials/")
    expect(page.get_by_text("1 is hidden from you.")).to_be_visible()
    assert accessibility_problems(page) == []
    keep(page, f"hidden-{theme}")

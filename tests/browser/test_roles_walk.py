"""An owner, a member and somebody with a role of the organization's own walk through what each may see and do."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from credentials.models import Credential
from envvars.models import EnvironmentVariable
from organizations.access import Feature, Level, set_levels
from organizations.models import Organization, User
from organizations.sharing import Grant
from tests.browser.conftest import NARROW, accessibility_problems
from tests.builders import restrict_to, store_automation, store_direct

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Enter = Callable[..., Page]
Keep = Callable[[Page, str], None]

VARIABLES = ["Environment Variables", "Automations"]
CREDENTIALS = ["Secret Provider Credentials", "Connection problems"]
EVERYBODY = ["Members", "Roles"]


@pytest.fixture(autouse=True)
def stage(acme: Organization, alice: User, aws_prod: Credential) -> EnvironmentVariable:
    """An open variable and automation, and a variable that only Alice knows."""
    store_automation(acme)
    store_direct(acme, "LOG_LEVEL", "debug")
    hidden = store_direct(acme, "PAYROLL_KEY", "x")
    restrict_to(hidden, alice.memberships.select_related("role", "user").get())
    return hidden


def at(acme: Organization, path: str) -> str:
    return f"/organizations/{acme.uuid}/{path}"


def places(page: Page) -> list[str]:
    """The navigation's items, as a person reads them."""
    return [text.strip() for text in page.locator(".nav-item:visible").all_inner_texts()]


def refused(page: Page, path: str) -> None:
    """Open an address of the organization that the member's role does not include."""
    answer = page.goto(path)
    assert answer
    assert answer.status == 403
    expect(page.get_by_role("heading", name="You have no access to this")).to_be_visible()
    expect(page.get_by_text("An owner can change that.")).to_be_visible()


def test_an_owner_sees_everything_and_changes_it(acme: Organization, alice: User, enter: Enter, keep: Keep) -> None:
    page = enter(alice)
    assert places(page) == [*VARIABLES, *CREDENTIALS, *EVERYBODY, "Audit Log", "Organization"]
    page.goto(at(acme, "environment-variables/"))
    expect(page.get_by_role("row").filter(has_text="PAYROLL_KEY")).to_contain_text("restricted")
    expect(page.get_by_text("hidden from you")).to_have_count(0)
    expect(page.get_by_role("link", name="Add Environment Variables")).to_be_visible()
    keep(page, "walk-owner-variables")
    page.goto(at(acme, "settings/members/"))
    expect(page.get_by_role("link", name="Invite Member")).to_be_visible()
    page.goto(at(acme, "settings/roles/"))
    expect(page.get_by_role("link", name="Create Role")).to_be_visible()
    page.goto(at(acme, "settings/audit-log/"))
    expect(page.get_by_role("row").filter(has_text="restricted PAYROLL_KEY")).to_be_visible()
    keep(page, "walk-owner-audit-log")


def test_a_member_works_with_variables_and_reads_the_rest(
    acme: Organization, bob: User, stage: EnvironmentVariable, enter: Enter, keep: Keep
) -> None:
    page = enter(bob)
    assert places(page) == [*VARIABLES, *EVERYBODY, "Organization"]
    page.goto(at(acme, "environment-variables/"))
    expect(page.get_by_role("link", name="Add Environment Variables")).to_be_visible()
    expect(page.get_by_text("1 more is hidden from you.")).to_be_visible()
    assert "PAYROLL_KEY" not in page.content()
    keep(page, "walk-member-variables")
    answer = page.goto(at(acme, f"environment-variables/{stage.uuid}/edit/"))
    assert answer
    assert answer.status == 404
    page.goto(at(acme, "settings/members/"))
    expect(page.get_by_role("row").filter(has_text="Alice")).to_contain_text("Owner")
    expect(page.get_by_role("link", name="Invite Member")).to_have_count(0)
    expect(page.get_by_label("More for Alice")).to_have_count(0)
    keep(page, "walk-member-members")
    page.goto(at(acme, "settings/roles/"))
    expect(page.get_by_role("link", name="Create Role")).to_have_count(0)
    for path in ("settings/credentials/", "settings/audit-log/", "settings/members/invite/", "settings/roles/add/"):
        refused(page, at(acme, path))
    keep(page, "walk-member-refused")
    assert accessibility_problems(page) == []


def test_a_role_of_the_organization_s_own_sees_what_it_was_given(
    acme: Organization, carol: User, aws_prod: Credential, enter: Enter, keep: Keep
) -> None:
    page = enter(carol)
    assert places(page) == [*CREDENTIALS, *EVERYBODY, "Organization"]
    page.goto(at(acme, "settings/credentials/"))
    row = page.get_by_role("row").filter(has_text="aws-prod")
    expect(row.get_by_role("button", name="Test Connection")).to_be_visible()
    expect(row.get_by_label("More for aws-prod")).to_have_count(0)
    expect(page.get_by_role("link", name="Add Credential")).to_have_count(0)
    row.get_by_role("link", name="aws-prod").click()
    expect(page.get_by_role("heading", name="aws-prod")).to_be_visible()
    expect(page.get_by_role("link", name="Edit", exact=True)).to_have_count(0)
    keep(page, "walk-role-credential")
    refused(page, at(acme, f"settings/credentials/{aws_prod.uuid}/edit/"))
    refused(page, at(acme, "environment-variables/"))


def test_a_restricted_object_says_who_has_it_and_is_nothing_to_the_others(
    acme: Organization,
    alice: User,
    bob: User,
    carol: User,
    aws_prod: Credential,
    enter: Enter,
    open_page: Enter,
    keep: Keep,
) -> None:
    set_levels(bob.memberships.get().role, {Feature.SECRET_PROVIDERS: Level.READ})
    restrict_to(aws_prod, alice.memberships.select_related("role", "user").get(), {carol: [Grant.READ]})
    page = enter(carol)
    page.goto(at(acme, f"settings/credentials/{aws_prod.uuid}/"))
    panel = page.get_by_role("region", name="Who has access")
    expect(panel).to_contain_text("Alice")
    expect(panel).to_contain_text("owner")
    expect(panel).to_contain_text("shared by Alice")
    expect(panel).not_to_contain_text("Bob")
    panel.scroll_into_view_if_needed()
    keep(page, "walk-who-has-access")
    bobs = enter(bob, page=open_page(viewport=NARROW))
    bobs.goto(at(acme, "settings/credentials/"))
    expect(bobs.get_by_role("heading", name="No credentials that you can see")).to_be_visible()
    expect(bobs.get_by_text("1 is hidden from you.")).to_be_visible()
    keep(bobs, "walk-all-hidden")
    answer = bobs.goto(at(acme, f"settings/credentials/{aws_prod.uuid}/"))
    assert answer
    assert answer.status == 404


def test_a_change_of_a_role_counts_from_the_next_request(
    acme: Organization, alice: User, carol: User, enter: Enter, open_page: Enter, keep: Keep
) -> None:
    carols = enter(carol, page=open_page())
    carols.goto(at(acme, "settings/credentials/"))
    owner = enter(alice)
    owner.goto(at(acme, "settings/roles/"))
    owner.get_by_role("link", name="Credential readers", exact=True).click()
    keep(owner, "walk-role-form")
    for feature, level in (("Secret Provider Credentials", "None"), ("Environment Variables", "Manage")):
        owner.get_by_role("group", name=feature).get_by_label(level).check()
    owner.get_by_role("button", name="Save").click()
    expect(owner.get_by_text("It counts from now on.")).to_be_visible()
    refused(carols, at(acme, "settings/credentials/"))
    carols.goto(at(acme, "environment-variables/"))
    expect(carols.get_by_role("link", name="Add Environment Variables")).to_be_visible()
    assert places(carols) == [*VARIABLES, *EVERYBODY, "Organization"]
    keep(carols, "walk-role-changed")

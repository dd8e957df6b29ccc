"""Deploy in the browser: what was deployed, what changed since, and what the next deployment brought."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from credentials.models import Credential
from envvars.models import Automation
from organizations.models import Organization, User
from sandbox.aws import Sandbox
from tests.browser.conftest import accessibility_problems
from tests.builders import store_automation, store_direct, store_reference

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_an_automation_is_deployed_changed_deployed_again_and_compared(
    acme: Organization,
    alice: User,
    aws_prod: Credential,
    sandbox: Sandbox,
    enter: Callable[..., Page],
    picture: Callable[[str], None],
) -> None:
    crew = store_automation(acme)
    store_direct(acme, "LOG_LEVEL", "made-up-direct-value", [crew])
    store_reference(acme, "DATABASE_PASSWORD", "database-credentials#password", aws_prod, [crew])
    page = enter(alice)
    address = f"/organizations/{acme.uuid}/automations/{crew.uuid}/"
    page.goto(f"{address}edit/")
    page.get_by_label("when it is deployed").check()
    assert accessibility_problems(page) == []
    picture("deploy-choice")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("It cannot start until it is deployed")).to_be_visible()

    page.get_by_role("button", name="Deploy").click()
    expect(page.get_by_text("Deployment #1 was made with 2 variables.")).to_be_visible()
    expect(page.get_by_text("It starts with the values of deployment #1")).to_be_visible()
    page.get_by_role("link", name="Deployment #1").click()
    expect(page.get_by_role("heading", name="Deployment #1")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="DATABASE_PASSWORD")).to_contain_text("aws-prod")
    assert accessibility_problems(page) == []
    picture("deployment")

    page.goto(address)
    page.get_by_role("link", name="LOG_LEVEL", exact=True).click()
    page.locator("summary").filter(has_text="Replace").click()
    page.locator("[name=value]").fill("made-up-other-value")
    page.get_by_role("button", name="Save").click()
    page.goto(address)
    expect(page.get_by_text("1 variable changed since deployment #1")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="LOG_LEVEL")).to_contain_text("changed since deployed")
    assert accessibility_problems(page) == []
    picture("changed-since-deployed")

    page.get_by_role("button", name="Deploy").click()
    expect(page.get_by_text("It starts with the values of deployment #2")).to_be_visible()
    page.get_by_role("link", name="Deployment #2").click()
    page.get_by_role("link", name="Compare with previous").click()
    changed = page.get_by_role("region", name="Changed")
    expect(changed).to_contain_text("LOG_LEVEL")
    expect(changed).not_to_contain_text("DATABASE_PASSWORD")
    page.get_by_text("Unchanged").click()
    expect(page.get_by_role("listitem").filter(has_text="DATABASE_PASSWORD")).to_be_visible()
    assert "made-up" not in page.content()
    assert accessibility_problems(page) == []
    picture("deployments-compared")
    page.get_by_label("After").select_option(label="#1")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("region", name="Changed")).to_contain_text("None.")


def test_a_rotated_secret_makes_an_automation_stale_until_it_is_deployed_again(
    acme: Organization,
    alice: User,
    aws_prod: Credential,
    sandbox: Sandbox,
    enter: Callable[..., Page],
    picture: Callable[[str], None],
) -> None:
    crew = store_automation(acme)
    Automation.objects.update(resolves_at=Automation.ResolvesAt.DEPLOY)
    store_reference(acme, "DATABASE_PASSWORD", "database-credentials#password", aws_prod, [crew])
    page = enter(alice)
    page.goto(f"/organizations/{acme.uuid}/automations/{crew.uuid}/")
    page.get_by_role("button", name="Deploy").click()
    page.get_by_role("button", name="Compare with vaults").click()
    expect(page.get_by_text("Vaults hold what was deployed.")).to_be_visible()

    sandbox.put_secret("database-credentials", '{"username": "crewai_app", "password": "made-up-rotated"}')
    sandbox.calls.clear()
    page.get_by_role("button", name="Compare with vaults").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 deployed value is stale.")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="DATABASE_PASSWORD")).to_contain_text("stale since")
    assert {call.action for call in sandbox.calls} == {"DescribeSecret"}
    assert accessibility_problems(page) == []
    picture("stale")

    page.get_by_role("link", name="Automations").first.click()
    page.get_by_role("link", name="Which, and since when").click()
    expect(page.get_by_role("heading", name="Stale values")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="DATABASE_PASSWORD")).to_contain_text("stale since")
    assert accessibility_problems(page) == []
    picture("stale-values")
    page.get_by_role("link", name="Invoice crew").click()
    page.get_by_role("button", name="Deploy").click()
    expect(page.get_by_text("It starts with the values of deployment #2")).to_be_visible()
    expect(page.get_by_text("stale since")).to_have_count(0)
    assert "made-up-rotated" not in page.content()

"""Every page, as people meet it: light and dark, wide and narrow, in order for assistive technology and for the CSP.

A broken rule of the Content-Security-Policy is a console error, which `open_page` turns into a failure.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib import admin
from django.urls import reverse
from playwright.sync_api import Page, expect

from credentials.models import Credential
from credentials.testing import run_connection_test
from envvars.models import EnvironmentVariable
from envvars.references import Reference
from envvars.services.automations import add_automation
from envvars.services.deployments import deploy
from envvars.services.drift import check_drift
from envvars.services.tokens import add_token, revoke_token
from envvars.services.variables import Value, add_variable
from organizations.models import Organization, Role, User
from organizations.services.invitations import invite
from organizations.services.members import suspend
from organizations.services.organizations import create_organization
from organizations.sharing import Grant
from sandbox import seed
from sandbox.aws import Sandbox
from tests.browser.conftest import NARROW, WIDE, accessibility_problems
from tests.builders import restrict_to
from tests.second_factors import give_passkey, give_recovery_codes

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Source = EnvironmentVariable.Source


@pytest.fixture
def furnished(
    acme: Organization, alice: User, bob: User, carol: User, aws_prod: Credential, sandbox: Sandbox
) -> dict[str, str]:
    """An organization with something on every page; returns the addresses of all pages of a signed-in person."""
    create_organization("Initech", "initech", alice)
    direct = add_variable(acme, alice, key="LOG_LEVEL", value=Value(Source.DIRECT, text="debug"))
    reference = Reference("database-credentials", "password")
    named = Value(Source.CREDENTIAL, provider="aws", credential=aws_prod, reference=reference)
    password = add_variable(acme, alice, key="DATABASE_PASSWORD", value=named)
    missing = Value(Source.PROVIDER_DEFAULT, provider="aws", reference=Reference("database-credentials", "pasword"))
    mistyped = add_variable(acme, alice, key="MISTYPED", value=missing)
    automation = add_automation(
        acme, alice, name="Invoice crew", slug="invoice-crew", variables=[direct, password], resolves_at="deploy"
    )
    deploy(automation, alice)
    deployed = deploy(automation, alice)
    sandbox.put_secret(seed.DATABASE.name, f"{seed.DATABASE.value} ")  # another version of the same
    check_drift(acme)
    automation.variables.add(mistyped)
    token, _text = add_token(automation, alice, name="Cluster", lifetime=timedelta(days=90), uuid=uuid4())
    ended, _text = add_token(automation, alice, name="Laptop " * 14, lifetime=timedelta(days=90), uuid=uuid4())
    revoke_token(ended, alice)
    address = Value(Source.DIRECT, text="http://proxy.example")
    proxy = add_variable(acme, alice, key="HTTPS_PROXY", value=address, acknowledged=True)
    run_connection_test(aws_prod, alice, "crewai/no-such-secret")
    payroll = add_automation(acme, alice, name="Payroll crew", slug="payroll-crew", variables=[direct])
    restrict_to(payroll, alice.memberships.get(organization=acme), {bob: [Grant.READ]})
    base = f"/organizations/{acme.uuid}"
    return {
        "credentials": f"{base}/settings/credentials/",
        "credential": f"{base}/settings/credentials/{aws_prod.uuid}/",
        "credential-add": f"{base}/settings/credentials/add/",
        "credential-edit": f"{base}/settings/credentials/{aws_prod.uuid}/edit/",
        "credential-delete": f"{base}/settings/credentials/{aws_prod.uuid}/delete/",
        "credential-uses": f"{base}/settings/credentials/{aws_prod.uuid}/uses/",
        "credential-access": f"{base}/settings/credentials/{aws_prod.uuid}/access/",
        "credential-policy": f"{base}/settings/credentials/{aws_prod.uuid}/policy/",
        "credentials-not-found": f"{base}/settings/credentials/?q=nothing",
        "problems": f"{base}/settings/credentials/problems/",
        "problems-found": f"{base}/settings/credentials/problems/?q=kms",
        "problems-not-found": f"{base}/settings/credentials/problems/?q=nothing+like+it",
        "automations-stale": f"{base}/automations/stale/",
        "variables": f"{base}/environment-variables/",
        "variable-import": f"{base}/environment-variables/import/",
        "credential-import": f"{base}/settings/credentials/import/",
        "variable-add": f"{base}/environment-variables/add/",
        "variable-edit": f"{base}/environment-variables/{password.uuid}/edit/",
        "variable-direct-edit": f"{base}/environment-variables/{direct.uuid}/edit/",
        "variable-delete": f"{base}/environment-variables/{password.uuid}/delete/",
        "variable-secret": f"{base}/environment-variables/secret/?name=database-credentials",
        "variable-access": f"{base}/environment-variables/{password.uuid}/access/",
        "variable-explain": f"{base}/environment-variables/{mistyped.uuid}/explain/",
        "automation-explain": f"{base}/automations/{automation.uuid}/variables/{password.uuid}/explain/",
        "automations": f"{base}/automations/",
        "automation": f"{base}/automations/{automation.uuid}/",
        "automation-deployments": f"{base}/automations/{automation.uuid}/deployments/",
        "deployment": f"{base}/deployments/{deployed.uuid}/",
        "deployments-compared": f"{base}/automations/{automation.uuid}/compare/",
        "deployments-none": f"{base}/automations/{payroll.uuid}/deployments/",
        "deployments-not-two": f"{base}/automations/{payroll.uuid}/compare/",
        "automation-add": f"{base}/automations/add/",
        "automation-edit": f"{base}/automations/{automation.uuid}/edit/",
        "automation-restricted": f"{base}/automations/{payroll.uuid}/",
        "automation-shared": f"{base}/automations/{payroll.uuid}/access/",
        "automation-delete": f"{base}/automations/{automation.uuid}/delete/",
        "automation-tokens": f"{base}/automations/{automation.uuid}/#tokens-heading",
        "token-add": f"{base}/automations/{automation.uuid}/tokens/add/",
        "token-rotate": f"{base}/service-tokens/{token.uuid}/rotate/",
        "token-revoke": f"{base}/service-tokens/{token.uuid}/revoke/",
        "variable-name-asked": f"{base}/environment-variables/{proxy.uuid}/edit/",
        "organization": f"{base}/settings/organization/",
        "organization-edit": f"{base}/settings/organization/edit/",
        **people_of(acme, alice, bob, carol),
        **audit_log_of(acme, alice),
        "profile": "/account/profile/",
        "sessions": "/account/sessions/",
        "second-factor-none": "/account/second-factor/",
        "second-factor-app": "/account/second-factor/app/",
        "password": "/account/password/",
        "sign-out": "/account/logout/",
        "not-found": f"{base}/no-such-page/",
    }


def people_of(acme: Organization, alice: User, bob: User, carol: User) -> dict[str, str]:
    """Suspend Carol and invite somebody; returns the addresses of the pages about members and roles."""
    active, suspended = bob.memberships.get(organization=acme), carol.memberships.get(organization=acme)
    suspend(suspended, alice)
    invitation, _token = invite(acme, alice, email=f"{'dora-' * 10}@acme.example", role=active.role)
    built_in, custom = acme.roles.get(kind=Role.Kind.MEMBER), suspended.role
    members = f"/organizations/{acme.uuid}/settings/members"
    roles = f"/organizations/{acme.uuid}/settings/roles"
    return {
        "members": f"{members}/",
        "members-not-found": f"{members}/?q=nobody",
        "member-invite": f"{members}/invite/",
        "member-edit": f"{members}/{active.uuid}/edit/",
        "member-remove": f"{members}/{active.uuid}/remove/",
        "member-revoke": f"{members}/{invitation.membership.uuid}/remove/",
        "member-leave": f"{members}/leave/",
        "roles": f"{roles}/",
        "roles-not-found": f"{roles}/?q=nothing",
        "role-add": f"{roles}/add/",
        "role-edit": f"{roles}/{custom.uuid}/edit/",
        "role-built-in-edit": f"{roles}/{built_in.uuid}/edit/",
        "role-duplicate": f"{roles}/{built_in.uuid}/duplicate/",
        "role-delete": f"{roles}/{custom.uuid}/delete/",
    }


def audit_log_of(acme: Organization, alice: User) -> dict[str, str]:
    """Return the addresses of the audit log: all, narrowed, without a row, and with filters that cannot be read."""
    log = f"/organizations/{acme.uuid}/settings/audit-log/"
    return {
        "audit-log": log,
        "audit-log-narrowed": f"{log}?person={alice.email}&action=credential%3Acreated&since=2020-01-01",
        "audit-log-not-found": f"{log}?person=nobody%40acme.example",
        "audit-log-unreadable": f"{log}?since=yesterday&action=nothing",
    }


def support_pages() -> dict[str, str]:
    """Return the addresses of the support site: each list, one object of each, and lists that are narrowed."""
    pages = {"support": reverse("admin:index")}
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        row = model._default_manager.latest("pk")
        pages[f"support-{model._meta.model_name}s"] = reverse(f"admin:{name}_changelist")
        pages[f"support-{model._meta.model_name}"] = reverse(f"admin:{name}_change", args=[row.pk])
    credentials, members = pages["support-credentials"], pages["support-memberships"]
    return {
        **pages,
        "support-of-one-application": reverse("admin:app_list", args=["organizations"]),
        "support-searched": f"{credentials}?q=acme&is_default__exact=1&o=1",
        "support-not-found": f"{members}?q=nobody",
        "support-unreadable": f"{pages['support-invitations']}?sent_at__gte=yesterday&e=1",
        "support-nowhere": "/support/nowhere/",
        "support-refused": "/support/credentials/credential/add/",
    }


def second_factor_of(user: User) -> dict[str, str]:
    """Give a person who is signed in every kind of second factor; returns the addresses of the pages about them."""
    TOTP.activate(user, generate_totp_secret())
    give_recovery_codes(user)
    passkey = give_passkey(user)
    base = "/account/second-factor"
    return {
        "second-factor": f"{base}/",
        "second-factor-remove": f"{base}/app/remove/",
        "passkey-add": f"{base}/passkeys/add/",
        "passkey-rename": f"{base}/passkeys/{passkey.pk}/rename/",
        "passkey-remove": f"{base}/passkeys/{passkey.pk}/remove/",
        "recovery-codes": f"{base}/recovery-codes/",
        "recovery-codes-shown": f"{base}/recovery-codes/",
        "recovery-codes-new": f"{base}/recovery-codes/new/",
        "confirm": "/account/reauthenticate/",
        "confirm-code": "/account/reauthenticate/code/",
        "confirm-passkey": "/account/reauthenticate/passkey/",
    }


PUBLIC = {
    "sign-in": "/account/login/",
    "reset": "/account/password/reset/",
    "reset-sent": "/account/password/reset/sent/",
    "invitation-dead": "/invitations/accept/",
    "reset-link-used": "/account/password/reset/1-expired/",
}


def look_at(page: Page, name: str, address: str, picture: Callable[[str], None]) -> list[str]:
    """Open a page and return what is wrong with it."""
    page.goto(address)
    return look_at_this(page, name, picture)


def look_at_this(page: Page, name: str, picture: Callable[[str], None]) -> list[str]:
    """Return what is wrong with the page that is open."""
    problems = [f"{name}: {problem}" for problem in accessibility_problems(page)]
    width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if width > 0:
        problems.append(f"{name}: {width} px wider than the window")
    picture(name)
    return problems


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_page_is_accessible_and_fits(
    furnished: dict[str, str],
    alice: User,
    open_page: Callable[..., Page],
    enter: Callable[..., Page],
    keep: Callable[[Page, str], None],
    theme: str,
    size: dict[str, int],
) -> None:
    page = open_page(viewport=size, color_scheme=theme)

    def picture(name: str) -> None:
        keep(page, f"{name}-{theme}-{size['width']}")

    problems = [line for name, address in PUBLIC.items() for line in look_at(page, name, address, picture)]
    enter(alice, page=page)
    problems += [line for name, address in furnished.items() for line in look_at(page, name, address, picture)]
    further = second_factor_of(alice)
    problems += [line for name, address in further.items() for line in look_at(page, name, address, picture)]
    page.goto(furnished["audit-log-narrowed"])
    page.locator("summary").filter(has_text="Export").click()
    expect(page.get_by_role("button", name="CSV, for spreadsheets")).to_be_in_viewport(ratio=1)
    problems += look_at_this(page, "audit-log-export", picture)
    assert problems == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_page_for_support_staff_is_accessible_and_fits(
    furnished: dict[str, str],
    helper: User,
    open_page: Callable[..., Page],
    enter: Callable[..., Page],
    keep: Callable[[Page, str], None],
    theme: str,
    size: dict[str, int],
) -> None:
    page = enter(helper, page=open_page(viewport=size, color_scheme=theme))

    def picture(name: str) -> None:
        keep(page, f"{name}-{theme}-{size['width']}")

    addresses = support_pages()
    problems = [line for name, address in addresses.items() for line in look_at(page, name, address, picture)]
    page.goto(addresses["support-memberships"])
    page.get_by_label("Choose Bob in Acme").check()
    page.get_by_role("button", name="Suspend").click()
    problems += look_at_this(page, "support-question", picture)
    page.goto(addresses["support-credentials"])
    page.get_by_role("button", name="Test the connection again").click()
    expect(page.locator("#toasts")).to_contain_text("Items must be selected")
    problems += look_at_this(page, "support-nothing-chosen", picture)
    page.get_by_text("Last test passed:").click()
    problems += look_at_this(page, "support-filter-open", picture)
    assert problems == []


def test_an_automation_is_checked_and_says_which_variable_has_no_value(
    furnished: dict[str, str], alice: User, enter: Callable[..., Page], keep: Callable[[Page, str], None]
) -> None:
    page = enter(alice)
    page.goto(furnished["automation"])
    page.get_by_role("button", name="Check").click()
    row = page.get_by_role("listitem").filter(has_text="MISTYPED")
    expect(row).to_contain_text("JSON key not found")
    expect(row).to_contain_text("Keys of this secret: options, password, port, username")
    expect(page.get_by_role("listitem").filter(has_text="DATABASE_PASSWORD")).to_contain_text("has a value")
    assert json.loads(seed.DATABASE.value)["password"] not in page.content()
    keep(page, "automation-checked")

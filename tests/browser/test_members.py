"""Somebody is invited, joins in a window of their own, gets another role and is suspended while a page is open."""

import re
from collections.abc import Callable

import pytest
from django.core import mail
from playwright.sync_api import Page, expect

from organizations.models import Organization, User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_an_invited_person_joins_gets_another_role_and_is_shut_out_when_suspended(
    acme: Organization,
    alice: User,
    carol: User,
    enter: Callable[..., Page],
    open_page: Callable[..., Page],
    keep: Callable[[Page, str], None],
) -> None:
    owner = enter(alice)
    members = f"/organizations/{acme.uuid}/settings/members/"
    owner.goto(members)
    owner.get_by_role("link", name="Invite Member").click()
    owner.get_by_label("mail").fill("dora@acme.example")
    owner.get_by_label("Role").select_option(label="Member")
    owner.get_by_role("button", name="Send invitation").click()
    row = owner.get_by_role("row").filter(has_text="dora@acme.example")
    expect(row).to_contain_text("Invited")

    (message,) = mail.outbox
    assert message.to == ["dora@acme.example"]
    link = re.search(r"https?://[^/\s]+(/invitations/\S+)", str(message.body))
    assert link
    dora = open_page()
    dora.goto(link[1])
    expect(dora.get_by_role("heading", name="Join Acme")).to_be_visible()
    keep(dora, "invitation-accept")
    dora.get_by_label("Name").fill("Dora")
    for field in dora.locator("input[type=password]").all():
        field.fill("a quite unguessable sentence")
    dora.get_by_role("button", name="Join").click()
    dora.wait_for_url("**/organizations/**")

    owner.goto(members)
    expect(row).to_contain_text("Dora")
    expect(row).to_contain_text("Active")
    row.get_by_label("More for Dora").click()
    keep(owner, "members-menu")
    row.get_by_role("link", name="Change role").click()
    owner.get_by_label("Role").select_option(label="Credential readers")
    owner.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("Credential readers")

    dora.goto(members)
    expect(dora.get_by_role("heading", name="Members")).to_be_visible()
    row.get_by_label("More for Dora").click()
    row.get_by_role("button", name="Suspend").click()
    expect(row).to_contain_text("Suspended")
    answer = dora.reload()
    assert answer
    assert answer.status == 404

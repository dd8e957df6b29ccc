"""What the matrix does not ask: who leaves between two clicks, what strangers leave behind, how addresses are made."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from organizations.models import AuditEvent, User
from tests.isolation.stage import Stage
from tests.isolation.test_matrix import ORGANIZATION_URLS
from tests.organizations.conftest import put_into_state

SignIn = Callable[[User], Client]

#: Addresses that only take what is posted to them.
ONLY_POSTED = {
    *("credential_test", "credential_add_test", "credential_edit_test", "credential_check_trust"),
    *("credential_make_default", "automation_check", "automation_deploy", "automation_drift", "audit_export"),
    *("variable_add_check", "variable_add_suggest", "variable_edit_check", "variable_edit_suggest"),
    *("member_suspend", "member_reactivate", "member_resend"),
}


def test_every_kind_of_row_has_addresses_of_its_own(stage: Stage) -> None:
    kinds = {url.name.split("_")[0] for url in ORGANIZATION_URLS if "uuid" in url.captures}
    assert kinds == set(stage.rows["own"])


def test_an_owner_opens_every_page(stage: Stage, alice: User, sign_in: SignIn) -> None:
    client, only_posted = sign_in(alice), set()
    for url in ORGANIZATION_URLS:
        status = client.get(url.of(stage.acme.uuid, stage.rows["own"])).status_code
        assert status in (200, 302, 405), url.name
        only_posted |= {url.name} if status == 405 else set()
    assert only_posted == ONLY_POSTED


@pytest.mark.parametrize(
    ("state", "status"), [("suspended", 404), ("invited", 404), ("removed", 404), ("deactivated", 302)]
)
def test_leaving_counts_between_two_clicks(stage: Stage, bob: User, sign_in: SignIn, state: str, status: int) -> None:
    client, page = sign_in(bob), reverse("variable_list", args=[stage.acme.uuid])
    assert client.get(page).status_code == 200
    put_into_state(bob, stage.acme, state)
    assert client.get(page).status_code == client.post(page).status_code == status


def test_strangers_leave_nothing_in_the_audit_log(stage: Stage, mallory: User, sign_in: SignIn) -> None:
    client, before = sign_in(mallory), AuditEvent.objects.count()
    for url in ORGANIZATION_URLS:
        client.get(url.of(stage.acme.uuid, stage.rows["own"]))
    assert AuditEvent.objects.count() == before


def test_no_address_is_built_from_a_number_or_a_short_name(stage: Stage, alice: User, sign_in: SignIn) -> None:
    client, home = sign_in(alice), reverse("organization_home", args=[stage.acme.uuid])
    for made_up in (stage.acme.pk, stage.acme.slug):
        assert client.get(home.replace(str(stage.acme.uuid), str(made_up))).status_code == 404
    credential = stage.rows["own"]["credential"]
    page = reverse("credential_detail", args=[stage.acme.uuid, credential.uuid])
    assert client.get(page).status_code == 200
    assert client.get(page.replace(str(credential.uuid), str(credential.pk))).status_code == 404

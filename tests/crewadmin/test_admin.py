"""crewadmin.admin and the admin of every app: support staff look at metadata, change nothing and guess nothing."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry as AdminLog
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from credentials.models import ConnectionTest, Credential
from crewadmin.admin import ReadOnlyAdmin
from crewadmin.sealing import SealedField
from envvars.models import Automation, EnvironmentVariable, ServiceToken
from envvars.services.deployments import deploy
from envvars.services.tokens import add_token
from organizations.models import AuditEvent, DataKey, Invitation, Organization, Role, User
from organizations.services.invitations import invite
from organizations.services.roles import create_role
from sandbox.aws import Sandbox
from tests.builders import store_reference
from tests.pages import text_of

from .conftest import CANARY, new_credential, read_column

SignIn = Callable[[User], Client]

REGISTERED = list(admin.site._registry)
OPERATORS = ("", "__exact", "__startswith", "__contains", "__gt", "__in", "__regex", "__isnull")


@pytest.fixture
def support(db: None) -> User:
    """A person of the support team: may view everything there is to view, and belongs to no organization."""
    user = User.objects.create_user("support@example.com", "support password", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    return user


@pytest.fixture
def rows(
    credential: Credential, variable: EnvironmentVariable, acme: Organization, alice: User
) -> dict[type[models.Model], models.Model]:
    """One row of every registered model."""
    automation = Automation.objects.create(organization=acme, name="Crew", slug="crew")
    test = ConnectionTest.objects.create(
        organization=acme, provider="aws", credential=credential, credential_version=1, person_label="Alice", ok=True
    )
    Credential.objects.filter(pk=credential.pk).update(last_test=test)
    token, _text = add_token(automation, alice, name="Cluster", lifetime=timedelta(days=30), uuid=uuid4())
    found: list[Any] = [credential, variable, automation, deploy(automation, alice), token, test, acme, alice]
    invitation, _token = invite(acme, alice, email="dora@acme.example", role=acme.roles.get(kind=Role.Kind.MEMBER))
    found += [acme.roles.first(), acme.memberships.first(), acme.audit_events.first(), invitation]
    return {type(row): row for row in found}


def changelist(model: type[models.Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def change_page(row: models.Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def test_every_registered_model_is_read_only_and_has_a_row_here(
    rows: dict[type[models.Model], models.Model],
) -> None:
    assert {
        model: type(page) for model, page in admin.site._registry.items() if not isinstance(page, ReadOnlyAdmin)
    } == {}
    assert set(REGISTERED) == set(rows)
    assert DataKey not in REGISTERED


def test_support_staff_open_every_page_and_see_no_sealed_byte(
    support: User, sign_in: SignIn, rows: dict[type[models.Model], models.Model]
) -> None:
    client = sign_in(support)
    credential, alice = rows[Credential], rows[User]
    sealed = [read_column(credential, "secrets"), read_column(rows[EnvironmentVariable], "value")]
    hashes = [rows[Invitation].token_hash, bytes(rows[ServiceToken].hash).hex()]
    hidden = [CANARY, alice.password, *hashes, *(value.hex() for value in sealed), *map(repr, sealed)]
    for model, row in rows.items():
        for address in (changelist(model), change_page(row)):
            answer = client.get(address)
            assert answer.status_code == 200, address
            assert [text for text in hidden if text in answer.text] == [], address
            assert 'name="_save"' not in answer.text, address
            assert "/static/admin/" not in answer.text, "Django's own styles and scripts are not ours"
    assert client.get(reverse("admin:index")).status_code == 200


def test_no_sealed_column_leaves_the_database_for_the_admin(
    support: User, sign_in: SignIn, rows: dict[type[models.Model], models.Model], unsealed: list[models.Model]
) -> None:
    client = sign_in(support)
    with CaptureQueriesContext(connection) as queries:
        for model, row in rows.items():
            client.get(changelist(model), {"q": "a"})
            client.get(change_page(row))
    assert unsealed == []
    selected = " ".join(query["sql"] for query in queries)
    assert '"envvars_environmentvariable"."value"' not in selected
    assert '"credentials_credential"."secrets"' not in selected
    assert '"credentials_credential"."name"' in selected


def test_a_list_takes_as_many_queries_for_many_rows_as_for_few(
    support: User, sign_in: SignIn, rows: dict[type[models.Model], models.Model], acme: Organization, alice: User
) -> None:
    client = sign_in(support)

    def queries() -> dict[str, int]:
        counts = {}
        for model in REGISTERED:
            with CaptureQueriesContext(connection) as captured:
                assert client.get(changelist(model)).status_code == 200
            counts[model.__name__] = len(captured)
        return counts

    queries()  # fills the caches of content types and permissions
    few = queries()
    member, automation = acme.roles.get(kind=Role.Kind.MEMBER), rows[Automation]
    assert isinstance(automation, Automation)
    for number in range(8):
        credential = new_credential(acme, alice, f"aws-{number}")
        credential.last_test = ConnectionTest.objects.create(
            organization=acme, provider="aws", credential=credential, credential_version=1, person_label="A", ok=False
        )
        credential.save(update_fields=["last_test"])
        store_reference(acme, f"KEY_{number}", "database#password", credential)
        add_token(automation, alice, name=f"Token {number}", lifetime=timedelta(days=30), uuid=uuid4())
        Automation.objects.create(organization=acme, name=f"Crew {number}", slug=f"crew-{number}")
        invite(acme, alice, email=f"person-{number}@acme.example", role=member)
        create_role(acme, f"Role {number}")
    assert queries() == few


# --- No oracle ------------------------------------------------------------------------------------------------------
def test_a_test_that_ended_with_its_process_runs_no_more(
    support: User, sign_in: SignIn, rows: dict[type[models.Model], models.Model]
) -> None:
    tests = ConnectionTest.objects.filter(pk=rows[ConnectionTest].pk)
    words = []
    for seconds in (5, 31):
        tests.update(ok=None, created_at=timezone.now() - timedelta(seconds=seconds))
        page = text_of(sign_in(support).get(change_page(rows[ConnectionTest])))
        words.append(next(word for word in ("Running", "Cut off") if word in page))
    assert words == ["Running", "Cut off"]


def test_no_page_takes_a_lookup_that_its_filters_do_not_offer(rf: RequestFactory) -> None:
    request, asked = rf.get("/"), 0
    for model, page in admin.site._registry.items():
        for name in {field.name for field in model._meta.get_fields()} - set(map(str, page.list_filter)):
            for operator in OPERATORS:
                assert not page.lookup_allowed(f"{name}{operator}", "1", request), (model, name)
                asked += 1
    assert asked > 400


@pytest.mark.parametrize(
    ("model", "lookup"),
    [
        (Credential, "secrets__startswith"),
        (Credential, "secrets__isnull"),
        (Credential, "config__access_key_id__startswith"),
        (Credential, "organization__data_keys__wrapped_key__startswith"),
        (Credential, "created_by__password__startswith"),
        (EnvironmentVariable, "value__startswith"),
        (EnvironmentVariable, "credential__config__access_key_id__startswith"),
        (EnvironmentVariable, "credential__secrets__startswith"),
        (ConnectionTest, "credential__config__role_arn__startswith"),
        (User, "password__startswith"),
        (User, "password"),
        (Invitation, "token_hash__startswith"),
        (Invitation, "membership__user__password__startswith"),
        (ServiceToken, "hash"),
        (ServiceToken, "automation__variables__value__startswith"),
        (User, "memberships__role__name__startswith"),
        (AuditEvent, "hash"),
    ],
)
def test_no_column_can_be_guessed_by_query_string(
    support: User, sign_in: SignIn, model: type[models.Model], lookup: str
) -> None:
    assert sign_in(support).get(changelist(model), {lookup: "a"}).status_code == 400


def test_the_filters_and_the_search_of_a_page_work(
    support: User, sign_in: SignIn, rows: dict[type[models.Model], models.Model]
) -> None:
    client = sign_in(support)
    for model, page in admin.site._registry.items():
        offered = set(re.findall(r'class="menu-item"\s+href="(\?[^"]+)"', client.get(changelist(model)).text))
        assert len(offered) >= len(page.list_filter), model
        for query in map(unescape, offered):
            assert client.get(changelist(model) + query).status_code == 200, (model, query)
    assert "aws-canary" in client.get(changelist(Credential), {"q": "acme"}).text
    assert "aws-canary" not in client.get(changelist(Credential), {"q": "umbrella"}).text


@pytest.mark.parametrize("query", ["_to_field=secrets", "_to_field=password", "o=99", "_facets=True", "p=999999"])
def test_other_query_strings_show_nothing_either(
    support: User, sign_in: SignIn, rows: dict[type[models.Model], models.Model], query: str
) -> None:
    client = sign_in(support)
    for model in (Credential, User):
        answer = client.get(f"{changelist(model)}?{query}")
        assert answer.status_code in (200, 302, 400)
        assert CANARY not in answer.text


def test_a_filter_that_cannot_be_read_shows_all_rows_or_says_so(support: User, sign_in: SignIn) -> None:
    client, listed = sign_in(support), changelist(Invitation)
    assert client.get(listed, {"sent_at__gte": "yesterday"})["Location"] == f"{listed}?e=1"
    assert client.get(f"{listed}?e=1").status_code == 200
    assert "This address cannot be read" in client.get(listed, {"sent_at__gte": "yesterday", "e": "1"}).text


def test_no_page_searches_or_shows_a_sealed_column() -> None:
    for model, page in admin.site._registry.items():
        sealed = {field.name for field in model._meta.fields if isinstance(field, SealedField)} | {"password"}
        offered = [
            *page.list_display,
            *page.list_filter,
            *(page.fields or ()),
            *page.search_fields,
            *page.readonly_fields,
        ]
        assert page.fields, model
        assert not sealed & {str(name).split("__")[-1] for name in offered}


# --- Nothing changes ------------------------------------------------------------------------------------------------
@pytest.fixture(params=["support", "superuser"])
def staff(request: pytest.FixtureRequest, support: User) -> User:
    if request.param == "support":
        return support
    return User.objects.create_superuser("root@example.com", "root password")


def snapshot() -> list[object]:
    """All rows that support staff see, but for the log, which tells of their looks."""
    return [list(model._default_manager.order_by("pk").values()) for model in REGISTERED if model is not AuditEvent]


def test_nobody_adds_changes_or_deletes(
    staff: User, sign_in: SignIn, rows: dict[type[models.Model], models.Model]
) -> None:
    client = sign_in(staff)
    before = snapshot()
    for model, row in rows.items():
        base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        for address in (reverse(f"{base}_add"), reverse(f"{base}_delete", args=[row.pk])):
            assert client.get(address).status_code == 403, address
            assert client.post(address, {"post": "yes", "name": "changed"}).status_code == 403, address
        assert client.post(change_page(row), {"name": "changed", "email": "x@example.com"}).status_code == 403
        action = {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}
        assert client.post(changelist(model), action).status_code in (200, 302, 403)
    assert snapshot() == before


def test_no_event_of_the_audit_log_is_deleted_or_changed(staff: User, sign_in: SignIn, acme: Organization) -> None:
    event = acme.audit_events.earliest("id")
    client, page = sign_in(staff), reverse("admin:organizations_auditevent_delete", args=[event.pk])
    client.post(page, {"post": "yes"})
    client.post(change_page(event), {"action": "audit:exported"})
    for index in ({}, {"index": "0"}):
        chosen = {"action": "delete_selected", "_selected_action": event.pk, "post": "yes", **index}
        client.post(changelist(AuditEvent), chosen)
    kept = AuditEvent.objects.get(pk=event.pk)
    assert (kept.action, bytes(kept.hash)) == (event.action, bytes(event.hash))


def test_nobody_edits_permissions(staff: User, sign_in: SignIn, alice: User) -> None:
    assert not {Permission, Group, AdminLog, ContentType} & set(REGISTERED)
    client = sign_in(staff)
    for address in ("/support/auth/group/", "/support/auth/permission/", "/support/admin/logentry/"):
        assert client.get(address).status_code == 404, address
    view = Permission.objects.get(codename="view_user")
    sent = {"is_staff": "on", "is_superuser": "on", "user_permissions": view.pk, "email": alice.email}
    assert client.post(change_page(alice), sent).status_code == 403
    alice.refresh_from_db()
    assert (alice.is_staff, alice.is_superuser, alice.user_permissions.count()) == (False, False, 0)
    assert "is_superuser" not in client.get(change_page(alice)).text


# --- Getting in -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "address", ["/support/", "/support/login/", "/support/login/?next=/support/", "/support/nowhere/"]
)
def test_visitors_go_to_our_sign_in(db: None, address: str) -> None:
    answer = Client().get(address, follow=True)
    assert answer.status_code == 200
    assert answer.request["PATH_INFO"] == "/account/login/"


def test_there_is_no_second_sign_in_to_post_to(db: None) -> None:
    User.objects.create_superuser("root@example.com", "root password")
    client = Client()
    client.post("/support/login/", {"username": "root@example.com", "password": "root password"})
    assert "_auth_user_id" not in client.session


def test_a_staff_member_who_signs_in_arrives(support: User, sign_in: SignIn) -> None:
    answer = sign_in(support).get("/support/login/?next=/support/", follow=True)
    assert answer.status_code == 200
    assert answer.request["PATH_INFO"] == "/support/"


def test_somebody_signed_in_who_is_no_staff_is_refused(
    alice: User, sign_in: SignIn, rows: dict[type[models.Model], models.Model]
) -> None:
    client = sign_in(alice)
    for model, row in rows.items():
        for address in (changelist(model), change_page(row)):
            assert client.get(address, follow=True).status_code == 403, address
    assert client.get("/support/login/").status_code == 403
    assert client.get("/support/", follow=True).status_code == 403


def test_staff_without_permissions_see_no_row(sign_in: SignIn, rows: dict[type[models.Model], models.Model]) -> None:
    client = sign_in(User.objects.create_user("new@example.com", "new password", is_staff=True))
    for model, row in rows.items():
        for address in (changelist(model), change_page(row)):
            answer = client.get(address)
            assert answer.status_code == 403, address
            assert "Only support staff who have the permission" in answer.text
    assert "may see no list" in client.get("/support/").text


def test_signing_out_and_the_password_are_the_products_own_pages(support: User, sign_in: SignIn) -> None:
    client = sign_in(support)
    page = client.get("/support/").text
    assert f'action="{reverse("account_logout")}"' in page
    assert f'href="{reverse("account_change_password")}"' in page
    assert client.post("/support/logout/")["Location"] == reverse("account_logout")
    assert client.get("/support/password_change/").status_code == 404


def test_only_support_staff_are_shown_the_way(support: User, alice: User, acme: Organization, sign_in: SignIn) -> None:
    assert 'href="/support/"' not in sign_in(alice).get("/", follow=True).text
    alice.is_staff = True
    alice.save()
    assert 'href="/support/"' in sign_in(alice).get("/", follow=True).text


# --- Every look is told ---------------------------------------------------------------------------------------------
def told(organization: Organization, support: User) -> list[tuple[str, dict[str, object]]]:
    """What an organization's log says that the support person did, oldest first."""
    events = organization.audit_events.filter(actor=support).order_by("id")
    return list(events.values_list("action", "details"))


def test_a_look_at_an_object_is_told_to_its_organization_only(
    support: User, sign_in: SignIn, rows: dict[type[models.Model], models.Model], umbrella: Organization
) -> None:
    client = sign_in(support)
    for model, row in rows.items():
        acme = rows[Organization]
        assert isinstance(acme, Organization)
        before = len(told(acme, support))
        client.get(change_page(row))
        assert told(acme, support)[before:] == [("support:looked", {"kind": str(model._meta.verbose_name)})], model
    assert told(umbrella, support) == []


def test_a_look_tells_an_organization_that_only_invited_somebody_no_name(
    support: User, sign_in: SignIn, acme: Organization, umbrella: Organization, alice: User, mallory: User
) -> None:
    invitation, _token = invite(umbrella, mallory, email=alice.email, role=umbrella.roles.get(kind=Role.Kind.MEMBER))
    client = sign_in(support)
    for row in (alice, invitation, invitation.membership):
        client.get(change_page(row))
    looks = AuditEvent.objects.filter(action="support:looked")
    assert set(looks.filter(organization=umbrella).values_list("target_uuid", "target_label")) == {
        (alice.uuid, alice.email)
    }
    assert looks.get(organization=acme).target_label == "Alice"


def test_a_list_is_told_to_each_organization_of_which_it_showed_rows(
    support: User, sign_in: SignIn, acme: Organization, umbrella: Organization, credential: Credential
) -> None:
    client = sign_in(support)
    client.get(changelist(Organization))
    client.get(changelist(Credential))
    assert told(acme, support) == [
        ("support:listed", {"kind": "organizations", "rows": 1}),
        ("support:listed", {"kind": "secret provider credentials", "rows": 1}),
    ]
    assert told(umbrella, support) == [("support:listed", {"kind": "organizations", "rows": 1})]


def test_a_search_tells_no_organization_what_it_was_for(
    support: User, sign_in: SignIn, acme: Organization, umbrella: Organization
) -> None:
    sign_in(support).get(changelist(Organization), {"q": "umbrella"})
    assert told(acme, support) == []
    assert "umbrella" not in str(told(umbrella, support))


def test_an_owner_reads_of_every_look_in_the_audit_log(
    support: User, alice: User, sign_in: SignIn, acme: Organization, credential: Credential
) -> None:
    client = sign_in(support)
    client.get(changelist(Credential))
    client.get(change_page(credential))
    log = sign_in(alice).get(reverse("audit_list", args=[acme.uuid]), {"person": support.email})
    words = " ".join(re.sub(r"<[^>]+>", "", log.text).split())
    assert "support@example.com looked at aws-canary, as support staff: secret provider credential" in words
    assert "looked at a list of Acme, as support staff: secret provider credentials, 1 row" in words


def test_no_address_shows_names_of_rows_without_telling(
    staff: User, sign_in: SignIn, acme: Organization, credential: Credential
) -> None:
    client = sign_in(staff)
    asked = {"app_label": "envvars", "model_name": "environmentvariable", "field_name": "credential", "term": "a"}
    answer = client.get("/support/autocomplete/", asked)
    assert answer.status_code == 404
    assert "aws-canary" not in answer.text


def test_a_page_that_is_refused_is_no_look(support: User, sign_in: SignIn, acme: Organization) -> None:
    support.user_permissions.clear()
    assert sign_in(support).get(change_page(acme)).status_code == 403
    assert told(acme, support) == []


def test_nothing_is_shown_that_cannot_be_recorded(
    support: User, sign_in: SignIn, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crewadmin.admin._record_look", None)
    client = sign_in(support)
    client.raise_request_exception = False
    for address in (change_page(acme), changelist(Organization)):
        answer = client.get(address)
        assert answer.status_code == 500
        assert "Acme" not in answer.text


# --- What support staff may do --------------------------------------------------------------------------------------
ACTIONS = {"retest_credential", "suspend_membership", "end_sessions"}


@pytest.fixture
def helper(support: User) -> User:
    """A support person who may act."""
    support.user_permissions.add(*Permission.objects.filter(codename__in=ACTIONS))
    return support


def act(client: Client, row: models.Model, action: str, *, confirmed: bool = True) -> str:
    """Do something with one row of a list; return the words of the page after it."""
    sent = {"action": action, "_selected_action": str(row.pk)} | ({"confirmed": "yes"} if confirmed else {"index": "0"})
    return client.post(changelist(type(row)), sent, follow=True).text


def test_a_credential_is_tested_again_in_the_name_of_the_support_person(
    helper: User, sign_in: SignIn, aws_prod: Credential, acme: Organization, sandbox: Sandbox
) -> None:
    assert "“aws-prod”: " in act(sign_in(helper), aws_prod, "retest", confirmed=False)
    aws_prod.refresh_from_db()
    assert aws_prod.last_test
    assert aws_prod.last_test.ok
    assert aws_prod.last_test.created_by == helper
    actions = [action for action, _details in told(acme, helper)]
    assert [action for action in actions if "test" in action] == ["credential:test_started", "credential:tested"]


def test_a_member_is_suspended_after_a_question(helper: User, sign_in: SignIn, acme: Organization, bob: User) -> None:
    client, membership = sign_in(helper), acme.memberships.get(user=bob)
    assert "Bob in Acme" in act(client, membership, "suspend", confirmed=False)
    membership.refresh_from_db()
    assert membership.state == "active"
    assert "was suspended" in act(client, membership, "suspend")
    membership.refresh_from_db()
    assert membership.state == "suspended"
    assert acme.audit_events.filter(action="member:suspended", actor=helper, target_uuid=bob.uuid).exists()


def test_whoever_did_not_join_yet_is_not_called_suspended(
    helper: User, sign_in: SignIn, acme: Organization, bob: User
) -> None:
    membership = acme.memberships.get(user=bob)
    type(membership).objects.update(state="invited")
    assert "did not join yet, and was not suspended" in act(sign_in(helper), membership, "suspend")
    membership.refresh_from_db()
    assert membership.state == "invited"


def test_the_last_active_owner_stays(helper: User, sign_in: SignIn, acme: Organization, alice: User) -> None:
    membership = acme.memberships.get(user=alice)
    assert "is the last active owner" in act(sign_in(helper), membership, "suspend")
    membership.refresh_from_db()
    assert membership.state == "active"


def test_a_person_is_signed_out_everywhere(helper: User, sign_in: SignIn, acme: Organization, bob: User) -> None:
    browsers, other = [sign_in(bob), sign_in(bob)], sign_in(helper)
    assert all(browser.get("/", follow=True).request["PATH_INFO"].startswith("/organizations/") for browser in browsers)
    act(other, bob, "end_sessions")
    assert all(browser.get("/", follow=True).request["PATH_INFO"] == "/account/login/" for browser in browsers)
    assert other.get("/support/").status_code == 200
    assert acme.audit_events.filter(action="member:sessions_ended", actor=helper).exists()


@pytest.mark.parametrize("action", ["suspend", "end_sessions"])
def test_a_stale_proof_changes_nothing(helper: User, acme: Organization, bob: User, action: str) -> None:
    client = Client()
    client.force_login(helper)
    before = snapshot()
    row = acme.memberships.get(user=bob) if action == "suspend" else bob
    assert "Confirm that it is you" in act(client, row, action)
    assert [rows for rows in snapshot() if "last_login" not in str(rows)] == [
        rows for rows in before if "last_login" not in str(rows)
    ]
    assert not acme.audit_events.filter(actor=helper, action__startswith="member").exists()


@pytest.mark.parametrize("action", ["suspend", "end_sessions", "retest"])
def test_who_may_only_look_does_nothing(
    support: User, sign_in: SignIn, acme: Organization, bob: User, credential: Credential, action: str
) -> None:
    row = {"suspend": acme.memberships.get(user=bob), "end_sessions": bob, "retest": credential}[action]
    client, before = sign_in(support), snapshot()
    act(client, row, action)
    act(client, row, action, confirmed=False)
    assert snapshot() == before

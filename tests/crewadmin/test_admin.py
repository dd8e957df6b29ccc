"""crewadmin.admin and the admin of every app: support staff look at metadata, change nothing and guess nothing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection, models
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credentials.models import ConnectionTest, Credential
from crewadmin.admin import ReadOnlyAdmin
from crewadmin.sealing import SealedField
from envvars.models import Automation, EnvironmentVariable
from envvars.services.tokens import add_token
from organizations.models import AuditEvent, DataKey, Organization, User

from .conftest import CANARY, read_column

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
    found: list[Any] = [credential, variable, automation, token, test, acme, alice]
    found += [acme.roles.first(), acme.memberships.first(), acme.audit_events.first()]
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
    hidden = [CANARY, alice.password, *(value.hex() for value in sealed), *map(repr, sealed)]
    for model, row in rows.items():
        history = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_history", args=[row.pk])
        for address in (changelist(model), change_page(row), history):
            answer = client.get(address)
            assert answer.status_code == 200, address
            assert [text for text in hidden if text in answer.text] == [], address
            assert 'type="submit" name="_save"' not in answer.text, address
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
    assert '"credentials_credential"."name"' in selected


# --- No oracle ------------------------------------------------------------------------------------------------------
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
        for name in page.list_filter:
            answer = client.get(changelist(model), {f"{name}__exact": "1"})
            assert answer.status_code == 200, (model, name)
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
    return [list(model._default_manager.order_by("pk").values()) for model in REGISTERED]


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
            assert client.get(address).status_code == 403, address


def test_a_password_is_changed_on_the_products_own_page_only(support: User, sign_in: Callable[[User], Client]) -> None:
    response = sign_in(support).get("/support/password_change/")
    assert response.status_code == 302
    assert response["Location"] == reverse("account_change_password")

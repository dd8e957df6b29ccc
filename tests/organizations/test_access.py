"""organizations.access: every address has a rule, and roles have levels."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path

from organizations.access import (
    Access,
    Audience,
    Feature,
    FeatureAccess,
    Level,
    Rule,
    access_of,
    levels_of,
    levels_of_each,
    memberships_of,
    rule_of,
    set_levels,
)
from organizations.models import AuditEvent, AuditHead, Organization, OrganizationGroupPermission, Role, User
from organizations.services.roles import create_role

from .conftest import put_into_state
from .urlconf import OF_EVERY_MEMBER, every_url, organization_urls

SignIn = Callable[[User], Client]


# --- Rules ----------------------------------------------------------------------------------------------------------
def without_a_rule() -> list[str]:
    return [url.route for url in every_url() if url.rule is None]


def test_every_address_has_a_rule() -> None:
    assert len(list(every_url())) > 60  # the walk saw the admin too
    assert without_a_rule() == []


def unguarded(request: HttpRequest) -> HttpResponse:
    return HttpResponse("open")


urlpatterns = [
    path("forgotten/", unguarded, name="forgotten"),
    path("nameless/", unguarded),
    path("deep/", include([path("forgotten/", unguarded)])),
    path("other/", include(([path("login/", unguarded, name="account_login")], "other"))),
    path("", include("crewadmin.urls")),
]


def test_an_address_without_a_rule_is_found(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    assert without_a_rule() == ["forgotten/", "nameless/", "deep/forgotten/", "other/login/"]


def test_every_address_of_an_organization_is_for_its_members_and_no_other_is() -> None:
    of_organizations = {url.name for url in organization_urls()}
    assert len(of_organizations) > 15
    assert {url.name for url in every_url() if url.rule and url.rule.audience == Audience.MEMBERS} == of_organizations


def test_every_address_of_an_organization_asks_for_a_level_or_an_owner_but_for_a_known_few() -> None:
    assert {
        url.name for url in organization_urls() if url.rule and not url.rule.owner and url.rule.feature is None
    } == OF_EVERY_MEMBER
    assert all(url.rule.level for url in organization_urls() if url.rule and url.rule.feature)


#: What addresses for owners begin with; some of them are for every member all the same.
FOR_OWNERS = ("audit_", "member_", "organization_settings", "role_")


def test_what_changes_members_and_roles_is_for_owners_only() -> None:
    owners = {url.name for url in organization_urls() if url.rule and url.rule.owner}
    of_members_and_roles = {url.name for url in organization_urls() if url.name.startswith(FOR_OWNERS)}
    assert owners == of_members_and_roles - OF_EVERY_MEMBER
    assert len(owners) > 8


#: Parts of the names of addresses that change something, or lead to it. A policy names the organization's secrets.
CHANGING = (
    "_add",
    "_edit",
    "_delete",
    "_import",
    "_access",
    "_make_default",
    "_policy",
    "_trust",
    "_rotate",
    "_revoke",
    "_deploy",
)


def test_addresses_that_change_something_ask_for_manage_and_the_others_for_read() -> None:
    for url in organization_urls():
        assert url.rule
        if url.rule.feature is not None:
            expected = Level.MANAGE if any(part in url.name for part in CHANGING) else Level.READ
            assert (url.name, url.rule.level) == (url.name, expected)


def test_addresses_for_everybody_are_those_that_need_no_sign_in() -> None:
    open_to_all = {url.name for url in every_url() if not getattr(url.view, "login_required", True)}
    audiences = (Audience.EVERYBODY, Audience.AUTOMATIONS)  # a service token is no sign-in
    declared = {url.name for url in every_url() if url.rule and url.rule.audience in audiences}
    assert {name for name in open_to_all if not name.startswith("admin:")} == declared


def test_every_page_of_the_admin_is_for_staff() -> None:
    admin = [url for url in every_url() if url.route.startswith("support/")]
    assert len(admin) > 40
    assert {url.rule for url in admin} == {Rule(Audience.STAFF)}


def test_a_rule_of_another_package_is_found_by_its_full_name_only() -> None:
    assert rule_of(unguarded, "account_login") == Rule(Audience.EVERYBODY)
    assert rule_of(unguarded, "other:account_login") is None
    assert rule_of(unguarded, "admin:") == Rule(Audience.STAFF)
    assert rule_of(unguarded, "admin") is None
    assert rule_of(unguarded, None) is None


# --- Levels of roles ------------------------------------------------------------------------------------------------
@pytest.fixture
def role(acme: Organization) -> Role:
    return create_role(acme, "Custom")


def test_a_new_role_may_do_nothing(role: Role) -> None:
    assert levels_of(role) == dict.fromkeys(Feature, Level.NONE)


@pytest.mark.parametrize("before", Level)
@pytest.mark.parametrize("after", Level)
@pytest.mark.parametrize("feature", Feature)
def test_a_level_that_was_set_is_the_level(role: Role, feature: Feature, before: Level, after: Level) -> None:
    set_levels(role, {feature: before})
    set_levels(role, {feature: after})
    assert levels_of(role) == dict.fromkeys(Feature, Level.NONE) | {feature: after}


def test_manage_implies_read(role: Role) -> None:
    set_levels(role, {Feature.SECRET_PROVIDERS: Level.MANAGE})
    stored = OrganizationGroupPermission.objects.filter(group=role.group).values_list("permission__codename", flat=True)
    assert set(stored) == {"read_secret_providers", "manage_secret_providers"}
    assert FeatureAccess(Level.MANAGE).read
    assert FeatureAccess(Level.READ).read
    assert not FeatureAccess(Level.READ).manage
    assert not FeatureAccess(Level.NONE).read


def test_a_feature_that_is_not_named_keeps_its_level(role: Role) -> None:
    set_levels(role, {Feature.SECRET_PROVIDERS: Level.READ})
    set_levels(role, {Feature.ENVIRONMENT_VARIABLES: Level.MANAGE})
    assert levels_of(role)[Feature.SECRET_PROVIDERS] == Level.READ


def test_a_member_starts_with_managing_variables_only(acme: Organization) -> None:
    levels = levels_of(acme.roles.get(kind=Role.Kind.MEMBER))
    assert levels == dict.fromkeys(Feature, Level.NONE) | {Feature.ENVIRONMENT_VARIABLES: Level.MANAGE}


def test_an_owner_cannot_be_restricted(acme: Organization) -> None:
    owner = acme.roles.get(kind=Role.Kind.OWNER)
    set_levels(owner, dict.fromkeys(Feature, Level.NONE))
    assert levels_of(owner) == dict.fromkeys(Feature, Level.MANAGE)


@pytest.mark.parametrize("level", Level)
def test_an_unknown_feature_is_refused_at_any_level(role: Role, level: Level) -> None:
    unknown: Any = "billing"
    with pytest.raises(ValueError, match="billing"):
        set_levels(role, {Feature.SECRET_PROVIDERS: Level.MANAGE, unknown: level})
    assert levels_of(role) == dict.fromkeys(Feature, Level.NONE)


def test_an_unknown_level_is_refused(role: Role) -> None:
    unknown: Any = 7
    with pytest.raises(ValueError, match="7"):
        set_levels(role, {Feature.SECRET_PROVIDERS: unknown})


def test_access_has_an_attribute_for_every_feature(acme: Organization, alice: User) -> None:
    access = access_of(alice.memberships.get())
    assert {access.level(feature) for feature in Feature} == {Level.MANAGE}
    assert set(Access.__dataclass_fields__) == {str(feature) for feature in Feature} | {"owner"}


def test_only_the_owner_role_makes_an_owner(acme: Organization, alice: User, bob: User, carol: User) -> None:
    set_levels(carol.memberships.get().role, dict.fromkeys(Feature, Level.MANAGE))
    assert [access_of(user.memberships.get()).owner for user in (alice, bob, carol)] == [True, False, False]


def test_the_levels_of_many_roles_take_one_query(acme: Organization, django_assert_num_queries: Any) -> None:
    readers = create_role(acme, "Readers")
    set_levels(readers, {Feature.SECRET_PROVIDERS: Level.READ})
    roles = list(acme.roles.all())
    with django_assert_num_queries(1):
        found = levels_of_each(roles)
    assert found == {role.pk: levels_of(role) for role in roles}
    assert found[readers.pk][Feature.SECRET_PROVIDERS] == Level.READ


def test_levels_count_in_their_own_organization_only(acme: Organization, umbrella: Organization) -> None:
    role = create_role(acme, "Custom")
    set_levels(role, {Feature.SECRET_PROVIDERS: Level.MANAGE})
    Role.objects.filter(pk=role.pk).update(organization=umbrella)
    assert levels_of(Role.objects.get(pk=role.pk)) == dict.fromkeys(Feature, Level.NONE)


def test_levels_vanish_with_the_organization(acme: Organization, role: Role) -> None:
    set_levels(role, {Feature.SECRET_PROVIDERS: Level.MANAGE})
    group = role.group
    acme.memberships.all().delete()
    AuditHead.objects.all().delete()
    models.QuerySet(AuditEvent).delete()  # its own query refuses, and so the organization would stay
    acme.delete()
    assert not OrganizationGroupPermission.objects.filter(group=group).exists()


def test_a_changed_level_counts_on_the_next_request(acme: Organization, carol: User, sign_in: SignIn) -> None:
    client, address = sign_in(carol), f"/organizations/{acme.uuid}/settings/credentials/"
    role = carol.memberships.get().role
    assert client.get(address).status_code == 200
    set_levels(role, {Feature.SECRET_PROVIDERS: Level.NONE})
    assert client.get(address).status_code == 403
    set_levels(role, {Feature.SECRET_PROVIDERS: Level.READ})
    assert client.get(address).status_code == 200


def test_asking_for_a_members_access_takes_two_queries_at_most(
    acme: Organization, bob: User, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(2):
        access_of(memberships_of(bob)[0])


# --- Memberships ----------------------------------------------------------------------------------------------------
def test_memberships_come_by_name_of_the_organization(acme: Organization, umbrella: Organization, dora: User) -> None:
    Organization.objects.filter(pk=acme.pk).update(name="Zebra")
    assert [membership.organization for membership in memberships_of(dora)] == [umbrella, acme]


@pytest.mark.parametrize("state", ["invited", "suspended", "removed", "deactivated"])
def test_only_active_memberships_of_active_people_count(acme: Organization, bob: User, state: str) -> None:
    assert len(memberships_of(bob)) == 1
    put_into_state(bob, acme, state)
    assert memberships_of(User.objects.get(pk=bob.pk)) == []

"""Who may do what; the only module that asks guardian. Single objects that are restricted: organizations.sharing.

A feature has a level in each role: none, read or manage. A level is stored as an object permission of the role's group
on its organization. Every view declares its rule with one of the decorators here; `rule_of` reads it back, and a test
walks the URLconf and fails on a URL without one.

Somebody who is not an active member of an organization gets the answer of an address that does not exist (404). A
member without the level gets 403.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import wraps
from time import time
from typing import Any, Concatenate, ParamSpec, TypeVar, cast
from uuid import UUID

from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails
from guardian.shortcuts import assign_perm, remove_perm

from .models import Membership, Organization, OrganizationGroupPermission, Role, User
from .second_factor import has_second_factor


class Feature(StrEnum):
    """What access is given to, by the names that roles store."""

    SECRET_PROVIDERS = "secret_providers"  # noqa: S105 - a name, not a password
    WORKLOAD_IDENTITY_CONFIGS = "workload_identity_configs"
    ENVIRONMENT_VARIABLES = "environment_variables"


class Level(IntEnum):
    """How much; each includes the one before."""

    NONE = 0
    READ = 1
    MANAGE = 2


@dataclass(frozen=True)
class FeatureAccess:
    """One feature's level, in the words that templates ask."""

    level: Level

    @property
    def read(self) -> bool:
        """Whether the feature may be seen."""
        return self.level >= Level.READ

    @property
    def manage(self) -> bool:
        """Whether the feature may be changed."""
        return self.level >= Level.MANAGE


@dataclass(frozen=True)
class Access:
    """What one member may do in one organization: an attribute for each feature, named as the feature.

    `owner` is who decides about members and roles and reads the audit log, which is no feature: no role of the
    organization's own can give it.
    """

    secret_providers: FeatureAccess
    workload_identity_configs: FeatureAccess
    environment_variables: FeatureAccess
    owner: bool = False

    def level(self, feature: Feature) -> Level:
        """Return the level for a feature."""
        return cast(FeatureAccess, getattr(self, feature)).level


class SignedInRequest(HttpRequest):
    """A request that passed `signed_in`."""

    user: User


class OrganizationRequest(HttpRequest):
    """A request that passed `require`: by an active member, in an organization, with what they may do."""

    user: User
    memberships: list[Membership]
    membership: Membership
    organization: Organization
    access: Access
    htmx: HtmxDetails


# --- Levels of a role -----------------------------------------------------------------------------------------------
def levels_of(role: Role) -> dict[Feature, Level]:
    """Return a role's level for every feature. An owner manages everything, whatever is stored."""
    return levels_of_each([role])[role.pk]


def levels_of_each(roles: Sequence[Role]) -> dict[int, dict[Feature, Level]]:
    """Return the levels of several roles, by the primary key of the role; one query at most."""
    restricted = {role.group_id: role for role in roles if role.kind != Role.Kind.OWNER}
    granted: dict[int, set[str]] = {role.pk: set() for role in restricted.values()}
    stored = OrganizationGroupPermission.objects.filter(group_id__in=restricted)
    for group, place, codename in stored.values_list("group_id", "content_object_id", "permission__codename"):
        if place == restricted[group].organization_id:
            granted[restricted[group].pk].add(codename)
    return {role.pk: _levels(granted.get(role.pk)) for role in roles}


def _levels(granted: set[str] | None) -> dict[Feature, Level]:
    """Return the levels that stored permissions amount to; all of them where nothing is asked (an owner)."""
    return {feature: Level.MANAGE if granted is None else _level_in(granted, feature) for feature in Feature}


def levels_by_role(organization: Organization, feature: Feature) -> dict[int, Level]:
    """Return the level that each role of an organization has for a feature, by the role's key. Two queries."""
    return {role: levels[feature] for role, levels in levels_of_each(list(organization.roles.all())).items()}


def _level_in(granted: set[str], feature: Feature) -> Level:
    if f"manage_{feature}" in granted:
        return Level.MANAGE
    return Level.READ if f"read_{feature}" in granted else Level.NONE


def set_levels(role: Role, levels: Mapping[Feature, Level]) -> None:
    """Store a role's levels; a feature that is not named keeps its own. Raises ValueError for an unknown one."""
    known = {Feature(feature): Level(level) for feature, level in levels.items()}
    for feature, level in known.items():
        for codename, wanted in ((f"read_{feature}", Level.READ), (f"manage_{feature}", Level.MANAGE)):
            change = assign_perm if level >= wanted else remove_perm
            change(f"organizations.{codename}", role.group, role.organization)


def access_of(membership: Membership) -> Access:
    """Return what a member may do now."""
    levels = {str(feature): FeatureAccess(level) for feature, level in levels_of(membership.role).items()}
    return Access(**levels, owner=membership.role.kind == Role.Kind.OWNER)


# --- Rules of views -------------------------------------------------------------------------------------------------
class Audience(StrEnum):
    """Who a URL is for, before any level is asked."""

    EVERYBODY = "everybody"
    SIGNED_IN = "signed in"
    MEMBERS = "members of the organization in the URL"
    STAFF = "support staff in Django admin"
    AUTOMATIONS = "automations that show a service token"


@dataclass(frozen=True)
class Rule:
    """What a view requires.

    Who is a member, and what roles may do, is for owners to change and for every active member to read: people have to
    know whom they share secrets with and whom to ask. Hence `owner` on what changes, and no level on the two lists.
    """

    audience: Audience
    feature: Feature | None = None
    level: Level = Level.NONE
    owner: bool = False


P = ParamSpec("P")
V = TypeVar("V", bound=Callable[..., HttpResponse])
View = Callable[Concatenate[Any, P], HttpResponse]

#: Views of other packages, by URL name; a view of our own declares its rule with a decorator.
OTHERS_RULES: dict[str, Rule] = {
    **dict.fromkeys(
        (
            "account_login",
            "account_logout",
            "account_inactive",
            "account_reset_password",
            "account_reset_password_done",
            "account_reset_password_from_key",
            "account_reset_password_from_key_done",
            "mfa_authenticate",
        ),
        Rule(Audience.EVERYBODY),
    ),
    **dict.fromkeys(
        (
            "account_change_password",
            "account_reauthenticate",
            "account_set_password",
            "mfa_activate_totp",
            "mfa_add_webauthn",
            "mfa_deactivate_totp",
            "mfa_edit_webauthn",
            "mfa_generate_recovery_codes",
            "mfa_reauthenticate",
            "mfa_reauthenticate_webauthn",
            "mfa_remove_webauthn",
            "mfa_view_recovery_codes",
        ),
        Rule(Audience.SIGNED_IN),
    ),
}
#: Views of other packages, by the namespace of their URLs.
NAMESPACE_RULES: dict[str, Rule] = {"admin": Rule(Audience.STAFF)}


def everybody(view: View[P]) -> View[P]:
    """Declare a view that needs no sign-in."""
    return login_not_required(_declare(view, Rule(Audience.EVERYBODY)))


def signed_in(view: View[P]) -> View[P]:
    """Declare a view for every signed-in person (the middleware asks for the sign-in)."""
    return _declare(view, Rule(Audience.SIGNED_IN))


def automations(view: View[P]) -> View[P]:
    """Declare a view that knows no session: it asks for a service token itself, so no cookie opens or forges it."""
    return csrf_exempt(login_not_required(_declare(view, Rule(Audience.AUTOMATIONS))))


def require(
    feature: Feature | None = None, level: Level = Level.NONE, *, owner: bool = False
) -> Callable[[View[P]], Callable[..., HttpResponse]]:
    """Guard a view whose URL has `organization`: an active membership (else 404), then the level (else 403).

    With `owner` the member must have the Owner role (else 403). A member who owes the organization a second factor is
    led to the page where it is set up. The view gets an OrganizationRequest instead of the argument.
    """

    def decorate(view: View[P]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def guarded(request: OrganizationRequest, organization: UUID, *args: Any, **kwargs: Any) -> HttpResponse:
            if answer := _enter(request, organization):
                return answer
            if feature is not None and request.access.level(feature) < level:
                raise PermissionDenied
            if owner and not request.access.owner:
                raise PermissionDenied
            try:
                return view(request, *args, **kwargs)
            except ObjectDoesNotExist:  # deleted by somebody else while the view was at work
                raise Http404 from None

        return _declare(guarded, Rule(Audience.MEMBERS, feature, level, owner))

    return decorate


def freshly_proven(view: View[P]) -> Callable[..., HttpResponse]:
    """Guard what is hard to undo: the person gave a password or a second factor within the last ten minutes.

    Stands below `require`, or alone around a page of the person's own. Otherwise the person is asked, and then led back
    to the page they came from; what was posted is dropped, not kept in the session, because it may hold secrets.
    """

    @wraps(view)
    def proven(request: OrganizationRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if has_fresh_proof(request):
            return view(request, *args, **kwargs)
        if request.method not in ("GET", "HEAD"):
            messages.warning(request, _("Nothing was changed yet: first confirm that it is you, then do it again."))
        return _lead_to(request, reverse("account_reauthenticate", query={"next": _page_of(request)}))

    return proven


def _page_of(request: OrganizationRequest) -> str:
    """Return the page that a person is on, to come back to: what they open, or where they sent something from."""
    if request.method in ("GET", "HEAD") and not request.htmx:
        return request.get_full_path()
    page = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(page, {request.get_host()}, require_https=request.is_secure()):
        return page
    organization = getattr(request, "organization", None)
    return reverse("organization_home", args=[organization.uuid]) if organization else reverse("home")


def _lead_to(request: OrganizationRequest, address: str) -> HttpResponse:
    """Send the whole page elsewhere, also when only a part of it was asked for."""
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


def has_fresh_proof(request: HttpRequest) -> bool:
    """Whether the person signed in or proved again who they are within the last ten minutes.

    Coming from a single sign-on provider is no proof by itself; when the person last proved it there may be one, see
    `organizations.adapter`.
    """
    records = get_authentication_records(request, request.user)
    since = time() - settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    return any(record["at"] > since for record in records if record["method"] != "socialaccount")


def rule_of(view: object, url_name: str | None) -> Rule | None:
    """Return what was declared for a URL, or None; `url_name` carries its namespace, as `admin:index`."""
    namespace, _colon, name = (url_name or "").rpartition(":")
    others = NAMESPACE_RULES.get(namespace) if namespace else OTHERS_RULES.get(name)
    return getattr(view, "access_rule", None) or others


def memberships_of(user: User | AnonymousUser) -> list[Membership]:
    """Return a person's active memberships by organization name; none for a stranger or a deactivated person."""
    if not user.is_authenticated or not user.is_active:
        return []
    memberships = Membership.objects.filter(user=user, state=Membership.State.ACTIVE)
    return list(memberships.select_related("organization", "role").order_by("organization__name", "organization_id"))


def _enter(request: OrganizationRequest, organization: UUID) -> HttpResponse | None:
    """Put the organization of the URL and the member's access on the request. Raises Http404 for a stranger.

    Returns where to go instead, for a member who owes the organization a second factor.
    """
    request.memberships = memberships_of(request.user)
    entered = next((member for member in request.memberships if member.organization.uuid == organization), None)
    if entered is None:
        raise Http404
    request.membership = entered
    request.organization = entered.organization
    request.access = access_of(entered)
    if entered.organization.requires_mfa and not has_second_factor(request.user):
        return _to_set_up(request)
    request.session.pop(REQUIRED_BY, None)
    return None


#: Session key: which organization asked for a second factor, and the way back; shown on the page where it is set up.
REQUIRED_BY = "second_factor_required_by"


def _to_set_up(request: OrganizationRequest) -> HttpResponse:
    """Lead a member to the page of the second factor, which says why and offers the way back."""
    request.session[REQUIRED_BY] = {"name": request.organization.name, "back": _page_of(request)}
    return _lead_to(request, reverse("mfa_index"))


def _declare(view: V, rule: Rule) -> V:
    view.access_rule = rule  # type: ignore[attr-defined]  # functions take attributes
    return view

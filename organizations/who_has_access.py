"""Who reaches an object: the "Who has access" panel, which says to do what and why; and who is told of it by mail."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Case, IntegerField, Q, When
from django.utils.translation import gettext as _

from .access import Level, levels_by_role
from .models import Membership, Role, User
from .sharing import Grant, Grants, Restrictable, Share, grants_of, reaching

#: How many people the panel lists; the rest is a number.
MOST = 50


@dataclass(frozen=True)
class PersonAccess:
    """One person: what they may do with the object, in words, and the reasons."""

    name: str
    email: str
    may: str
    reasons: list[str]


@dataclass(frozen=True)
class WhoHasAccess:
    """The first people who reach an object, and how many more there are."""

    people: list[PersonAccess]
    more: int


def who_has_access(row: Restrictable) -> WhoHasAccess:
    """Return the active members who reach an object, owners first. At most six queries, however many people there are.

    The level that a role has for the object's feature caps what was granted.
    """
    levels = levels_by_role(row.organization, row.FEATURE)
    shares = [one for one in grants_of(row) if _effect(row, one, levels)] if row.restricted else []
    found = _members(row, levels, shares)
    people = [_person(row, member, levels, shares) for member in found[:MOST]]
    return WhoHasAccess(people, max(0, found.count() - MOST) if len(people) == MOST else 0)


def people_to_tell(row: Restrictable, level: Level) -> list[User]:
    """Return the active members who see an object and whose role has at least this level, in the order they joined.

    A restricted object is told only to whom it was shared with, and to owners, whatever other roles may manage.
    """
    levels = levels_by_role(row.organization, row.FEATURE)
    members = Membership.objects.filter(
        reaching(row, Grant.READ),
        role__in=[role for role, own in levels.items() if own >= level],
        state=Membership.State.ACTIVE,
        user__is_active=True,
    )
    return [member.user for member in members.select_related("user").order_by("pk")]


def effect_of(row: Restrictable, grants: Grants, level: Level) -> Grants:
    """Return what of a grant counts for somebody whose role has this level: read and manage are capped by it."""
    if Grant.MANAGE in grants:
        grants |= frozenset(row.GRANTS)
    capped = grants - {Grant.MANAGE} if level < Level.MANAGE else grants
    return capped - {Grant.READ} if level < Level.READ else capped


def in_words(grants: Grants) -> str:
    """Return what may be done: manage says it all."""
    if Grant.MANAGE in grants:
        return str(Grant.MANAGE.label)
    if grants >= {Grant.READ, Grant.USE}:
        return _("read and use")
    return ", ".join(str(grant.label) for grant in Grant if grant in grants)


def _effect(row: Restrictable, share: Share, levels: dict[int, Level]) -> Grants:
    role = share.holder.role_id if isinstance(share.holder, Membership) else share.holder.pk
    return effect_of(row, share.grants, levels[role])


def _members(row: Restrictable, levels: dict[int, Level], shares: list[Share]) -> Any:
    """Return the memberships that reach the object, owners first, then by name."""
    reached = Q(role__kind=Role.Kind.OWNER)
    if row.restricted:
        reached |= Q(role__in=[one.holder.pk for one in shares if isinstance(one.holder, Role)])
        reached |= Q(pk__in=[one.holder.pk for one in shares if isinstance(one.holder, Membership)])
    else:
        reached |= Q(role__in=[role for role, level in levels.items() if level >= Level.READ])
    members = row.organization.memberships.filter(reached, state=Membership.State.ACTIVE, user__is_active=True)
    owners_first = Case(When(role__kind=Role.Kind.OWNER, then=0), default=1, output_field=IntegerField())
    return members.select_related("user", "role").order_by(owners_first, "user__name", "user__email")


def _person(row: Restrictable, member: Membership, levels: dict[int, Level], shares: list[Share]) -> PersonAccess:
    if member.role.kind == Role.Kind.OWNER:
        grants, reasons = frozenset({Grant.MANAGE}), [_("owner")]
    elif not row.restricted:
        grants = frozenset({Grant.MANAGE if levels[member.role_id] >= Level.MANAGE else Grant.READ})
        reasons = [_("role %(role)s") % {"role": member.role}]
    else:
        mine = [one for one in shares if one.holder in (member, member.role)]
        together = frozenset[Grant]().union(*(one.grants for one in mine))
        grants, reasons = effect_of(row, together, levels[member.role_id]), [_reason(one) for one in mine]
    return PersonAccess(str(member.user), member.user.email, in_words(grants), reasons)


def _reason(share: Share) -> str:
    by = share.by or _("a person who is gone")
    if isinstance(share.holder, Role):
        return _("role %(role)s, shared by %(person)s") % {"role": share.holder, "person": by}
    return _("shared by %(person)s") % {"person": by}

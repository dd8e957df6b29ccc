"""Restrict single objects to chosen people and roles.

The feature level is asked first (`organizations.access.require`). An object that is not restricted is everybody's who
has the level. A restricted one exists for owners, and for the people and roles it was shared with:

- `read`: see it; counts for somebody whose role may read the feature.
- `use` (credentials only): choose it in a variable's Value Source, without seeing its page; whatever the role may do.
- `manage`: edit, delete and share it, read and use included; counts for somebody whose role may manage the feature.

For everybody else in the organization it is an object that does not exist. A grant never reaches beyond the
organization; it vanishes with the object, the membership and the role, by foreign key.

The tables are guardian's direct ones, one pair for each kind of object. They are asked by sub-select, inside the query
for the rows themselves: guardian's own shortcuts read the whole table.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from uuid import UUID

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from .access import Feature
from .models import Membership, Organization, Role, User


class Grant(models.TextChoices):
    """What somebody may do with a restricted object; stored as the permission `<grant>_<model>`."""

    READ = "read", _("read")
    USE = "use", _("use")
    MANAGE = "manage", _("manage")


Grants = frozenset[Grant]
Holder = Membership | Role


class Restrictable(models.Model):
    """An object of an organization that can be restricted; it has a `uuid`, and `organization`."""

    restricted = models.BooleanField(_("restricted"), default=False, editable=False)

    #: What its model belongs to: the level that is asked first.
    FEATURE: ClassVar[Feature]
    #: What can be granted on it.
    GRANTS: ClassVar[tuple[Grant, ...]] = (Grant.READ, Grant.MANAGE)

    if TYPE_CHECKING:
        uuid: Any  # declared by each model
        organization: Any
        organization_id: int
        #: Whether the member who asked manages it: set by `listed` and `object_of`.
        managed: bool

    class Meta:
        abstract = True


class PersonGrant(UserObjectPermissionBase):  # type: ignore[misc]  # guardian is untyped
    """A grant to a member; each kind of object has its table, with `content_object` called back `person_grants`."""

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="+")
    granted_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta(UserObjectPermissionBase.Meta):  # type: ignore[misc]  # guardian is untyped
        abstract = True
        default_permissions = ()


class RoleGrant(GroupObjectPermissionBase):  # type: ignore[misc]  # guardian is untyped
    """A grant to everybody with a role; its way back is called `role_grants`."""

    role = models.ForeignKey(Role, on_delete=models.CASCADE, related_name="+")
    granted_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta(GroupObjectPermissionBase.Meta):  # type: ignore[misc]  # guardian is untyped
        abstract = True
        default_permissions = ()


R = TypeVar("R", bound=Restrictable)


# --- What a member may do -------------------------------------------------------------------------------------------
def held(model: type[Restrictable], membership: Membership, *grants: Grant, prefix: str = "") -> Q:
    """Return the condition for the objects on which a member has one of the grants.

    `prefix` leads to the object from the rows that are asked, as `credential__`.
    """
    in_organization = Q(**{f"{prefix}organization": membership.organization_id})
    if membership.role.kind == Role.Kind.OWNER:
        return in_organization
    wanted = [_codename(model, grant) for grant in {*grants, Grant.MANAGE}]
    to_person = _table(model, Membership).filter(membership=membership, permission__codename__in=wanted)
    to_role = _table(model, Role).filter(role=membership.role_id, permission__codename__in=wanted)
    return in_organization & (
        Q(**{f"{prefix}restricted": False})
        | Q(**{f"{prefix}pk__in": to_person.values("content_object")})
        | Q(**{f"{prefix}pk__in": to_role.values("content_object")})
    )


def flag(condition: Q) -> Any:
    """Return a condition as what `annotate` takes."""
    return ExpressionWrapper(condition, output_field=BooleanField())


def visible(rows: "QuerySet[R]", membership: Membership, *grants: Grant) -> "QuerySet[R]":
    """Return those of the rows on which a member has one of the grants; nothing is asked until the rows are."""
    return rows.filter(held(rows.model, membership, *grants))


def listed(rows: "QuerySet[R]", membership: Membership) -> "QuerySet[R]":
    """Return the rows that a member may see, each with `managed`: whether the member may change it."""
    marked: Any = visible(rows, membership, Grant.READ).annotate(
        managed=flag(held(rows.model, membership, Grant.MANAGE))
    )
    return marked  # type: ignore[no-any-return]  # annotated rows are another type to the stubs


def with_shown(rows: "QuerySet[R]", membership: Membership) -> "QuerySet[R]":
    """Return all the rows, each with `shown`: whether the member may see it."""
    marked: Any = rows.annotate(shown=flag(held(rows.model, membership, Grant.READ)))
    return marked  # type: ignore[no-any-return]  # annotated rows are another type to the stubs


def object_of(rows: "QuerySet[R]", membership: Membership, uuid: UUID, grant: Grant = Grant.READ) -> R:
    """Return an object by its public id, with `managed`.

    Raises Http404 for what the member may not see, as for what does not exist, and PermissionDenied for what the
    member may see but not manage where `grant` is MANAGE.
    """
    row = get_object_or_404(listed(rows, membership), uuid=uuid)
    if grant == Grant.MANAGE and not row.managed:
        raise PermissionDenied
    return row


def may(membership: Membership, row: Restrictable, grant: Grant) -> bool:
    """Whether a member has a grant on one object now."""
    model = type(row)
    return visible(model._default_manager.filter(pk=row.pk), membership, grant).exists()


def reaching(row: Restrictable, *grants: Grant) -> Q:
    """Return the condition for the memberships that have one of the grants on an object of their organization."""
    if not row.restricted:
        return Q(organization=row.organization_id)
    model = type(row)
    wanted = [_codename(model, grant) for grant in {*grants, Grant.MANAGE}]
    to_people = _table(model, Membership).filter(content_object=row, permission__codename__in=wanted)
    to_roles = _table(model, Role).filter(content_object=row, permission__codename__in=wanted)
    return Q(organization=row.organization_id) & (
        Q(role__kind=Role.Kind.OWNER) | Q(pk__in=to_people.values("membership")) | Q(role__in=to_roles.values("role"))
    )


def hidden_count(model: type[Restrictable], membership: Membership) -> int:
    """Return how many objects of the organization a member cannot see; for an owner it asks nothing.

    All of them, whatever is searched for: a count of what matches would spell out the names.
    """
    if membership.role.kind == Role.Kind.OWNER:
        return 0
    rows: QuerySet[Any] = model._default_manager.all()
    return beyond(rows.filter(organization=membership.organization_id), membership, Grant.READ).count()


def beyond(rows: "QuerySet[R]", membership: Membership, *grants: Grant) -> "QuerySet[R]":
    """Return those of the organization's rows on which a member has none of the grants: only a restricted one can be.

    To count these costs an index of few; to count all that are visible, and subtract, reads every row.
    """
    return rows.filter(restricted=True).exclude(held(rows.model, membership, *grants))


# --- What is granted ------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Share:
    """What one member, or everybody with a role, was granted on an object, and by whom (None: a person now gone)."""

    holder: Holder
    grants: Grants
    by: User | None

    @property
    def is_person(self) -> bool:
        """Whether the holder is a member, not a role."""
        return isinstance(self.holder, Membership)

    @property
    def holder_name(self) -> str:
        """The person or the role, for people."""
        return str(self.holder.user if isinstance(self.holder, Membership) else self.holder.name)


def grants_of(row: Restrictable) -> list[Share]:
    """Return what was granted on an object: roles by name, then people by e-mail address. Two queries."""
    model = type(row)
    to_roles = _table(model, Role).select_related("role", "permission", "granted_by")
    to_people = _table(model, Membership).select_related(
        "membership__user", "membership__role", "permission", "granted_by"
    )
    found: dict[tuple[str, int], Share] = {}
    for one in to_roles.filter(content_object=row).order_by("role__name", "pk"):
        _add(found, one.role, one)
    for one in to_people.filter(content_object=row).order_by("membership__user__email", "pk"):
        _add(found, one.membership, one)
    return list(found.values())


def _add(found: dict[tuple[str, int], Share], holder: Holder, one: Any) -> None:
    place = type(holder).__name__, holder.pk
    grants = found[place].grants if place in found else frozenset()
    found[place] = Share(holder, grants | {Grant(one.permission.codename.partition("_")[0])}, one.granted_by)


def set_grants(row: Restrictable, holder: Holder, grants: Iterable[Grant], by: User | None) -> None:
    """Make these the grants of one holder on an object; none takes them all away.

    The caller audits it. Raises ValueError for a holder of another organization, and for what cannot be granted here.
    """
    wanted = frozenset(grants)
    if holder.organization_id != row.organization_id or not wanted <= set(row.GRANTS):
        raise ValueError("This cannot be granted.")
    model = type(row)
    permissions = Permission.objects.filter(
        content_type=ContentType.objects.get_for_model(model), codename__in=[_codename(model, one) for one in wanted]
    )
    of_holder: dict[str, Any] = (
        {"membership": holder, "user": holder.user}
        if isinstance(holder, Membership)
        else {"role": holder, "group": holder.group}
    )
    stored = _table(model, type(holder))
    stored.filter(content_object=row, **of_holder).delete()
    for permission in permissions:
        stored.create(content_object=row, permission=permission, granted_by=by, **of_holder)


def forget_grants(row: Restrictable) -> None:
    """Take away every grant on an object."""
    for holder in (Membership, Role):
        _table(type(row), holder).filter(content_object=row).delete()


def active_holders(organization: Organization) -> "tuple[QuerySet[Membership], QuerySet[Role]]":
    """Return whom an object of the organization can be shared with. Owners have everything already."""
    people = organization.memberships.filter(state=Membership.State.ACTIVE, user__is_active=True)
    not_owners = people.exclude(role__kind=Role.Kind.OWNER).select_related("user", "role", "organization")
    return not_owners.order_by("user__email"), organization.roles.exclude(kind=Role.Kind.OWNER).order_by("name")


def _codename(model: type[Restrictable], grant: Grant) -> str:
    return f"{grant}_{model._meta.model_name}"


def _table(model: type[Restrictable], holder: type[Holder]) -> "QuerySet[Any]":
    """Return the grants on a kind of object to a kind of holder."""
    name = "person_grants" if holder is Membership else "role_grants"
    table: Any = model._meta.get_field(name).related_model
    rows: QuerySet[Any] = table.objects.all()
    return rows

"""Decide and write: roles. What changes one is one transaction, audited; the Owner role is never changed."""

from collections.abc import Mapping

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from ..access import Feature, Level, levels_of, set_levels
from ..audit import record
from ..models import AuditEvent, Organization, Role, User
from .owners import changing_as_owner

Action = AuditEvent.Action
Levels = Mapping[Feature, Level]


class RoleInUseError(Exception):
    """A role that somebody has cannot be deleted without another one for them."""


def create_role(organization: Organization, name: str, kind: Role.Kind = Role.Kind.CUSTOM) -> Role:
    """Create a role that may do nothing yet, with the group that carries its permissions."""
    role = Role(organization=organization, name=name, kind=kind)
    role.group = Group.objects.create(name=f"role {role.uuid}")
    role.save()
    return role


def add_role(organization: Organization, by: User | None, *, name: str, levels: Levels) -> Role:
    """Store a custom role. Raises ValidationError (for `name`) if the name is taken, and PermissionDenied."""
    with changing_as_owner(organization, by):
        _refuse_a_taken_name(organization, name)
        role = create_role(organization, name)
        set_levels(role, levels)
        record(organization, by, Action.ROLE_CREATED, role, {"levels": _in_the_log(levels)})
    return role


def change_role(role: Role, by: User | None, *, name: str, levels: Levels) -> Role:
    """Store what changed; it counts from everybody's next request on. A built-in role keeps its name.

    Raises ValidationError (for `name`) if the name is taken, PermissionDenied, ValueError for the Owner role, and
    Role.DoesNotExist if it was deleted meanwhile.
    """
    organization = role.organization
    with changing_as_owner(organization, by):
        role = _current_row(role)
        if role.kind == Role.Kind.OWNER:
            raise ValueError("An owner cannot be restricted.")
        before = levels_of(role)
        changed: dict[Feature, Level] = {feature: to for feature, to in levels.items() if to != before[feature]}
        renamed = role.kind == Role.Kind.CUSTOM and name != role.name
        if not changed and not renamed:
            return role
        if renamed:
            _refuse_a_taken_name(organization, name, role)
            role.name = name
            role.save(update_fields=["name"])
        set_levels(role, changed)
        details = {"fields": ["name"] if renamed else [], "levels": _in_the_log(changed)}
        record(organization, by, Action.ROLE_CHANGED, role, details)
    return role


def delete_role(role: Role, by: User | None, *, successor: Role | None = None) -> None:
    """Delete a custom role; those who have it get `successor`.

    Raises RoleInUseError if somebody has it and there is no successor, PermissionDenied, ValueError for a built-in
    role, and Role.DoesNotExist if one of the two was deleted meanwhile.
    """
    organization = role.organization
    with changing_as_owner(organization, by):
        role = _current_row(role)
        if role.kind != Role.Kind.CUSTOM:
            raise ValueError("Built-in roles stay.")
        members = role.memberships.count()
        if members and successor is None:
            raise RoleInUseError
        details: dict[str, str | int] = {"members": members}
        if members and successor is not None:
            successor = organization.roles.exclude(pk=role.pk).get(pk=successor.pk)
            role.memberships.update(role=successor)
            details["successor"] = successor.name
        record(organization, by, Action.ROLE_DELETED, role, details)
        role.delete()
        role.group.delete()


def _current_row(role: Role) -> Role:
    return Role.objects.select_related("organization", "group").get(pk=role.pk)


def _refuse_a_taken_name(organization: Organization, name: str, role: Role | None = None) -> None:
    """Compare without regard to case: beside “Owner”, a role called “owner” would be a trap."""
    others = organization.roles.filter(name__iexact=name)
    if role is not None:
        others = others.exclude(pk=role.pk)
    if others.exists():
        raise ValidationError({"name": _("Another role of this organization has this name. Choose a different one.")})


def _in_the_log(levels: Levels) -> list[str]:
    return [f"{feature}: {level.name.lower()}" for feature, level in levels.items()]

"""Decide and write: members. Each function is one transaction, audited; the last active owner stays."""

from dataclasses import dataclass
from uuid import UUID

from ..audit import Target, changing, record
from ..models import AuditEvent, Membership, Organization, Role, User
from .owners import changing_as_owner, keep_an_owner

Action = AuditEvent.Action
State = Membership.State


def add_member(organization: Organization, user: User, role: Role, *, by: User | None) -> Membership:
    """Make a person an active member. `role` must be the organization's own."""
    if role.organization_id != organization.pk:
        raise ValueError("The role belongs to another organization.")
    with changing(organization):
        membership = Membership.objects.create(organization=organization, user=user, role=role)
        record(organization, by, Action.MEMBER_ADDED, user, {"role": role.name})
    return membership


def give_role(membership: Membership, role: Role, by: User | None) -> Membership:
    """Give a member, or somebody who is invited, another role of the organization.

    Raises LastOwnerError, PermissionDenied, and DoesNotExist if the member or the role is gone.
    """
    organization = membership.organization
    with changing_as_owner(organization, by):
        membership = current_row(membership)
        role = organization.roles.get(pk=role.pk)
        previous = membership.role
        if role == previous:
            return membership
        keep_an_owner(membership)
        membership.role = role
        membership.save(update_fields=["role"])
        details = {"role": role.name, "previous_role": previous.name}
        record(organization, by, Action.MEMBER_ROLE_CHANGED, in_the_log(membership), details)
    return membership


def suspend(membership: Membership, by: User | None) -> bool:
    """Shut an active member out, from the next request on; role and grants stay for the day they come back.

    Returns whether the member is suspended now; an invited person is not.
    Raises LastOwnerError, PermissionDenied, and Membership.DoesNotExist if the member is gone.
    """
    with changing_as_owner(membership.organization, by):
        membership = current_row(membership)
        keep_an_owner(membership)
        _move(membership, State.ACTIVE, State.SUSPENDED, by, Action.MEMBER_SUSPENDED)
    return membership.state == State.SUSPENDED


def reactivate(membership: Membership, by: User | None) -> None:
    """Let a suspended member in again. Raises PermissionDenied, and Membership.DoesNotExist if the member is gone."""
    with changing_as_owner(membership.organization, by):
        _move(current_row(membership), State.SUSPENDED, State.ACTIVE, by, Action.MEMBER_REACTIVATED)


def remove(membership: Membership, by: User | None) -> None:
    """End somebody's membership, with all that was granted to them here.

    Raises LastOwnerError, PermissionDenied, and Membership.DoesNotExist if the member is gone.
    """
    with changing_as_owner(membership.organization, by):
        _end(current_row(membership), by, Action.MEMBER_REMOVED)


def leave(membership: Membership) -> None:
    """End one's own membership. Raises LastOwnerError, and Membership.DoesNotExist if it ended already."""
    with changing(membership.organization):
        _end(current_row(membership), membership.user, Action.MEMBER_LEFT)


def current_row(membership: Membership) -> Membership:
    """Return the row as it is now; the caller holds the organization's row."""
    return Membership.objects.select_related("organization", "role", "user").get(pk=membership.pk)


@dataclass
class _Addressee:
    """Somebody invited, in the audit log: by address only.

    The person may have an account already, with a name that other organizations know; here it is told when they join.
    """

    uuid: UUID
    email: str

    def __str__(self) -> str:
        return self.email


def in_the_log(membership: Membership) -> Target:
    """Return what an event names for a member: the person, or only the address of somebody who is invited."""
    user = membership.user
    return _Addressee(user.uuid, user.email) if membership.state == State.INVITED else user


def _move(membership: Membership, before: State, after: State, by: User | None, action: AuditEvent.Action) -> None:
    """Put a membership from one state into another; from any other state it does not move."""
    if membership.state != before:
        return
    membership.state = after
    membership.save(update_fields=["state"])
    record(membership.organization, by, action, membership.user, {"role": membership.role.name})


def _end(membership: Membership, by: User | None, action: AuditEvent.Action) -> None:
    keep_an_owner(membership)
    record(membership.organization, by, action, membership.user, {"role": membership.role.name})
    membership.delete()

"""Decide and write: members."""

from ..audit import changing, record
from ..models import AuditEvent, Membership, Organization, Role, User

State = Membership.State


def add_member(organization: Organization, user: User, role: Role, *, by: User | None) -> Membership:
    """Make a person an active member. `role` must be the organization's own."""
    if role.organization_id != organization.pk:
        raise ValueError("The role belongs to another organization.")
    with changing(organization):
        membership = Membership.objects.create(organization=organization, user=user, role=role)
        record(organization, by, AuditEvent.Action.MEMBER_ADDED, user, {"role": role.name})
    return membership


class LastOwnerError(Exception):
    """The last active owner of an organization stays its owner."""


def suspend(membership: Membership, by: User | None) -> None:
    """Shut an active member out, from the next request on.

    Raises LastOwnerError, and Membership.DoesNotExist if the member is gone.
    """
    with changing(membership.organization):
        membership = Membership.objects.select_related("organization", "user", "role").get(pk=membership.pk)
        if membership.state != State.ACTIVE:
            return
        if _is_last_owner(membership):
            raise LastOwnerError
        membership.state = State.SUSPENDED
        membership.save(update_fields=["state"])
        record(membership.organization, by, AuditEvent.Action.MEMBER_SUSPENDED, membership.user)


def _is_last_owner(membership: Membership) -> bool:
    """Whether nobody else could manage the organization; the caller holds its row."""
    owners = Membership.objects.filter(
        organization=membership.organization, role__kind=Role.Kind.OWNER, state=State.ACTIVE, user__is_active=True
    )
    return membership.role.kind == Role.Kind.OWNER and not owners.exclude(pk=membership.pk).exists()

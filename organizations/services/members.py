"""Decide and write: members."""

from ..audit import changing, record
from ..models import AuditEvent, Membership, Organization, Role, User


def add_member(organization: Organization, user: User, role: Role, *, by: User | None) -> Membership:
    """Make a person an active member. `role` must be the organization's own."""
    if role.organization_id != organization.pk:
        raise ValueError("The role belongs to another organization.")
    with changing(organization):
        membership = Membership.objects.create(organization=organization, user=user, role=role)
        record(organization, by, AuditEvent.Action.MEMBER_ADDED, user, {"role": role.name})
    return membership

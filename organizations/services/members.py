"""Decide and write: members."""

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

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


def suspend_member(membership: Membership, by: User | None) -> None:
    """Close the organization to an active member until somebody opens it again.

    Raises ValidationError for the last active owner, and Membership.DoesNotExist if the member was removed meanwhile.
    """
    with changing(membership.organization):
        membership = Membership.objects.select_related("organization", "user", "role").get(pk=membership.pk)
        if membership.state != State.ACTIVE:
            return
        if _is_last_owner(membership):
            raise ValidationError(_("This is the last active owner. Make somebody else an owner first."))
        membership.state = State.SUSPENDED
        membership.save(update_fields=["state"])
        record(membership.organization, by, AuditEvent.Action.MEMBER_SUSPENDED, membership.user)


def _is_last_owner(membership: Membership) -> bool:
    """Whether nobody else could manage the organization; the caller holds its row."""
    owners = Membership.objects.filter(
        organization=membership.organization, role__kind=Role.Kind.OWNER, state=State.ACTIVE, user__is_active=True
    )
    return membership.role.kind == Role.Kind.OWNER and not owners.exclude(pk=membership.pk).exists()

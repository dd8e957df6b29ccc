"""What every change of members and roles shares: an owner makes it, and an owner remains."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet

from ..audit import changing
from ..models import Membership, Organization, Role, User


class LastOwnerError(Exception):
    """The last active owner of an organization stays its owner."""


@contextmanager
def changing_as_owner(organization: Organization, by: User | None) -> Iterator[None]:
    """`changing`, and the person is asked again: they may have lost the role while they waited for the lock.

    `by` is None for a command. Support staff act in Django admin, where other rules let them in.
    Raises PermissionDenied.
    """
    with changing(organization):
        if by is not None and not by.is_staff and not _active_owners(organization).filter(user=by).exists():
            raise PermissionDenied
        yield


def keep_an_owner(membership: Membership) -> None:
    """Refuse what would take the last active owner; the caller holds the organization's row.

    Raises LastOwnerError.
    """
    if membership.role.kind != Role.Kind.OWNER or membership.state != Membership.State.ACTIVE:
        return
    if not _active_owners(membership.organization).exclude(pk=membership.pk).exists():
        raise LastOwnerError


def _active_owners(organization: Organization) -> QuerySet[Membership]:
    return organization.memberships.filter(
        role__kind=Role.Kind.OWNER, state=Membership.State.ACTIVE, user__is_active=True
    )

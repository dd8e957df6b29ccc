"""What every change of an object shares: whoever makes it still manages the object when their turn comes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.core.exceptions import PermissionDenied

from ..access import Feature, Level, levels_of
from ..audit import changing
from ..models import Membership, User
from ..sharing import Restrictable, listed

R = TypeVar("R", bound=Restrictable)


@contextmanager
def changing_as_manager(row: R, by: User | None) -> Iterator[R]:
    """`changing`, with the object as it is now; the person is asked again: they may have lost it while they waited.

    Raises what `managed_row` does.
    """
    with changing(row.organization):
        yield managed_row(row, by)


def managed_row(row: R, by: User | None) -> R:
    """Return an object as it is now; the caller holds the organization's row. `by` is None for a command.

    Raises DoesNotExist if the object was deleted meanwhile or is hidden from the person now, and if the person is no
    longer a member; PermissionDenied if they may no longer change it.
    """
    rows = type(row)._default_manager.select_related("organization")
    if by is None:
        return rows.get(pk=row.pk)
    current = listed(rows, manager_of(row.organization_id, by, row.FEATURE)).get(pk=row.pk)
    if not current.managed:
        raise PermissionDenied
    return current


def manager_of(organization_id: int, by: User, feature: Feature) -> Membership:
    """Return the membership of a person who may change what belongs to a feature, as it is now.

    Raises DoesNotExist if they are no longer a member, PermissionDenied if their role no longer lets them.
    """
    members = Membership.objects.select_related("role", "user", "organization")
    member = members.get(organization=organization_id, user=by, state=Membership.State.ACTIVE, user__is_active=True)
    if levels_of(member.role)[feature] < Level.MANAGE:
        raise PermissionDenied
    return member

"""Decide and write: who gets to a restricted object. Each function is one transaction, audited."""

from collections.abc import Iterable
from typing import TypeVar

from ..audit import record
from ..models import AuditEvent, Membership, Role
from ..sharing import Grant, Holder, Restrictable, forget_grants, set_grants
from .managers import changing_as_manager
from .members import current_row

Action = AuditEvent.Action
R = TypeVar("R", bound=Restrictable)


class NotRestrictedError(Exception):
    """What is not restricted cannot be shared: everybody whose role has the level has it."""


def restrict(row: R, by: Membership) -> R:
    """Restrict an object to owners and to whoever restricts it, who keeps managing it.

    Raises what `managed_row` does.
    """
    with changing_as_manager(row, by.user) as row:
        if row.restricted:
            return row
        _set_restricted(row, restricted=True)
        if current_row(by).role.kind != Role.Kind.OWNER:
            set_grants(row, by, {Grant.MANAGE}, by.user)
        record(row.organization, by.user, Action.SHARING_RESTRICTED, row)
    return row


def lift(row: R, by: Membership) -> R:
    """Give an object back to everybody whose role has the level; what was granted on it is forgotten.

    Raises what `managed_row` does.
    """
    with changing_as_manager(row, by.user) as row:
        if not row.restricted:
            return row
        _set_restricted(row, restricted=False)
        forget_grants(row)
        record(row.organization, by.user, Action.SHARING_LIFTED, row)
    return row


def share(row: R, by: Membership, holder: Holder, grants: Iterable[Grant]) -> None:
    """Make these the grants of a member or role on a restricted object, in place of earlier ones; none takes them away.

    Raises NotRestrictedError if the restriction was lifted meanwhile, DoesNotExist if the holder is gone, ValueError
    for one of another organization, and what `managed_row` does.
    """
    grants = frozenset(grants)
    with changing_as_manager(row, by.user) as row:
        if not row.restricted:
            raise NotRestrictedError
        holder.refresh_from_db(fields=["organization"])  # still there, now that nobody can remove it
        set_grants(row, holder, grants, by.user)
        name = holder.user.email if isinstance(holder, Membership) else holder.name
        record(
            row.organization,
            by.user,
            Action.SHARING_CHANGED,
            row,
            {"holder": name, "grants": sorted(map(str, grants))},
        )


def _set_restricted(row: Restrictable, *, restricted: bool) -> None:
    type(row)._default_manager.filter(pk=row.pk).update(restricted=restricted)
    row.restricted = restricted

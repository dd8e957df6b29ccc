"""Check an organization's audit log from the first event to its head, and say where it first does not fit.

What can be found and what cannot: see organizations.audit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from .audit import content_of, content_of_head, hasher_of
from .models import AuditEvent, AuditEventQuerySet, AuditHead, Organization

#: Rows read at a time; memory stays the same however long the log is.
BATCH = 2_000


class Fault(StrEnum):
    """How a log is broken."""

    EDITED = "edited"
    DELETED = "deleted"
    MOVED = "moved"
    CUT = "cut"
    HEAD = "head"


@dataclass(frozen=True)
class Break:
    """The first place that does not fit: the event there (None at the end), counted from 1, and what was done."""

    fault: Fault
    position: int
    event: UUID | None = None
    created_at: datetime | None = None


@dataclass(frozen=True)
class Verdict:
    """What checking a log found: the events that fit, in number, and the first break, if there is one."""

    events: int
    broken: Break | None


def verify(organization: Organization) -> Verdict:
    """Check the log of an organization. Raises SealError if its data key does not open."""
    hasher = hasher_of(organization)
    # Read first: events that are written while this runs come after it, and are checked like all others.
    head = AuditHead.objects.filter(organization=organization).first()
    previous, position, at_head = b"", 0, b""
    for event in oldest_first(organization):
        fault = _fault(event, previous, hasher(content_of(event)))
        if fault:
            return Verdict(position, Break(fault, position + 1, event.uuid, event.created_at))
        previous, position = bytes(event.hash), position + 1
        if head and position == head.count:
            at_head = previous
    if head is None or bytes(head.seal) != hasher(content_of_head(head)):
        return Verdict(position, Break(Fault.HEAD, position + 1))
    if position < head.count or at_head != bytes(head.last_hash):
        return Verdict(position, Break(Fault.CUT, position + 1))
    return Verdict(position, None)


def oldest_first(organization: Organization) -> Iterator[AuditEvent]:
    """Yield an organization's events in the order they were written, a batch in memory at a time."""
    rows = AuditEvent.objects.filter(organization=organization).order_by("id")
    batch = list(rows[:BATCH])
    while batch:
        yield from batch
        batch = list(rows.filter(id__gt=batch[-1].pk)[:BATCH])


def newest_first(rows: AuditEventQuerySet) -> Iterator[AuditEvent]:
    """Yield the events of a query that is ordered newest first, a batch in memory at a time."""
    batch = list(rows[:BATCH])
    while batch:
        yield from batch
        batch = list(rows.filter(id__lt=batch[-1].pk)[:BATCH])


def _fault(event: AuditEvent, previous: bytes, expected: bytes) -> Fault | None:
    """Return what is wrong with an event that should follow the one with the hash `previous`."""
    if bytes(event.hash) != expected:
        return Fault.EDITED
    if bytes(event.previous_hash) == previous:
        return None
    # Genuine, but not here: what it followed is still there, somewhere else, or it is gone.
    before = AuditEvent.objects.filter(organization_id=event.organization_id, hash=bytes(event.previous_hash))
    return Fault.MOVED if not event.previous_hash or before.exists() else Fault.DELETED

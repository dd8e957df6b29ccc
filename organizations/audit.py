"""The audit log: one event for every change, test and delivery, in the transaction of what it tells of.

Events of an organization form a chain: each carries an HMAC over its own content and the hash of the one before, under
a key that only the application has. Writing takes the organization's row lock, so that the chain has one order. The
organization's `AuditHead` tells how many events there are and how the newest ends, under a hash of the same key.

Detectable (`manage.py verify_audit` names the row): an event edited, deleted, moved, put in between or cut off at the
end, by whoever can write the database but has no key. Not detectable: a restored older copy of the whole database, or
of one organization's events together with its head; keep an export elsewhere for that (its hashes are the chain's). Nor
what whoever holds FERNET_KEYS as well writes anew. The model refuses changes; there are no database triggers, because
they stop nobody who may drop them, and SQLite drops them silently whenever a migration rebuilds the table.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from crewadmin.sealing import keyed_hasher

from .models import AuditEvent, AuditHead, Organization, User

#: Everything that an event may tell beyond who, what and when. Names and counts; never a value.
DETAIL_NAMES = frozenset(
    {
        "fields",
        "result",
        "failure",
        "provider",
        "variables",
        "problems",
        "role",
        "delivery",
        "automations",
        "holder",
        "grants",
        "format",  # of an export
        "filters",  # of an export: their names
        "kind",  # of what support staff looked at, or of a second factor
        "rows",  # how many of them a list showed
        "previous_role",
        "levels",
        "members",
    }
)

Detail = str | int | list[str]

_EARLIEST = datetime.min.replace(tzinfo=UTC)


class Target(Protocol):
    """What an event is about: it has a public id and a name."""

    uuid: UUID


@contextmanager
def changing(organization: Organization) -> Iterator[None]:
    """Open the one transaction of a change, holding the organization's row: changes of one tenant queue up.

    Without the lock, two default toggles on PostgreSQL deadlock or leave two defaults. No network call belongs inside.
    """
    with transaction.atomic():
        Organization.objects.select_for_update().only("pk").get(pk=organization.pk)
        yield


def record(
    organization: Organization,
    actor: User | None,
    action: AuditEvent.Action,
    target: Target,
    details: Mapping[str, Detail] | None = None,
    label: str = "",
) -> AuditEvent:
    """Write one event; call it inside `changing`. `actor` is None for what is no person.

    That is a command run on the server, or what `label` says, such as a service token's name.
    Raises ValueError for a detail that is not allow-listed: a typo must not become a leak.
    """
    details = dict(details or {})
    if unknown := set(details) - DETAIL_NAMES:
        raise ValueError(f"Not an audit detail: {', '.join(sorted(unknown))}")
    head, _new = AuditHead.objects.get_or_create(organization=organization)
    event = AuditEvent(
        organization=organization,
        # Never before the event before it, whatever the clock does: the order of events is the order in time.
        created_at=max(timezone.now(), head.last_at or _EARLIEST),
        actor=actor,
        actor_label=actor.email if actor else (label or "command line")[:254],
        action=action,
        target_uuid=target.uuid,
        target_label=str(target)[:255],
        details=details,
        previous_hash=bytes(head.last_hash),
    )
    hasher = hasher_of(organization)
    event.hash = hasher(content_of(event))
    event.save(force_insert=True)
    head.count, head.last_hash, head.last_at = head.count + 1, event.hash, event.created_at
    head.seal = hasher(content_of_head(head))
    head.save(force_update=True)
    return event


def hasher_of(organization: Organization) -> Callable[[bytes], bytes]:
    """Return the function that hashes an organization's events and head. Raises SealError if its key does not open."""
    return keyed_hasher(organization.pk, "audit")


def content_of(event: AuditEvent) -> bytes:
    """Return what an event's hash is made over."""
    content = [
        event.uuid.hex,
        event.created_at.isoformat(),
        event.actor_label,
        event.action,
        event.target_uuid.hex,
        event.target_label,
        event.details,
        bytes(event.previous_hash).hex(),
    ]
    return json.dumps(content, sort_keys=True).encode()


def content_of_head(head: AuditHead) -> bytes:
    """Return what a head's seal is made over; events begin differently, so that neither passes for the other."""
    last_at = head.last_at.isoformat() if head.last_at else ""
    return f"head {head.count} {bytes(head.last_hash).hex()} {last_at}".encode()

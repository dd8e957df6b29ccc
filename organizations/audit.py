"""The audit log: one event for every change, test and delivery, in the transaction of what it tells of.

Events of an organization form a chain: each carries an HMAC over its own content and the hash of the one before, under
a key that only the application has. Writing takes the organization's row lock, so that the chain has one order.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from crewadmin.sealing import keyed_hash

from .models import AuditEvent, Organization, User

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
        "previous_role",
        "levels",
        "members",
        "delivery",
        "automations",
    }
)

Detail = str | int | list[str]


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
) -> AuditEvent:
    """Write one event; call it inside `changing`. `actor` is None for a command run on the server.

    Raises ValueError for a detail that is not allow-listed: a typo must not become a leak.
    """
    details = dict(details or {})
    if unknown := set(details) - DETAIL_NAMES:
        raise ValueError(f"Not an audit detail: {', '.join(sorted(unknown))}")
    last = AuditEvent.objects.filter(organization=organization).order_by("-id").values_list("hash", flat=True).first()
    event = AuditEvent(
        organization=organization,
        created_at=timezone.now(),
        actor=actor,
        actor_label=actor.email if actor else "command line",
        action=action,
        target_uuid=target.uuid,
        target_label=str(target)[:255],
        details=details,
        previous_hash=bytes(last or b""),
    )
    event.hash = hash_of(event)
    event.save(force_insert=True)
    return event


def hash_of(event: AuditEvent) -> bytes:
    """Return the hash (32 bytes) that an event must carry."""
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
    return keyed_hash(event.organization_id, "audit", json.dumps(content, sort_keys=True).encode())

"""The audit log: one event for every change, test and delivery, in the transaction of what it tells of.

Events of an organization form a chain: each carries an HMAC over its own content and the hash of the one before, under
a key that only the application has. Writing takes the organization's row lock, so that the chain has one order.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from crewadmin.bulk import upsert
from crewadmin.sealing import keyed_hash, keyed_hasher

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
        "delivery",
        "automations",
        "holder",
        "grants",
        "source",
        "created",
        "changed",
        "removed",
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
    event = AuditEvent(
        organization=organization,
        created_at=timezone.now(),
        actor=actor,
        actor_label=actor.email if actor else "command line",
        action=action,
        target_uuid=target.uuid,
        target_label=str(target)[:255],
        details=_allowed(details or {}),
        previous_hash=_last_hash(organization),
    )
    event.hash = hash_of(event)
    event.save(force_insert=True)
    return event


def record_many(
    organization: Organization,
    actor: User | None,
    happenings: Iterable[tuple[AuditEvent.Action, UUID, str, Mapping[str, Detail]]],
) -> None:
    """Write an event for each of many objects, as `record` does one by one, in few statements.

    A happening is what was done, the object's public id and its name, and details as in `record`.
    """
    now, label = timezone.now(), actor.email if actor else "command line"
    hashed, previous, rows = keyed_hasher(organization.pk, "audit"), _last_hash(organization), []
    for action, target_uuid, name, details in happenings:
        uuid, target_label, allowed = uuid4(), name[:255], _allowed(details)
        own = hashed(_content(uuid, now, label, action, target_uuid, target_label, allowed, previous))
        rows.append((uuid, str(action), target_uuid, target_label, allowed, previous, own))
        previous = own
    columns = ("uuid", "action", "target_uuid", "target_label", "details", "previous_hash", "hash")
    same = {"organization": organization.pk, "created_at": now, "actor": actor and actor.pk, "actor_label": label}
    upsert(AuditEvent, columns, rows, same)


def _allowed(details: Mapping[str, Detail]) -> dict[str, Detail]:
    if unknown := set(details) - DETAIL_NAMES:
        raise ValueError(f"Not an audit detail: {', '.join(sorted(unknown))}")
    return dict(details)


def _last_hash(organization: Organization) -> bytes:
    last = AuditEvent.objects.filter(organization=organization).order_by("-id").values_list("hash", flat=True).first()
    return bytes(last or b"")


def hash_of(event: AuditEvent) -> bytes:
    """Return the hash (32 bytes) that an event must carry."""
    content = _content(
        event.uuid,
        event.created_at,
        event.actor_label,
        event.action,
        event.target_uuid,
        event.target_label,
        event.details,
        bytes(event.previous_hash),
    )
    return keyed_hash(event.organization_id, "audit", content)


def _content(
    uuid: UUID,
    created_at: datetime,
    actor_label: str,
    action: str,
    target_uuid: UUID,
    target_label: str,
    details: Mapping[str, Any],
    previous_hash: bytes,
) -> bytes:
    """Return what the hash of an event is made over."""
    content = [
        uuid.hex,
        created_at.isoformat(),
        actor_label,
        action,
        target_uuid.hex,
        target_label,
        details,
        previous_hash.hex(),
    ]
    return _SORTED.encode(content).encode()


# Made once: json.dumps makes an encoder for every call that asks for other than its defaults.
_SORTED = json.JSONEncoder(sort_keys=True)

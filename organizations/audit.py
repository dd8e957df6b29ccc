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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from crewadmin.bulk import upsert
from crewadmin.sealing import keyed_hasher

from .models import AuditEvent, AuditHead, Organization, User

#: Everything that an event may tell beyond who, what and when. Names and counts; never a value.
DETAIL_NAMES = frozenset(
    {
        "fields",
        "result",
        "failure",
        "provider",
        "secrets",  # their names
        "variables",
        "problems",
        "role",
        "delivery",
        "deployment",  # its number
        "stale",  # keys of variables
        "automations",
        "moved_to",  # a credential, by name: what was read with a deleted one is read with it
        "holder",
        "grants",
        "source",  # of an import, as the three below
        "created",
        "changed",
        "removed",
        "names",  # of objects that share an event: see record_many
        "format",  # of an export
        "filters",  # of an export: their names
        "kind",  # of what support staff looked at, or of a second factor
        "rows",  # how many of them a list showed
        "previous_role",
        "levels",
        "members",
        "successor",  # the role that those members have now
    }
)

Detail = str | int | list[str]
#: What was done, the object's public id and its name, and details as in `record`.
Happening = tuple[AuditEvent.Action, UUID, str, Mapping[str, Detail]]

#: More objects than this at once share events, each of which names as many objects as the second number.
MOST_SINGLE, MOST_NAMES = 1_000, 500

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
    allowed = _allowed(details or {})
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
        details=allowed,
        previous_hash=bytes(head.last_hash),
    )
    hasher = hasher_of(organization)
    event.hash = hasher(content_of(event))
    event.save(force_insert=True)
    _move(head, 1, event.hash, event.created_at, hasher)
    return event


def record_many(organization: Organization, actor: User | None, happenings: Sequence[Happening]) -> None:
    """Write an event for each of many objects, as `record` does one by one, in few statements.

    Above MOST_SINGLE of them, objects that had the same happen share events of the organization, and `names` says
    which they are: eight indexes for every row would cost an import of very many as much as the rows themselves.
    """
    if len(happenings) > MOST_SINGLE:
        happenings = list(_shared(organization, happenings))
    head, _new = AuditHead.objects.get_or_create(organization=organization)
    now, label = max(timezone.now(), head.last_at or _EARLIEST), actor.email if actor else "command line"
    hasher, previous, rows = hasher_of(organization), bytes(head.last_hash), []
    for action, target_uuid, name, details in happenings:
        uuid, target_label, allowed = uuid4(), name[:255], _allowed(details)
        own = hasher(_content(uuid, now, label, action, target_uuid, target_label, allowed, previous))
        rows.append((uuid, str(action), target_uuid, target_label, allowed, previous, own))
        previous = own
    if not rows:
        return
    columns = ("uuid", "action", "target_uuid", "target_label", "details", "previous_hash", "hash")
    same = {"organization": organization.pk, "created_at": now, "actor": actor and actor.pk, "actor_label": label}
    upsert(AuditEvent, columns, rows, same)
    _move(head, len(rows), previous, now, hasher)


def _shared(organization: Organization, happenings: Iterable[Happening]) -> Iterator[Happening]:
    """Yield one happening for up to MOST_NAMES objects that had the same happen."""
    alike: dict[tuple[AuditEvent.Action, str], list[Happening]] = {}
    for one in happenings:
        alike.setdefault((one[0], str(one[3])), []).append(one)
    for group in alike.values():
        for start in range(0, len(group), MOST_NAMES):
            names = [name for _action, _uuid, name, _details in group[start : start + MOST_NAMES]]
            action, _uuid, _name, details = group[start]
            label = names[0] if len(names) == 1 else f"{names[0][:120]} … {names[-1][:120]}"
            yield action, organization.uuid, label, {**details, "names": names}


def _move(head: AuditHead, more: int, last_hash: bytes, at: datetime, hasher: Callable[[bytes], bytes]) -> None:
    """Let the head tell of `more` events, of which the last ends so."""
    head.count, head.last_hash, head.last_at = head.count + more, last_hash, at
    head.seal = hasher(content_of_head(head))
    head.save(force_update=True)


def _allowed(details: Mapping[str, Detail]) -> dict[str, Detail]:
    if unknown := set(details) - DETAIL_NAMES:
        raise ValueError(f"Not an audit detail: {', '.join(sorted(unknown))}")
    return dict(details)


def hasher_of(organization: Organization) -> Callable[[bytes], bytes]:
    """Return the function that hashes an organization's events and head. Raises SealError if its key does not open."""
    return keyed_hasher(organization.pk, "audit")


def content_of(event: AuditEvent) -> bytes:
    """Return what an event's hash is made over."""
    return _content(
        event.uuid,
        event.created_at,
        event.actor_label,
        event.action,
        event.target_uuid,
        event.target_label,
        event.details,
        bytes(event.previous_hash),
    )


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


def content_of_head(head: AuditHead) -> bytes:
    """Return what a head's seal is made over; events begin differently, so that neither passes for the other."""
    last_at = head.last_at.isoformat() if head.last_at else ""
    return f"head {head.count} {bytes(head.last_hash).hex()} {last_at}".encode()

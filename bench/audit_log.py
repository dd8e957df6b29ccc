"""The audit log at a million events: its pages, every filter, the export and the check of the chain, and their plans.

The bound of a page is the same page of an organization whose log holds one page.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

from bench.databases import in_process, on_both, peak

EVENTS = int(os.environ.get("BENCH_AUDIT_EVENTS", "1000000"))
#: Rows that are written together.
_BATCH = 20_000
#: Of another organization, one after every ten.
_NEIGHBOURS = 10
_PEOPLE, _OBJECTS, _DAYS = 200, 5_000, 1_000
_START = datetime(2024, 1, 1, tzinfo=UTC)
_RARE = "credential:deleted"
#: An export is measured over so many; memory and speed are those of any number.
_EXPORTED = 200_000
#: Words of the lines of a plan that count.
_READS = ("Scan", "SCAN", "SEARCH", "Sort", "TEMP")


def measure_audit_log() -> dict[str, Any]:
    """Measure on each kind of database, in a process of its own."""
    return on_both(lambda url: in_process(url, "bench.audit_log"))


def measure() -> dict[str, Any]:
    """Return milliseconds of pages, rows a second of export and check, megabytes, and the plan of each page."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.test import Client
    from django.urls import reverse

    from bench.works import milliseconds
    from organizations.audit_chain import verify
    from organizations.models import AuditEvent, User
    from organizations.services.organizations import create_organization
    from organizations.views.audit_log import csv_export, json_export

    call_command("migrate", verbosity=0)
    owner = User.objects.create_user("owner@example.com", None)
    small, neighbour, large = (create_organization(name, name, owner) for name in ("small", "neighbour", "large"))
    began = time.perf_counter()
    _fill(small, 60, neighbour)
    _fill(large, EVENTS, neighbour)
    figures: dict[str, Any] = {"events": EVENTS, "fill_s": round(time.perf_counter() - began, 1)}
    _analyze()
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(owner)
    events = AuditEvent.objects.for_organization(large)
    first = events.last()
    middle = AuditEvent.objects.get(pk=(first.pk + events.first().pk) // 2)  # type: ignore[union-attr]  # there are many
    day = f"{_START + timedelta(days=_DAYS // 2):%Y-%m-%d}"
    asked: dict[str, dict[str, str]] = {
        "first": {},
        "deep": {"older": str(events.filter(pk__lte=middle.pk)[0].uuid)},
        "deep_back": {"newer": str(events.filter(pk__lte=middle.pk)[0].uuid)},
        "last": {"newer": "", "older": str(AuditEvent.objects.filter(organization=large).order_by("id")[40].uuid)},
        "person": {"person": "person-7@example.com"},
        "action": {"action": "credential:tested"},
        "rare_action": {"action": _RARE},
        "object": {"object": str(UUID(int=7))},
        "object_name": {"object": "object-7"},
        "until_a_day": {"until": day},
        "of_a_day": {"since": day, "until": day},
        "person_and_action": {"person": "person-7@example.com", "action": "credential:tested"},
        "person_and_rare_action": {"person": "person-7@example.com", "action": _RARE},
        "object_of_a_day": {"object": "object-7", "since": day, "until": day},
        "nobody": {"person": "nobody@example.com"},
    }
    alone = reverse("audit_list", args=[small.uuid])
    figures["bound_ms"], figures["bound_plan"] = (
        milliseconds(lambda: client.get(alone)),
        _plan(lambda: client.get(alone)),
    )
    address = reverse("audit_list", args=[large.uuid])
    for name, parameters in asked.items():
        figures[f"{name}_ms"] = milliseconds(lambda asks=parameters: client.get(address, asks), times=15)  # type: ignore[misc]  # a lambda's default
        figures[f"{name}_plan"] = _plan(lambda asks=parameters: client.get(address, asks))  # type: ignore[misc]  # as above
    start = peak()
    for name, export in (("csv", csv_export), ("jsonl", json_export)):
        lines = islice(export(events), _EXPORTED)
        figures[f"export_{name}_rows_per_s"] = _rate(lambda lines=lines: sum(1 for _line in lines))  # type: ignore[misc]  # as above
    figures["export_peak_mb_over_start"] = round(peak() - start, 1)
    start = peak()
    figures["verify_rows_per_s"] = _rate(lambda: verify(large).events)
    figures["verify_intact"] = verify(small).broken is None
    figures["verify_peak_mb_over_start"] = round(peak() - start, 1)
    return figures


def _rate(work: Callable[[], int]) -> int:
    """Return how many a second `work` did, which returns how many it did in all."""
    began = time.perf_counter()
    done = work()
    return round(done / (time.perf_counter() - began))


def _fill(organization: Any, events: int, neighbour: Any) -> None:
    """Write events with a genuine chain and head, in batches; a few of the neighbour's after each batch's share."""
    from organizations.models import AuditHead

    ends = {one.pk: (AuditHead.objects.get(organization=one), one) for one in (organization, neighbour)}
    step = timedelta(days=_DAYS) / events
    for start in range(0, events, _BATCH):
        for pk, share in ((organization.pk, _BATCH), (neighbour.pk, _BATCH // _NEIGHBOURS)):
            numbers = range(start, min(start + share, events))
            _write(*ends[pk], numbers, step)


def _write(head: Any, organization: Any, numbers: range, step: timedelta) -> None:
    from django.db import transaction

    from crewadmin.bulk import upsert
    from organizations.audit import content_of_head, hasher_of
    from organizations.models import AuditEvent

    hasher = hasher_of(organization)
    columns = ("uuid", "created_at", "actor_label", "action", "target_uuid", "target_label", "details")
    with transaction.atomic():
        rows = list(_chained(bytes(head.last_hash), hasher, numbers, step))
        upsert(AuditEvent, (*columns, "previous_hash", "hash"), rows, {"organization": organization.pk, "actor": None})
        head.count, head.last_hash, head.last_at = head.count + len(rows), rows[-1][-1], rows[-1][1]
        head.seal = hasher(content_of_head(head))
        head.save(force_update=True)


def _chained(
    previous: bytes, hasher: Callable[[bytes], bytes], numbers: range, step: timedelta
) -> Iterator[tuple[Any, ...]]:
    from organizations.audit import content_of
    from organizations.models import AuditEvent

    actions = [action for action in AuditEvent.Action.values if action != _RARE]
    for number in numbers:
        event: Any = SimpleNamespace(  # quicker than an instance of the model
            uuid=uuid4(),
            created_at=_START + number * step,
            actor_label=f"person-{number * 7 % _PEOPLE}@example.com",
            action=_RARE if number % 50_000 == 1 else actions[number * 13 % len(actions)],
            target_uuid=UUID(int=number * 31 % _OBJECTS),
            target_label=f"object-{number * 31 % _OBJECTS}",
            details={"fields": ["region", "secret_access_key"]},
            previous_hash=previous,
        )
        previous = hasher(content_of(event))
        yield (
            event.uuid,
            event.created_at,
            event.actor_label,
            event.action,
            event.target_uuid,
            event.target_label,
            event.details,
            event.previous_hash,
            previous,
        )


def _analyze() -> None:
    """Have the database count what it holds, as PostgreSQL does by itself after a while."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _plan(ask: Callable[[], Any]) -> list[str]:
    """Return the lines of the plan of a page's query that say what is read, and how."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        ask()
    is_postgres = connection.vendor == "postgresql"
    explain, column = ("EXPLAIN", 0) if is_postgres else ("EXPLAIN QUERY PLAN", 3)
    lines = []
    for query in queries:
        if "LIMIT 51" in query["sql"]:
            with connection.cursor() as cursor:
                cursor.execute(f"{explain} {query['sql']}")
                lines += [str(row[column]).strip().lstrip("-> ").partition("  (cost")[0] for row in cursor.fetchall()]
    return [line for line in lines if any(word in line for word in _READS) and "organizations_user" not in line]


if __name__ == "__main__":
    print(json.dumps(measure()))

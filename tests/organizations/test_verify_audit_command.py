# ruff: noqa: S608 - the tables in the statements are constants of this file
"""`manage.py verify_audit`: names the first event that somebody changed behind the application, whatever they did."""

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test.utils import CaptureQueriesContext

from crewadmin.sealing import key_ring
from organizations import audit_chain
from organizations.audit import changing, record
from organizations.models import AuditEvent, AuditHead, Organization, User
from organizations.services.organizations import create_organization

from .conftest import Rows

EVENTS, HEADS = "organizations_auditevent", "organizations_audithead"


def run(*arguments: str) -> tuple[int, str]:
    """Run the command; return its exit code and what it wrote."""
    written = StringIO()
    try:
        call_command("verify_audit", *arguments, stdout=written)
    except SystemExit as end:
        return int(str(end.code)), written.getvalue()
    return 0, written.getvalue()


def sql(statement: str, *values: Any) -> None:
    """Change the database as somebody with a database shell would."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


@pytest.fixture
def ids(acme: Organization, umbrella: Organization, acme_rows: Rows, alice: User) -> list[int]:
    """The primary keys of Acme's events, oldest first."""
    with changing(acme):
        for _number in range(3):
            record(acme, alice, AuditEvent.Action.CREDENTIAL_TESTED, acme, {"result": "passed"})
    found = list(AuditEvent.objects.filter(organization=acme).order_by("id").values_list("id", flat=True))
    assert len(found) >= 8
    return found


def edit(ids: list[int]) -> int:
    sql(f"UPDATE {EVENTS} SET actor_label = 'somebody@else.example' WHERE id = %s", ids[4])
    return 4


def edit_the_details(ids: list[int]) -> int:
    sql(f"UPDATE {EVENTS} SET details = '{{}}' WHERE id = %s", ids[-1])
    return len(ids) - 1


def delete_in_the_middle(ids: list[int]) -> int:
    sql(f"DELETE FROM {EVENTS} WHERE id = %s", ids[3])
    return 3


def delete_the_first(ids: list[int]) -> int:
    sql(f"DELETE FROM {EVENTS} WHERE id = %s", ids[0])
    return 0


def reorder(ids: list[int]) -> int:
    for old, new in ((ids[2], 0), (ids[5], ids[2]), (0, ids[5])):
        sql(f"UPDATE {EVENTS} SET id = %s WHERE id = %s", new, old)
    return 2


def cut_the_newest(ids: list[int]) -> int:
    sql(f"DELETE FROM {EVENTS} WHERE id = %s", ids[-1])
    return len(ids) - 1


def cut_many(ids: list[int]) -> int:
    sql(f"DELETE FROM {EVENTS} WHERE id > %s", ids[2])
    return 3


def cut_and_change_the_head(ids: list[int]) -> int:
    cut_the_newest(ids)
    sql(
        f"UPDATE {HEADS} SET count = %s, last_hash = (SELECT hash FROM {EVENTS} WHERE id = %s) "
        f"WHERE organization_id = (SELECT organization_id FROM {EVENTS} WHERE id = %s)",
        len(ids) - 1,
        ids[-2],
        ids[-2],
    )
    return len(ids) - 1


def delete_the_head(ids: list[int]) -> int:
    sql(f"DELETE FROM {HEADS}")
    return len(ids)


def insert_a_copy(ids: list[int]) -> int:
    columns = "organization_id, created_at, actor_id, actor_label, action, target_uuid, target_label, details, hash"
    copied = f"{columns}, previous_hash"
    values = "'00000000000000000000000000000001'" if connection.vendor == "sqlite" else "gen_random_uuid()"
    sql(f"INSERT INTO {EVENTS} (uuid, {copied}) SELECT {values}, {copied} FROM {EVENTS} WHERE id = %s", ids[-1])
    return len(ids)


def insert_a_copy_before_the_first(ids: list[int]) -> int:
    insert_a_copy(ids)
    sql(f"UPDATE {EVENTS} SET id = -1 WHERE id = (SELECT MAX(id) FROM {EVENTS})")
    return 0


TAMPERINGS = {
    edit: "was edited",
    edit_the_details: "was edited",
    delete_in_the_middle: "were deleted",
    delete_the_first: "were deleted",
    reorder: "does not stand where it was written",
    cut_the_newest: "the newest events were deleted",
    cut_many: "the newest events were deleted",
    cut_and_change_the_head: "missing or forged",
    delete_the_head: "missing or forged",
    insert_a_copy: "was edited",
    insert_a_copy_before_the_first: "was edited",
}


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__)
def test_the_first_broken_event_is_named(
    acme: Organization, umbrella: Organization, ids: list[int], tamper: Callable[[list[int]], int]
) -> None:
    position = tamper(ids)
    code, written = run("acme")
    assert code == 1
    assert f"acme: BROKEN: event {position + 1}" in written
    assert TAMPERINGS[tamper] in written
    told = json.loads(run("acme", "--json")[1])
    assert (told["intact"], told["position"]) == (False, position + 1)
    if tamper is not delete_the_head:
        assert run("umbrella")[0] == 0


def test_the_event_itself_is_named(acme: Organization, ids: list[int]) -> None:
    edit(ids)
    event = AuditEvent.objects.get(pk=ids[4])
    assert f"({event.uuid}, {event.created_at:%Y-%m-%d %H:%M:%S} UTC)" in run("acme")[1]
    assert json.loads(run("acme", "--json")[1])["event"] == str(event.uuid)


def test_events_written_after_a_cut_do_not_heal_it(acme: Organization, ids: list[int]) -> None:
    position = cut_the_newest(ids)
    with changing(acme):
        record(acme, None, AuditEvent.Action.AUTOMATION_RESOLVED, acme)
    code, written = run("acme")
    assert code == 1
    assert f"event {position + 1} (" in written


def test_events_written_after_the_head_was_deleted_do_not_heal_it(acme: Organization, ids: list[int]) -> None:
    position = delete_the_head(ids)
    with changing(acme):
        record(acme, None, AuditEvent.Action.AUTOMATION_RESOLVED, acme)
    code, written = run("acme")
    assert (code, f"event {position + 1} (" in written) == (1, True)


# --- What is intact -------------------------------------------------------------------------------------------------
def test_logs_that_nobody_touched_are_intact(acme: Organization, umbrella: Organization, ids: list[int]) -> None:
    code, written = run()
    assert code == 0
    assert [line.split(" events")[0] for line in written.splitlines()] == [
        f"acme: intact: {len(ids)}",
        "umbrella: intact: 2",
    ]
    assert run(str(acme.uuid))[0] == 0
    assert json.loads(run("acme", "--json")[1]) | {"seconds": 0} == {
        "organization": "acme",
        "intact": True,
        "events": len(ids),
        "problem": None,
        "position": None,
        "event": None,
        "seconds": 0,
    }


def test_an_event_written_while_it_runs_is_no_fault(
    acme: Organization, ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    oldest_first = audit_chain.oldest_first

    def with_one_more(organization: Organization) -> Any:
        with changing(organization):
            record(organization, None, AuditEvent.Action.AUTOMATION_RESOLVED, organization)
        yield from oldest_first(organization)

    monkeypatch.setattr(audit_chain, "oldest_first", with_one_more)
    assert run("acme")[0] == 0


def test_one_broken_log_does_not_hide_the_others(acme: Organization, umbrella: Organization, ids: list[int]) -> None:
    edit(ids)
    code, written = run()
    assert code == 1
    assert "umbrella: intact" in written


def test_a_log_whose_key_is_lost_cannot_be_checked(acme: Organization, ids: list[int], settings: Any) -> None:
    settings.FERNET_KEYS = ["b3RoZXItMzItcmFuZG9tLWJ5dGVzLTRuUTd4WjJrVzk="]
    key_ring.forget()
    code, written = run("acme")
    assert code == 1
    assert "acme: cannot be checked: None of FERNET_KEYS opens" in written


@pytest.mark.parametrize("name", ["nowhere", "", "00000000-0000-0000-0000-000000000000"])
def test_an_organization_that_does_not_exist_is_wrong_usage(db: None, name: str) -> None:
    with pytest.raises(CommandError, match="There is no organization") as caught:
        run(name)
    assert caught.value.returncode == 2


def test_a_long_log_is_read_in_batches(acme: Organization, ids: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_chain, "BATCH", 4)
    with CaptureQueriesContext(connection) as queries:
        assert run("acme")[0] == 0
    # The organization, its key, the head; then the batches, and one more that is empty.
    assert len(queries) == 3 + -(-len(ids) // 4) + 1


# --- Logs from before there were heads ------------------------------------------------------------------------------
def migrate(name: str) -> None:
    executor = MigrationExecutor(connection)
    executor.migrate([("organizations", name)])


@pytest.mark.django_db(transaction=True)
def test_a_log_from_before_gets_its_head_by_migration(alice: User) -> None:
    organization = create_organization("Old", "old", alice)
    broken = create_organization("Broken", "broken", alice)
    sql(f"UPDATE {EVENTS} SET target_label = 'x' WHERE organization_id = %s", broken.pk)
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes("organizations")[0][1]
    try:
        migrate("0002_audit_actions_in_code")
        migrate(newest)
    finally:
        migrate(newest)
    assert AuditHead.objects.get(organization=organization).count == 2
    assert run("old")[0] == 0
    assert "broken: BROKEN: event 1 " in run("broken")[1]

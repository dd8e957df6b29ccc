"""The audit log as a file: who may take it, what it tells, and that a spreadsheet runs none of it."""

import csv
import io
import json
import weakref
from collections.abc import Callable

import pytest
from django.db import connection
from django.db.models.signals import post_init
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from crewadmin.spreadsheets import csv_lines, safe_cell
from organizations import audit_chain
from organizations.audit import changing, record
from organizations.models import AuditEvent, Organization, User
from organizations.views.audit_log import COLUMNS, csv_export

from .conftest import Rows

SignIn = Callable[[User], Client]
Action = AuditEvent.Action


def address(organization: Organization, query: str = "") -> str:
    return reverse("audit_export", args=[organization.uuid]) + query


def exported(client: Client, organization: Organization, file_format: str, query: str = "") -> list[dict[str, str]]:
    """Take an export; return its events, by column."""
    answer = client.post(address(organization, query), {"format": file_format})
    assert answer.status_code == 200
    text = answer.getvalue().decode()
    if file_format == "csv":
        return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def owner(alice: User, sign_in: SignIn) -> Client:
    return sign_in(alice)


@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_it_holds_every_event_newest_first(
    acme: Organization, alice: User, acme_rows: Rows, owner: Client, file_format: str
) -> None:
    rows = exported(owner, acme, file_format)
    events = list(AuditEvent.objects.for_organization(acme))
    assert [row["event_id"] for row in rows] == [str(event.uuid) for event in events]
    assert [row["hash"] for row in rows] == [bytes(event.hash).hex() for event in events]
    assert set(rows[0]) == set(COLUMNS)
    created = next(row for row in rows if row["action"] == "credential:created")
    assert (created["person"], created["object"]) == (alice.email, "aws-prod")
    assert created["sentence"] == "alice@acme.example created credential aws-prod: aws"
    assert json.loads(created["details"]) == {"provider": "aws"}


def test_it_says_first_in_the_log_that_it_was_taken(acme: Organization, alice: User, owner: Client) -> None:
    answer = owner.post(address(acme, "?action=member:added"), {"format": "csv"})
    event = AuditEvent.objects.for_organization(acme)[0]  # the answer was not read yet
    assert (event.action, event.actor) == (Action.AUDIT_EXPORTED, alice)
    assert event.details == {"format": "csv", "filters": ["action"]}
    assert answer["Content-Disposition"].startswith('attachment; filename="acme-audit-log-')
    answer.close()


def test_an_export_that_cannot_be_audited_is_not_sent(
    acme: Organization, owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.raise_request_exception = False

    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(AuditEvent, "save", fail)
    answer = owner.post(address(acme), {"format": "csv"})
    assert answer.status_code == 500
    assert b"Acme" not in answer.content


def test_it_is_narrowed_as_the_page_is(acme: Organization, acme_rows: Rows, owner: Client) -> None:
    rows = exported(owner, acme, "jsonl", "?action=variable:created&object=API_KEY")
    assert [row["object"] for row in rows] == ["API_KEY"]


def test_it_holds_no_event_of_another_organization(
    acme: Organization, umbrella: Organization, umbrella_rows: Rows, owner: Client
) -> None:
    theirs = umbrella.audit_events.values_list("uuid", flat=True)
    assert not {row["event_id"] for row in exported(owner, acme, "csv")} & set(map(str, theirs))


@pytest.mark.parametrize("query", ["?since=yesterday", "?action=guessed", "?until=9999-99-99"])
def test_a_filter_that_cannot_be_read_exports_nothing(acme: Organization, owner: Client, query: str) -> None:
    events = acme.audit_events.count()
    assert owner.post(address(acme, query), {"format": "csv"}).status_code == 400
    assert owner.post(address(acme), {"format": "xml"}).status_code == 400
    assert owner.post(address(acme)).status_code == 400
    assert acme.audit_events.count() == events


def test_it_asks_for_a_fresh_proof(acme: Organization, alice: User) -> None:
    stale = Client()
    stale.force_login(alice)
    page = reverse("audit_list", args=[acme.uuid]) + "?action=member:added"
    answer = stale.post(address(acme), {"format": "csv"}, headers={"referer": f"http://testserver{page}"})
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_reauthenticate"))
    assert not AuditEvent.objects.filter(action=Action.AUDIT_EXPORTED).exists()


# --- Spreadsheets ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "start",
    ["=", "+", "-", "@", "\t", "\r", "\0", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", " =", "\u00a0@", " \t-"],
)
def test_a_cell_that_a_spreadsheet_could_run_is_text(start: str) -> None:
    assert safe_cell(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"


@pytest.mark.parametrize("text", ["", "aws-prod", "a=b", "a-b", "'=1", " plain", "é", "2026-11-24"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert safe_cell(text) == text


def test_quotes_and_line_breaks_stay_inside_their_cell() -> None:
    row = ['a"b', "a\r\nb", "a,b;c", "=1+1"]
    line = "".join(csv_lines([row]))
    assert next(csv.reader(io.StringIO(line, newline=""), strict=True)) == ['a"b', "a\r\nb", "a,b;c", "'=1+1"]


def test_a_name_that_is_a_formula_is_exported_as_text(acme: Organization, owner: Client) -> None:
    acme.name = '=HYPERLINK("http://evil.example","x")'
    with changing(acme):
        record(acme, None, Action.CREDENTIAL_CHANGED, acme)
    newest = exported(owner, acme, "csv")[1]
    assert newest["object"] == '\'=HYPERLINK("http://evil.example","x")'
    assert exported(owner, acme, "jsonl")[2]["object"] == acme.name


# --- A long log -----------------------------------------------------------------------------------------------------
def test_a_long_log_is_read_in_batches(acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_chain, "BATCH", 10)
    with changing(acme):
        for _number in range(33):
            record(acme, None, Action.CREDENTIAL_TESTED, acme)
    with CaptureQueriesContext(connection) as queries:
        lines = list(csv_export(AuditEvent.objects.for_organization(acme)))
    assert len(lines) == acme.audit_events.count() + 1
    assert len(queries) == 5
    assert all("LIMIT 10" in query["sql"] for query in queries)


def test_no_event_is_kept_in_memory_once_it_was_sent(acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_chain, "BATCH", 10)
    with changing(acme):
        for _number in range(50):
            record(acme, None, Action.CREDENTIAL_TESTED, acme)
    read: list[weakref.ref[AuditEvent]] = []
    post_init.connect(
        lambda instance, **_: read.append(weakref.ref(instance)), AuditEvent, weak=False, dispatch_uid="t"
    )
    try:
        kept = [
            sum(event() is not None for event in read)
            for _line in csv_export(AuditEvent.objects.for_organization(acme))
        ]
    finally:
        post_init.disconnect(sender=AuditEvent, dispatch_uid="t")
    assert len(read) > 50
    assert max(kept) <= 20  # a batch, and the one that is read after it

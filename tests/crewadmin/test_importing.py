"""crewadmin.importing: strict readers say where a file is wrong and never what it holds."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from crewadmin.importing.findings import BadFileError, Finding, Findings, Place
from crewadmin.importing.plan import Action, OnConflict, Plan, decide
from crewadmin.importing.rows import Row, Schema, read_csv, read_json
from crewadmin.importing.source import Limits, read_source, source_of

SCHEMA = Schema("things", ("key", "value"), frozenset({"key"}))
SECRET = "made-up-canary"
LIMITS = Limits(size=100_000, rows=50)


def read(reader: Callable[..., Any], data: bytes, limits: Limits = LIMITS) -> tuple[list[Row], list[Finding]]:
    """All rows and all findings of a file."""
    findings = Findings()
    rows: list[Row] = []
    try:
        rows.extend(reader(source_of("file", data, limits), limits, findings, SCHEMA))
    except BadFileError as error:
        findings.add(error.finding)
    return rows, findings.kept


@pytest.mark.parametrize(
    "data",
    [
        b"key,value\nA,1\nB,2\n",
        b"\xef\xbb\xbfkey,value\r\nA,1\r\nB,2",
        b"KEY;Value\n\nA;1\n\n\nB;2\n",
        b'"key","value"\n"A","1"\n"B","2"\n',
    ],
    ids=["plain", "mark and carriage returns", "semicolons and blank lines", "quoted"],
)
def test_csv_is_read_as_spreadsheets_write_it(data: bytes) -> None:
    rows, findings = read(read_csv, data)
    assert not findings
    assert [dict(row.fields) for row in rows] == [{"key": "A", "value": "1"}, {"key": "B", "value": "2"}]


@pytest.mark.parametrize(
    "data", [b'[{"key": "A"}]', b'{"things": [{"key": "A"}]}', b' {\n"things" : [ {"key":"A"} ] }\n']
)
def test_json_is_a_list_or_an_object_with_one(data: bytes) -> None:
    rows, findings = read(read_json, data)
    assert not findings
    assert [dict(row.fields) for row in rows] == [{"key": "A"}]


@pytest.mark.parametrize(
    ("reader", "data", "line"),
    [
        (read_csv, b"key,value\nA,%s\nB\n", 3),
        (read_csv, b'key,value\nA,"%s\nB,2\n', 2),
        (read_csv, b'key,value\nA,"%s\nB,"2"\n', 2),
        (read_csv, b"key,%s\nA,1\n", 1),
        (read_csv, b"key,key\nA,%s\n", 1),
        (read_csv, b"value\n%s\n", 1),
        (read_csv, b"A,%s\nB,2\n", 1),
        (read_csv, b"", 1),
        (read_json, b'[{"key": "A"},\n{"key": "B", "key": "%s"}]', 2),
        (read_json, b'[{"key": "A",\n"value": NaN}]', 2),
        (read_json, b'[{"key": "A",\n"value": -Infinity}]', 2),
        (read_json, b'[{"key": "A"},\n{"key": "%s}]', 2),
        (read_json, b'[{"key": "A"},\n{"value": "%s"}]', 2),
        (read_json, b'[{"key": "A"},\n{"key": "A", "%s": ""}]', 2),
        (read_json, b'[{"key": "A"},\n"%s"]', 2),
        (read_json, b'[{"key": "A"}\n{"key": "%s"}]', 2),
        (read_json, b'[{"key": "A"},\n{"key": "%s"},]', 2),
        (read_json, b'[{"key": "A"}]\n"%s"', 2),
        (read_json, b'{"things": [{"key": "A"}],\n"more": "%s"}', 1),
        (read_json, b'[{"key": "A"},\n{"key": "\\ud800%s"}]', 2),
        (read_json, b'"%s"', 1),
        (read_json, b"", 1),
        (read_json, b"[" * 20 + b'"%s"' + b"]" * 20, 1),
        (read_json, b"[" * 90_000, 1),
    ],
)
def test_what_other_readers_guess_is_refused_with_its_line(reader: Callable[..., Any], data: bytes, line: int) -> None:
    _rows, findings = read(reader, data.replace(b"%s", SECRET.encode()))
    assert findings[0].place.line == line
    said = str(findings[0]) + json.dumps(findings[0].as_json())
    assert SECRET not in said
    assert findings[0].reason
    assert findings[0].advice


@pytest.mark.parametrize(
    ("data", "line"),
    [(b"key\nA\nB\xe9\n", 3), (b"key\nA\0\n", 2), ("key\n".encode("utf-16"), 1), (b"x" * 100_001, 0)],
    ids=["mixed encodings", "NUL", "UTF-16", "too large"],
)
def test_what_is_no_text_within_limits_is_refused_with_its_line(data: bytes, line: int) -> None:
    with pytest.raises(BadFileError) as caught:
        source_of("file", data, LIMITS)
    assert caught.value.finding.place.line == line


@pytest.mark.parametrize(
    ("reader", "data"),
    [(read_csv, b"key\n" + b"A\n" * 51), (read_json, b"[" + b",".join([b'{"key": "A"}'] * 51) + b"]")],
)
def test_more_rows_than_the_limit_are_refused(reader: Callable[..., Any], data: bytes) -> None:
    rows, findings = read(reader, data)
    assert len(rows) == 50
    assert "more than 50" in findings[0].reason


def test_a_value_far_too_long_is_refused_before_it_is_read() -> None:
    _rows, findings = read(read_json, json.dumps([{"key": "A", "value": "x" * 5_000}]).encode(), Limits(value=4_000))
    assert "too long" in findings[0].reason


def test_numbers_are_no_text(db: None) -> None:
    rows, findings = read(read_json, b'[{"key": "A", "value": ' + b"9" * 9_000 + b"}]")
    assert not findings
    assert not isinstance(rows[0].fields["value"], str | int)


def test_a_file_that_others_may_read_is_known(tmp_path: Any) -> None:
    file = tmp_path / "import.csv"
    file.write_bytes(b"key\n")
    file.chmod(0o640)
    assert read_source(str(file), LIMITS).exposed
    file.chmod(0o600)
    assert not read_source(str(file), LIMITS).exposed


def test_a_thousand_findings_are_kept_and_all_are_counted() -> None:
    findings = Findings()
    for number in range(1_500):
        findings.refuse(Place("file", number), "key", ValidationError("no"))
    assert (findings.count, len(findings.kept)) == (1_500, 1_000)


@pytest.mark.parametrize(
    ("fields", "exists", "is_ours", "on_conflict", "action"),
    [
        ([], False, False, "fail", Action.CREATE),
        ([], True, False, "fail", Action.KEEP),
        (["value"], True, True, "fail", Action.CHANGE),
        (["value"], True, False, "fail", Action.CONFLICT),
        (["value"], True, False, "skip", Action.SKIP),
        (["value"], True, False, "update", Action.CHANGE),
    ],
)
def test_what_somebody_else_left_is_a_conflict(
    fields: list[str], exists: bool, is_ours: bool, on_conflict: str, action: Action
) -> None:
    assert decide(fields, exists=exists, is_ours=is_ours, on_conflict=OnConflict(on_conflict)) is action


def test_a_plan_s_digest_tells_of_every_state() -> None:
    plans = [Plan(), Plan(), Plan()]
    for plan, state in zip(plans, ("one", "one", "two"), strict=True):
        plan.add(Action.KEEP, "A", (), state)
    assert plans[0].digest == plans[1].digest != plans[2].digest
    assert plans[0].items == []

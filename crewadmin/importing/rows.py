"""Strict readers of CSV and JSON: a row at a time, each with its place; what other readers guess is refused."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from django.utils.translation import gettext as _

from .findings import BadFileError, Finding, Findings, Place
from .source import Limits, Source

#: With its end, whichever of the three it is.
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Schema:
    """What the rows of one kind may hold: the name of their list in JSON, their fields, and those each must have."""

    list_name: str
    fields: tuple[str, ...]
    required: frozenset[str]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file: what it says by field, and where. A field that the file does not have is not in `fields`."""

    file: str
    line: int
    fields: Mapping[str, Any] = field(repr=False)
    path: str = ""
    #: The number of each field's column, for CSV.
    columns: Mapping[str, int] = field(default_factory=dict, repr=False)

    def place(self, name: str = "") -> Place:
        """Return where the row is, or one of its fields."""
        path = f"{self.path}.{name}" if self.path and name else self.path
        return Place(self.file, self.line, self.columns.get(name, 0), path)


# --- CSV ------------------------------------------------------------------------------------------------------------
def read_csv(source: Source, limits: Limits, findings: Findings, schema: Schema) -> Iterator[Row]:
    """Yield the rows of a file whose first line names the columns, separated by commas or (as Excel does) semicolons.

    What is wrong with one row goes to `findings`. Raises BadFileError where the rest cannot be understood.
    """
    records = read_records(source, limits)
    line, header = next(records, (1, []))
    columns = _columns(source, line, header, findings, schema)
    for line, cells in records:
        if len(cells) != len(header):
            reason = _("This row has %(cells)d cells, the header has %(columns)d.")
            counts = {"cells": len(cells), "columns": len(header)}
            advice = _("Quote a value that holds a separator or a quote.")
            findings.add(Finding(Place(source.name, line), reason % counts, advice))
        else:
            fields = {name: cells[number - 1] for name, number in columns.items()}
            yield Row(source.name, line, fields, columns=columns)


def read_records(source: Source, limits: Limits) -> Iterator[tuple[int, list[str]]]:
    """Yield each record of a CSV file with the line that it begins on; blank lines are left out.

    Raises BadFileError.
    """
    first = source.text.partition("\n")[0]
    separator = ";" if ";" in first and "," not in first else ","
    lines = (line.group() for line in _LINE.finditer(source.text))  # a StringIO would take four bytes a character
    reader = csv.reader(lines, delimiter=separator, strict=True)
    count = 0
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise BadFileError(_csv_finding(source, line, str(error))) from None
        if cells is None:
            return
        if cells:
            count += 1
            _keep_rows(source, line, count - 1, limits)
            yield line, cells


def _columns(source: Source, line: int, header: Sequence[str], findings: Findings, schema: Schema) -> dict[str, int]:
    """Return the number of each known column. A header's words are not repeated: it may be a row of secrets."""
    known = _("Columns may be: %(names)s.") % {"names": ", ".join(schema.fields)}
    if len(header) > len(schema.fields):
        raise BadFileError(Finding(Place(source.name, line), _("There are more columns than are known."), known))
    names = [name.strip().lower() for name in header]
    unknown, twice = _("This column's name is not known."), _("This column is there twice.")
    problems = [(number, unknown) for number, name in enumerate(names, 1) if name not in schema.fields]
    problems += [(number, twice) for number, name in enumerate(names, 1) if name in names[: number - 1]]
    found = [Finding(Place(source.name, line, number), reason, known) for number, reason in problems]
    missing = sorted(schema.required - set(names))
    found += [Finding(Place(source.name, line), _("A column is missing."), known, name) for name in missing]
    if found:
        for finding in found[:-1]:
            findings.add(finding)
        raise BadFileError(found[-1])
    return {name: number for number, name in enumerate(names, 1)}


def _csv_finding(source: Source, line: int, error: str) -> Finding:
    """Say in our words what the library refused."""
    place = Place(source.name, line)
    if "end of data" in error:
        return Finding(place, _("A quote that begins here is never closed."), _("Close it, or write quotes twice."))
    if "expected after" in error:
        reason = _("A quoted value of the row that begins here goes on after its closing quote.")
        return Finding(place, reason, _("Write a quote inside a quoted value twice; close every quote."))
    if "limit" in error:
        return Finding(place, _("A value here is far too long."), _("Look for a quote that is not closed."))
    return Finding(place, _("This is not CSV."), _("Save the table as CSV, in UTF-8."))


# --- JSON -----------------------------------------------------------------------------------------------------------
class _Refused(Exception):  # noqa: N818 - never seen outside
    """What a hook of the JSON decoder refuses; `pattern` finds the place in the text of the row."""

    def __init__(self, reason: str, advice: str, pattern: str, occurrence: int = 1) -> None:
        super().__init__(reason)
        self.reason, self.advice, self.pattern, self.occurrence = reason, advice, pattern, occurrence


class NotText:
    """A number in the place of a text."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for number, name in enumerate(names) if name in names[:number])
        reason, advice = _("A field is there twice in one object."), _("Keep one of them.")
        raise _Refused(reason, advice, re.escape(json.dumps(twice)) + r"\s*:", 2)
    return found


def _constant(name: str) -> NoReturn:
    reason = _("NaN and Infinity are not JSON.")
    raise _Refused(reason, _("Write the value as a text in quotes."), re.escape(name))


def _number(text: str) -> NotText:
    return NotText()


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_int=_number, parse_float=_number)
_BLANK = re.compile(r"[ \t\r\n]*")
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}"]', re.DOTALL)


def read_json(source: Source, limits: Limits, findings: Findings, schema: Schema) -> Iterator[Row]:
    """Yield the objects of `{"LIST NAME": [...]}`, or of the list alone, one after the other.

    What is wrong with one row goes to `findings`. Raises BadFileError where the rest cannot be understood.
    """
    _check_shape(source, limits)
    text, line, counted, number = source.text, 1, 0, 0
    at, path, wrapped = _list_start(source, schema)
    while True:
        at = _skip(text, at)
        if text[at : at + 1] == "]" and number == 0:
            break
        line, counted = line + text.count("\n", counted, at), at
        _keep_rows(source, line, number + 1, limits)
        content, end = _decoded_row(source, at)
        row = _json_row(source, line, f"{path}[{number}]", content, findings, schema)
        if row is not None:
            yield row
        number, at = number + 1, _skip(text, end)
        if text[at : at + 1] == "]":
            break
        if text[at : at + 1] != ",":
            raise BadFileError(_json_finding(source, at, _("A comma or the end of the list is missing here.")))
        at += 1
    _check_end(source, at + 1, wrapped=wrapped)


def _check_shape(source: Source, limits: Limits) -> None:
    """Refuse depth, long values and open quotes before anything is built of them. Raises BadFileError."""
    depth = 0
    for token in _TOKEN.finditer(source.text):
        first = token[0][0]
        if first in "[{":
            depth += 1
        elif first in "]}":
            depth -= 1
        elif token.end() - token.start() == 1:
            raise BadFileError(_json_finding(source, token.start(), _("A quote that begins here is never closed.")))
        elif token.end() - token.start() > limits.value:
            raise BadFileError(_json_finding(source, token.start(), _("This value is too long.")))
        if depth > limits.depth:
            raise BadFileError(_json_finding(source, token.start(), _("This is nested too deeply.")))


def _list_start(source: Source, schema: Schema) -> tuple[int, str, bool]:
    """Return where the first row may stand, the path of the list, and whether it is in an object."""
    found = re.compile(rf'[ \t\r\n]*(?:(\{{)\s*"{schema.list_name}"\s*:\s*)?\[').match(source.text)
    if not found:
        reason = _("This is no list of rows.")
        advice = _('Write {"%(name)s": [{…}, {…}]}.') % {"name": schema.list_name}
        raise BadFileError(Finding(Place(source.name, 1), reason, advice))
    return found.end(), f"$.{schema.list_name}" if found[1] else "$", bool(found[1])


def _decoded_row(source: Source, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(source.text, at)
    except _Refused as error:
        spots = [spot.start() for spot in re.compile(error.pattern).finditer(source.text, at)]
        spot = spots[error.occurrence - 1] if len(spots) >= error.occurrence else at
        finding = _json_finding(source, spot, error.reason, error.advice)
    except (ValueError, RecursionError) as error:
        # Nothing of the library's text: it may quote the file.
        finding = _json_finding(source, getattr(error, "pos", at), _("This is not JSON."))
    raise BadFileError(finding) from None


def _json_row(source: Source, line: int, path: str, content: Any, findings: Findings, schema: Schema) -> Row | None:
    place = Place(source.name, line, 0, path)
    if not isinstance(content, dict):
        findings.add(Finding(place, _("This is no object."), _("Write each row as {“field”: “value”}.")))
        return None
    known = _("Fields may be: %(names)s.") % {"names": ", ".join(schema.fields)}
    if not content.keys() <= set(schema.fields):
        findings.add(Finding(place, _("A field's name is not known."), known))
        return None
    for name in sorted(schema.required - content.keys()):
        findings.add(Finding(place, _("A field is missing."), known, name))
    for name, value in content.items():
        if any(_SURROGATE.search(text) for text in _texts(value)):
            reason, advice = _("There is half of a surrogate pair, which is no character."), _("Remove it.")
            findings.add(Finding(Place(source.name, line, 0, f"{path}.{name}"), reason, advice, name))
            return None
    return Row(source.name, line, content, path) if schema.required <= content.keys() else None


def _texts(value: Any) -> Iterable[str]:
    parts = value if isinstance(value, list) else [value]
    return [part for part in parts if isinstance(part, str)]


def _check_end(source: Source, at: int, *, wrapped: bool) -> None:
    """Refuse anything after the list. Raises BadFileError."""
    at = _skip(source.text, at)
    if wrapped:
        if source.text[at : at + 1] != "}":
            raise BadFileError(_json_finding(source, at, _("The object must end after its list.")))
        at = _skip(source.text, at + 1)
    if at < len(source.text):
        raise BadFileError(_json_finding(source, at, _("There is something after the end.")))


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _json_finding(source: Source, at: int, reason: str, advice: str = "") -> Finding:
    line, column = source.text.count("\n", 0, at) + 1, at - source.text.rfind("\n", 0, at)
    return Finding(Place(source.name, line, column), reason, advice or _("Check the JSON there."))


# --- Both -----------------------------------------------------------------------------------------------------------
def _keep_rows(source: Source, line: int, count: int, limits: Limits) -> None:
    if count > limits.rows:
        reason = _("There are more than %(limit)d rows.") % {"limit": limits.rows}
        advice = _("Split the file, and import the parts one after the other.")
        raise BadFileError(Finding(Place(source.name, line), reason, advice))

"""Writers of what an import reads again: CSV and JSON of a schema."""

import csv
import json
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from .rows import Schema

#: Stands in a file for what is stored and not shown: an import keeps it.
STORED = "stored"


class Output(Protocol):
    """Where an export is written to."""

    def write(self, text: str, /) -> Any:
        """Write a text as it is."""


def write_csv(out: Output, schema: Schema, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a header and a line for each row; everything is quoted, lists are names with blanks between.

    Texts are written as they are, or an import would not read them again: a name that begins like a formula is one to
    a spreadsheet.
    """
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(schema.fields)
    for row in rows:
        writer.writerow([_cell(row.get(name, "")) for name in schema.fields])


def write_json(out: Output, schema: Schema, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write `{"LIST NAME": [...]}`, an object a line."""
    out.write(f'{{"{schema.list_name}": [')
    for number, row in enumerate(rows):
        out.write(",\n " if number else "\n ")
        out.write(json.dumps(row, ensure_ascii=False))
    out.write("\n]}\n")


def _cell(value: Any) -> str:
    return " ".join(value) if isinstance(value, list) else str(value)


WRITERS = {"csv": write_csv, "json": write_json}

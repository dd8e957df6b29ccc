"""CSV that a spreadsheet program shows and never runs."""

import csv
import io
from collections.abc import Iterable, Iterator

#: A cell that begins so is a formula to one program or another; the wide forms are read as the narrow ones.
_FORMULA_STARTS = frozenset("=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20")


def safe_cell(value: object) -> str:
    """Return a value's text, behind an apostrophe if a spreadsheet could take it for a formula.

    OWASP ASVS 5.0, 1.2.10 (https://github.com/OWASP/ASVS); white space before the sign is skipped here as programs do.
    """
    text = str(value)
    return f"'{text}" if text[:1] in _FORMULA_STARTS or text.lstrip()[:1] in _FORMULA_STARTS else text


def csv_lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield each row as one record of CSV, every cell quoted and safe."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    for row in rows:
        writer.writerow([safe_cell(value) for value in row])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()

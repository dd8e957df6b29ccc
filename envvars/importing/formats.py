"""The files that variables come in: CSV and JSON of our schema, and .env files by python-dotenv's rules."""

import io
from collections.abc import Callable, Iterator

from django.utils.translation import gettext as _
from dotenv.parser import Binding, parse_stream
from dotenv.variables import Variable, parse_variables

from crewadmin.importing.findings import BadFileError, Finding, Findings, Place
from crewadmin.importing.rows import Row, Schema, read_csv, read_json
from crewadmin.importing.source import Limits, Source

#: The columns of an export too. `value` is a direct value, or the word that keeps the one there is.
_FIELDS = ("key", "source", "value", "secret_name", "version_stage", "automations", "acknowledged")
SCHEMA = Schema("variables", _FIELDS, frozenset({"key"}))

Reader = Callable[[Source, Limits, Findings], Iterator[Row]]


def _csv(source: Source, limits: Limits, findings: Findings) -> Iterator[Row]:
    return read_csv(source, limits, findings, SCHEMA)


def _json(source: Source, limits: Limits, findings: Findings) -> Iterator[Row]:
    return read_json(source, limits, findings, SCHEMA)


def read_dotenv(source: Source, limits: Limits, findings: Findings) -> Iterator[Row]:
    """Yield the assignments of a .env file.

    `${NAME}` stands for a value further up in the file, never for one of this process's own environment. All values
    together are no longer than a file may be, whatever they refer to.
    """
    values: dict[str, str] = {}
    length = 0
    for binding in parse_stream(io.StringIO(source.text, newline="")):
        place = Place(source.name, _line_of(binding))
        if binding.error:
            reason = _("This is no assignment, or its quote is never closed.")
            findings.add(Finding(place, reason, _("Write KEY=value; put a value of several lines in quotes.")))
        elif binding.key is not None and binding.value is None:
            findings.add(Finding(place, _("There is no “=” after the key."), _("Write KEY=value.")))
        elif binding.key is not None and binding.value is not None:
            if len(values) >= limits.rows:
                reason = _("There are more than %(limit)d rows.") % {"limit": limits.rows}
                raise BadFileError(Finding(place, reason, _("Split the file, and import the parts.")))
            value = _expanded(binding.value, values, place, findings, limits)
            if value is None:
                continue
            length += len(value)
            if length > limits.size:
                reason = _("The values are longer than a file may be, with what they refer to.")
                raise BadFileError(Finding(place, reason, _("Split the file, and import the parts.")))
            values[binding.key] = value
            yield Row(source.name, place.line, {"key": binding.key, "value": value, "source": "direct"})


def _line_of(binding: Binding) -> int:
    """Return the line of an assignment, which begins after the blank lines that came with it."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())]
    return int(binding.original.line) + len(blank.replace("\r\n", "\n").replace("\r", "\n").split("\n")) - 1


def _expanded(value: str, values: dict[str, str], place: Place, findings: Findings, limits: Limits) -> str | None:
    """Return a value with what it refers to filled in, or None and a finding."""
    if "${" not in value:
        return value
    parts, length = [], 0
    for atom in parse_variables(value):
        if isinstance(atom, Variable) and atom.name not in values and atom.default is None:
            reason = _("The value refers to a variable that is not further up in the file.")
            findings.add(Finding(place, reason, _("Write the value out; this machine's variables are not read.")))
            return None
        parts.append(atom.resolve(values))
        length += len(parts[-1])
        if length > limits.value:
            reason = _("The value is too long with what it refers to.")
            raise BadFileError(Finding(place, reason, _("Write the value out.")))
    return "".join(parts)


#: By the names that commands take.
FORMATS: dict[str, Reader] = {"csv": _csv, "json": _json, "env": read_dotenv}


def format_of(source: Source) -> str:
    """Return the format that a file has by its beginning: a bracket, or a header of ours; any other is a .env file."""
    start = source.text.lstrip()[:1]
    if start and start in "[{":
        return "json"
    header = source.text.partition("\n")[0].lower().replace('"', "").replace(";", ",").strip().split(",")
    return "csv" if "key" in (name.strip() for name in header) else "env"

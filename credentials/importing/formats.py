"""The files that credentials come in."""

import re
from collections.abc import Iterator, Sequence

from crewadmin.importing.findings import Findings
from crewadmin.importing.plan import Plan
from crewadmin.importing.rows import Row, Schema, read_csv, read_json
from crewadmin.importing.source import Limits, Source

from ..providers import PROVIDERS
from ..providers.aws.files import read_console, read_profiles

_SETTINGS = dict.fromkeys(name for provider in PROVIDERS.values() for name in provider.form.base_fields)
#: The columns of an export too.
SCHEMA = Schema("credentials", ("name", "provider", *_SETTINGS, "is_default"), frozenset({"name"}))
FORMATS = ("csv", "json", "console", "profiles")


def format_of(source: Source) -> str:
    """Return the format that a file has by its beginning."""
    text = source.text.lstrip()
    first = text.partition("\n")[0].lower()
    if text.startswith("{") or re.match(r"\[\s*[{\]]", text):
        return "json"
    if re.search(r"^\[[^\n]+\]\s*$", text, re.MULTILINE):
        return "profiles"
    is_console = "access key id" in first or first.startswith("awsaccesskeyid")
    return "console" if is_console else "csv"


def read(
    name: str, sources: Sequence[Source], limits: Limits, findings: Findings, plan: Plan, profiles: Sequence[str]
) -> Iterator[Row]:
    """Yield the rows of files in one of FORMATS. Raises BadFileError."""
    if name == "profiles":
        return read_profiles(sources, findings, plan.notes, profiles)
    if name == "console":
        return read_console(sources[0], limits, findings)
    return (read_json if name == "json" else read_csv)(sources[0], limits, findings, SCHEMA)

"""Whatever bytes a file holds, no reader of imports fails, hangs for a second, or grows.

2,000 files for each reader; `make fuzz` 100,000.
"""

import itertools
import os
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credentials.importing.formats import SCHEMA as CREDENTIALS
from credentials.importing.formats import format_of as credential_format
from credentials.providers.aws.files import read_console, read_profiles
from crewadmin.importing.findings import BadFileError, Findings
from crewadmin.importing.rows import Row, read_csv, read_json
from crewadmin.importing.source import Limits, Source, source_of
from envvars.importing.formats import SCHEMA as VARIABLES
from envvars.importing.formats import format_of, read_dotenv

LIMITS = Limits(size=100_000, rows=50)
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "2000"))

Reader = Callable[[Source, Findings], Iterator[Row]]
READERS: dict[str, Reader] = {
    "csv": lambda source, findings: read_csv(source, LIMITS, findings, VARIABLES),
    "json": lambda source, findings: read_json(source, LIMITS, findings, CREDENTIALS),
    "env": lambda source, findings: read_dotenv(source, LIMITS, findings),
    "console": lambda source, findings: read_console(source, LIMITS, findings),
    "profiles": lambda source, findings: read_profiles([source, source], findings, []),
}
#: Pieces of files, put together at random: far likelier to get past the first line than any bytes.
PIECES = {
    "csv": ["key", "value", "source", ",", ";", '"', "\n", "\r\n", "\r", "A", "é", " ", "\ufeff"],
    "json": [
        *'[]{},:" \n\\',
        '"credentials":',
        '"name"',
        '"\\ud800"',
        "NaN",
        "-Infinity",
        "1e999",
        "null",
        "true",
        "9" * 99,
    ],
    "env": ["A", "B", "=", "export ", "'", '"', "\\", "\n", "#", "${A}", "${A:-${B}}", "${", "}", "$", " ", "\r"],
    "console": ["Access key ID", "Secret access key", "User name", ",", ";", '"', "\n", "AWSAccessKeyId=", "x"],
    "profiles": [
        "[default]",
        "[profile a]",
        "[profile",
        "]",
        "[",
        "\n",
        " ",
        "=",
        "role_arn",
        "source_profile",
        "a",
        ":",
    ],
}


#: Of so many files one is read while its memory is counted, which takes several times as long.
COUNTED, MOST_BYTES = 20, 20_000_000


def files(name: str) -> Any:
    """Any bytes, any text, and pieces of the format."""
    pieces = st.lists(st.sampled_from(PIECES[name]), max_size=60).map(lambda parts: "".join(parts).encode())
    text = st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
    return st.one_of(pieces, pieces, text, st.binary(max_size=300))


@pytest.mark.parametrize("name", READERS)
def test_no_file_makes_a_reader_fail(name: str) -> None:
    number = itertools.count()

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(files(name))
    def read(data: bytes) -> None:
        began = time.process_time()
        findings = everything_read(name, data)
        took = time.process_time() - began
        assert all(finding.reason and finding.advice for finding in findings)
        assert took < 1 or quickest(lambda: everything_read(name, data)) < 1  # a machine may stand still once
        if next(number) % COUNTED == 0:
            assert peak_of(lambda: everything_read(name, data)) < MOST_BYTES

    read()


def everything_read(name: str, data: bytes) -> Findings:
    """Read a file to its end, as an import does that does not know its format; return what is wrong with it."""
    findings = Findings()
    try:
        source = source_of("file", data, LIMITS)
        assert format_of(source)
        assert credential_format(source)
        assert all(isinstance(row, Row) for row in READERS[name](source, findings))
    except BadFileError as error:
        findings.add(error.finding)
    return findings


def quickest(work: Callable[[], object]) -> float:
    """Return the least processor's time of three tries: other work on the machine makes it longer, never shorter."""
    times = []
    for _try in range(3):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def peak_of(work: Callable[[], object]) -> int:
    """Return the most bytes that Python had allocated during some work."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("csv", b"key\n" + b'"' * 90_000),
        ("csv", b"key" + b"," * 90_000),
        ("json", b'[{"name": "' + b"\\u0061" * 15_000),
        ("json", b"[" + b'{"name": "a"},' * 6_000),
        ("env", b"A=${A}${A}\n" * 8_000),
        ("env", b"A='" + b"\\'" * 40_000),
        ("env", b"A=xxxxxxxx\n" + b"".join(b"%c=${%c}${%c}${%c}\n" % (n + 1, n, n, n) for n in range(65, 90))),
        ("env", b"A=" + "😀".encode() * 23_000 + b"\n" + b"".join(b"B%d=%s\n" % (n, b"${A}" * 16) for n in range(49))),
        ("profiles", b"[a]\n" + b" = \n" * 20_000),
        ("profiles", b"".join(b"[p%d]\nrole_arn=x\nsource_profile=p%d\n" % (n, n + 1) for n in range(2_000))),
        ("console", b"Access key ID\n" + b"\n" * 90_000),
    ],
)
def test_what_grows_when_it_is_read_is_read_within_a_second(name: str, data: bytes) -> None:
    assert quickest(lambda: everything_read(name, data)) < 1
    assert peak_of(lambda: everything_read(name, data)) < MOST_BYTES

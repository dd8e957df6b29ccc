"""The writers: whatever a value holds, the reader of the format gets exactly it, and nothing is executed."""

import io
import json
import os
import subprocess
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crewadmin.redaction import Secret
from envvars.delivery.formats import FORMATS, as_dotenv, as_json, as_shell, write
from envvars.references import fits_environment

HOSTILE = [
    "",
    " ",
    "'",
    "''\"\"",
    '"double"',
    "back\\slash \\n \\' \\\" \\",
    "line\nbreak\n",
    "carriage\r\nreturn\r",
    "${HOME} $HOME $(HOME)",
    "${NOT_SET:-default}",
    "`touch x`",
    "$(touch x)",
    "'; touch x; '",
    '"; touch x; "',
    "x\nKEY_0=injected\nexport LD_PRELOAD=x",
    "! !! !$",
    "# comment # not",
    "  leading and trailing\t ",
    "Ünïcödé 密码 пароль",
    "🔑👩🏽‍💻",
    "%s %d %% {0} \\x41 \\101 \\u0041",
    "*?[a-z]~ & | ; < > ( ) { }",
    "\x01\x1b[31m\x7f\x85\u2028\ufeff",
    "$" * 5 + "{" * 3 + "}" * 3,
    "-----BEGIN KEY-----\nbWFkZSB1cA==\n-----END KEY-----\n",
]
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.text(
    "\\'\"$`{}()!#=:-~ \n\r\tnrux0A", max_size=30
)
MANY = st.lists(VALUES, min_size=1, max_size=10)


def sealed(values: list[str]) -> dict[str, Secret[str]]:
    return {f"KEY_{number}": Secret(value) for number, value in enumerate(values)}


def read_by_shell(shell: str, values: list[str], folder: Path) -> list[str]:
    """Let a shell evaluate what was written, in an empty folder, and print what it then has."""
    names = " ".join(f'"$KEY_{number}"' for number in range(len(values)))
    written = folder / "values.sh"
    written.write_bytes(as_shell(sealed(values)).encode())
    started = folder / "cwd"
    started.mkdir(exist_ok=True)
    answer = subprocess.run(
        [shell, "-c", f'eval "$(cat ../values.sh)" && printf "%s\\0" {names}'],
        cwd=started,
        env={"PATH": os.environ["PATH"], "HOME": "/somewhere", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=True,
    )
    assert answer.stderr == b""
    assert list(started.iterdir()) == [], "something was executed"
    return answer.stdout.decode().split("\0")[:-1]


def read_by_dotenv(values: list[str]) -> list[str | None]:
    read = dotenv_values(stream=io.StringIO(as_dotenv(sealed(values))), interpolate=True)
    assert len(read) == len(values)
    return [read[f"KEY_{number}"] for number in range(len(values))]


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_a_shell_reads_hostile_values_and_executes_none(shell: str, tmp_path: Path) -> None:
    assert read_by_shell(shell, HOSTILE, tmp_path) == HOSTILE


def test_a_naive_writer_would_not_pass_these_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envvars.delivery.formats.shlex.quote", lambda text: f'"{text}"')
    with pytest.raises(AssertionError, match="something was executed"):
        read_by_shell("dash", ["$(touch x)"], tmp_path)


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_a_shell_reads_any_value(shell: str, tmp_path: Path) -> None:
    @given(MANY)
    @settings(database=None, deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
    def round_trip(values: list[str]) -> None:
        assert read_by_shell(shell, values, tmp_path) == values

    round_trip()


def test_python_dotenv_reads_hostile_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert read_by_dotenv(HOSTILE) == HOSTILE


@given(MANY)
@settings(database=None, deadline=None, max_examples=300)
def test_python_dotenv_reads_any_value(values: list[str]) -> None:
    assert read_by_dotenv(values) == values


def test_python_dotenv_reads_them_from_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(as_dotenv(sealed(HOSTILE)).encode())
    assert list(dotenv_values(path).values()) == HOSTILE


def test_no_value_of_a_dotenv_file_begins_a_line() -> None:
    written = [line for line in as_dotenv(sealed(HOSTILE)).split("\n") if line]
    assert len(written) == len(HOSTILE)
    assert all(line.startswith("KEY_") for line in written)


@given(MANY)
@settings(database=None, deadline=None, max_examples=300)
def test_json_reads_any_value(values: list[str]) -> None:
    assert list(json.loads(as_json(sealed(values))).values()) == values


def test_json_reads_hostile_values() -> None:
    assert list(json.loads(as_json(sealed(HOSTILE))).values()) == HOSTILE


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_nothing_to_write_is_written_as_such(name: str) -> None:
    assert FORMATS[name]({}) in ("", "{}\n")


def test_the_hostile_values_are_ones_that_can_be_stored() -> None:
    assert all(fits_environment(value) for value in HOSTILE)

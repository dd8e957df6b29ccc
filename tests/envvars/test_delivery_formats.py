"""The writers: whatever a value holds, the reader of the format gets exactly it, and nothing is executed."""

import io
import json
from pathlib import Path

import pytest
import yaml
from dotenv import dotenv_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envvars.delivery.formats import (
    DOCKER_LINE,
    FORMATS,
    KUBERNETES_BYTES,
    CannotBeWrittenError,
    as_docker,
    as_dotenv,
    as_github_env,
    as_github_masks,
    as_kubernetes_secret,
    as_yaml,
    write,
)
from envvars.references import fits_environment

from .readers import (
    HOSTILE,
    READERS,
    docker,
    github_env,
    github_masks,
    misread,
    named,
    random_values,
    sealed,
    shell,
    written_for,
)

VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.text(
    "\\'\"$`{}()!#=:-~ \n\r\tnrux0A", max_size=30
)
MANY = st.lists(VALUES, min_size=1, max_size=10)
READER = pytest.mark.parametrize("reader", READERS)
#: How many random values each reader reads here; `python -m bench formats` takes 10,000.
RANDOM, AT_ONCE = 2_000, 500


# --- Every format in its reader -------------------------------------------------------------------------------------
@READER
def test_every_reader_gets_hostile_values_as_they_are(reader: str) -> None:
    wrong, refused = misread(reader, named(HOSTILE))
    assert wrong == 0
    assert refused == (8 if reader == "docker's rules" else 0)


@READER
def test_every_reader_gets_random_values_as_they_are(reader: str) -> None:
    values = random_values(RANDOM)
    for first in range(0, RANDOM, AT_ONCE):
        assert misread(reader, named(values[first : first + AT_ONCE]))[0] == 0


@READER
def test_every_reader_gets_any_value(reader: str) -> None:
    @given(MANY)
    @settings(database=None, deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
    def round_trip(values: list[str]) -> None:
        assert misread(reader, named(values))[0] == 0

    round_trip()


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_read_by_a_reader_here(name: str) -> None:
    assert name in {format_name for format_name, _read in READERS.values()} | {"github-masks"}


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_to_write_is_written_as_such(name: str) -> None:
    written = write(name, {}, "crew")
    assert written in ("", "{}\n") or yaml.safe_load(written)["data"] == {}


def test_the_hostile_values_are_ones_that_can_be_stored() -> None:
    assert len(HOSTILE) >= 20
    assert all(fits_environment(value) for value in HOSTILE)


# --- Shells ---------------------------------------------------------------------------------------------------------
def test_a_naive_writer_would_not_pass_these_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envvars.delivery.formats.shlex.quote", lambda text: f'"{text}"')
    with pytest.raises(AssertionError, match="something was executed"):
        shell("dash")(write("shell", sealed(named(["$(touch x)"])), "crew"))


# --- dotenv ---------------------------------------------------------------------------------------------------------
def test_python_dotenv_reads_them_from_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(as_dotenv(sealed(named(HOSTILE))).encode())
    assert list(dotenv_values(path).values()) == HOSTILE


def test_no_value_of_a_dotenv_file_begins_a_line() -> None:
    written = [line for line in as_dotenv(sealed(named(HOSTILE))).split("\n") if line]
    assert len(written) == len(HOSTILE)
    assert all(line.startswith("KEY_") for line in written)


def test_what_the_shell_has_does_not_get_into_a_dotenv_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    written = as_dotenv(sealed({"KEY": "${HOME} $HOME"}))
    assert dict(dotenv_values(stream=io.StringIO(written))) == {"KEY": "${HOME} $HOME"}


# --- YAML -----------------------------------------------------------------------------------------------------------
def test_keys_that_yaml_1_1_reads_as_something_else_stay_texts() -> None:
    keys = ["NO", "Y", "ON", "OFF", "NULL", "TRUE", "_1", "E1"]
    assert list(yaml.safe_load(as_yaml(sealed(dict.fromkeys(keys, "x"))))) == keys


def test_yaml_is_one_plain_line_for_each_variable() -> None:
    lines = as_yaml(sealed(named(HOSTILE))).splitlines()
    assert len(lines) == len(HOSTILE)
    assert all(line.isprintable() for line in lines)
    assert '"KEY_18": "Ünïcödé 密码 пароль"' in lines


# --- Docker ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("a\nLD_PRELOAD=/tmp/x.so", "line break"),
        ("a\r", "line break"),
        ("'quoted'", "quotes"),
        ('""', "quotes"),
        ("x" * (DOCKER_LINE - len("KEY=\n") + 1), "65,536 bytes"),
    ],
)
def test_docker_refuses_what_would_arrive_as_something_else(value: str, reason: str) -> None:
    with pytest.raises(CannotBeWrittenError) as refused:
        as_docker(sealed({"FINE": "fine", "KEY": value}))
    assert list(refused.value.reasons) == ["KEY"]
    assert reason in refused.value.reasons["KEY"]
    assert value not in f"{refused.value!r} {refused.value}"


def test_docker_s_longest_line_is_written() -> None:
    values = {"KEY": "x" * (DOCKER_LINE - len("KEY=\n"))}
    assert docker(as_docker(sealed(values))) == values


def test_docker_s_rules_here_find_an_injected_line() -> None:
    assert docker("KEY=a\nLD_PRELOAD=/tmp/x.so\n") != {"KEY": "a\nLD_PRELOAD=/tmp/x.so"}


# --- GitHub Actions -------------------------------------------------------------------------------------------------
def test_every_value_is_masked_whole_and_by_the_line() -> None:
    masked = github_masks(as_github_masks(sealed(named(HOSTILE))))
    assert {value for value in HOSTILE if value.strip()} <= masked
    assert {"-----BEGIN KEY-----", "bWFkZSB1cA==", "-----END KEY-----"} <= masked
    assert {"carriage", "return"} <= masked


def test_any_value_is_masked() -> None:
    values = random_values(RANDOM)
    masked = github_masks(as_github_masks(sealed(named(values))))
    assert {value for value in values if value.strip()} <= masked


def test_a_value_cannot_be_a_command_to_the_runner() -> None:
    written = as_github_masks(sealed(named(["x\n::set-output name=a::b", "%0A::stop-commands::t"])))
    assert all(line.startswith("::add-mask::") for line in written.splitlines())
    assert "%250A::stop-commands::t" in written


def test_a_value_cannot_end_itself_in_github_env() -> None:
    first = as_github_env(sealed({"KEY": "x"}))
    delimiter = first.splitlines()[0].split("<<")[1]
    value = f"x\n{delimiter}\nNODE_OPTIONS=--require=/tmp/x"
    assert github_env(as_github_env(sealed({"KEY": value}))) == {"KEY": value}


# --- Kubernetes -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("slug", "name"), [("invoice-crew", "invoice-crew"), ("My_Crew_", "my-crew"), ("___", "automation"), ("NO", "no")]
)
def test_a_kubernetes_secret_is_called_like_the_automation(slug: str, name: str) -> None:
    assert yaml.safe_load(as_kubernetes_secret(sealed({"KEY": "x"}), slug))["metadata"] == {"name": name}


def test_a_kubernetes_secret_is_refused_where_the_cluster_would() -> None:
    half = "x" * (KUBERNETES_BYTES // 2)
    assert as_kubernetes_secret(sealed({"A": half, "B": half}), "crew")
    with pytest.raises(CannotBeWrittenError) as refused:
        as_kubernetes_secret(sealed({"A": half, "B": half + "x"}), "crew")
    assert list(refused.value.reasons) == ["B"]


# --- What cannot be written -----------------------------------------------------------------------------------------
def test_all_that_a_format_cannot_hold_is_named_at_once() -> None:
    values = named(["a\nb", "fine", "'x'"])
    with pytest.raises(CannotBeWrittenError) as refused:
        write("docker", sealed(values), "crew")
    assert list(refused.value.reasons) == ["KEY_0", "KEY_2"]
    assert written_for("docker", values)[1] == {"KEY_1": "fine"}


def test_json_keeps_the_order_of_the_variables() -> None:
    assert list(json.loads(write("json", sealed({"B": "1", "A": "2"}), "crew"))) == ["B", "A"]

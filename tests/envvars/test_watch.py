"""A watched command: restarted with new values, signalled as if it stood alone, and its end is the end."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import IO

import pytest

from tests.environment import ROOT

#: Starts a watched command; a file beside it is what the vault would say: the value, or nothing while it is away.
WATCHER = """
import sys, time
from pathlib import Path
from envvars.delivery import watch
watch.GRACE = float(sys.argv[3])
vault, last = Path(sys.argv[2]), [Path(sys.argv[2]).read_text()]
def again():
    value = vault.read_text()
    if value == "slow":
        time.sleep(60)
    if value in ("", last[0]):
        return None
    last[0] = value
    return {"VALUE": value, "PATH": "/usr/bin:/bin"}
first = {"VALUE": last[0], "PATH": "/usr/bin:/bin"}
sys.exit(watch.end_like(watch.run_and_watch([sys.executable, "-c", sys.argv[1]], first, again, 0.1)))
"""
PRINTS = """
import os, signal, sys, time
def say(*words):
    os.write(1, f"{' '.join(map(str, words))}\\n".encode())
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, lambda got, _frame: (say("got", signal.Signals(got).name), ENDS))
say(os.environ["VALUE"], os.getpid())
while True:
    time.sleep(60)
"""
ENDING, STAYING = PRINTS.replace("ENDS", "sys.exit(7)"), PRINTS.replace("ENDS", "None")


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    path = tmp_path / "value"
    path.write_text("first")
    return path


def watched(script: str, vault: Path, grace: float = 10) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WATCHER, textwrap.dedent(script), str(vault), str(grace)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def line(process: "subprocess.Popen[str]") -> list[str]:
    out: IO[str] | None = process.stdout
    assert out
    return out.readline().split()


@pytest.mark.parametrize("code", [0, 3, 255])
def test_the_command_s_end_is_the_end_with_its_code(code: int, vault: Path) -> None:
    with watched(f"raise SystemExit({code})", vault) as process:
        assert process.wait(30) == code


def test_a_signal_that_kills_the_command_kills_the_watcher(vault: Path) -> None:
    for number in (signal.SIGKILL, signal.SIGTERM):
        with watched(f"import os; os.kill(os.getpid(), {int(number)})", vault) as process:
            assert process.wait(30) == -number


def test_a_changed_value_restarts_the_command_with_it(vault: Path) -> None:
    with watched(ENDING, vault) as process:
        value, first = line(process)
        assert value == "first"
        vault.write_text("second")
        assert line(process) == ["got", "SIGTERM"]
        value, second = line(process)
        assert (value, second != first) == ("second", True)
        process.send_signal(signal.SIGTERM)
        assert line(process) == ["got", "SIGTERM"]
        assert process.wait(30) == 7


def test_a_command_that_does_not_end_is_killed_and_started_again(vault: Path) -> None:
    with watched(STAYING, vault, grace=0.5) as process:
        first = line(process)
        vault.write_text("second")
        assert line(process) == ["got", "SIGTERM"]
        second = line(process)
        assert (first[0], second[0]) == ("first", "second")
        with pytest.raises(ProcessLookupError):
            os.kill(int(first[1]), 0)
        os.kill(int(second[1]), signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL


def test_nothing_is_restarted_while_the_values_are_the_same_or_cannot_be_had(vault: Path) -> None:
    with watched(ENDING, vault) as process:
        pid = line(process)[1]
        vault.write_text("")
        process.send_signal(signal.SIGUSR1)
        assert line(process) == ["got", "SIGUSR1"]
        assert process.wait(30) == 7
        assert process.stdout
        assert process.stdout.read() == ""
        assert pid.isdigit()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_command_even_while_a_vault_is_slow(number: signal.Signals, vault: Path) -> None:
    with watched(ENDING, vault) as process:
        line(process)
        vault.write_text("slow")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)  # it is asking by now
        process.send_signal(number)
        assert line(process) == ["got", number.name]
        assert process.wait(30) == 7


def test_who_asks_for_the_end_during_a_restart_gets_it(vault: Path) -> None:
    with watched(STAYING, vault, grace=3) as process:
        line(process)
        vault.write_text("second")
        assert line(process) == ["got", "SIGTERM"]  # the restart's
        process.send_signal(signal.SIGTERM)
        assert line(process) == ["got", "SIGTERM"]  # ours
        assert process.wait(30) == -signal.SIGKILL
        assert process.stdout
        assert process.stdout.read() == "", "it did not come back"


def test_an_ignored_signal_stays_ignored_as_under_nohup(vault: Path) -> None:
    script = "import signal; print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)"
    process = subprocess.run(
        ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", sys.executable, "-c", WATCHER, script, str(vault), "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert process.stdout == "True\n"

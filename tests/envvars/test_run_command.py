"""`manage.py run`: a command that has an automation's values in its environment, and nothing else of ours."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from credentials.models import Credential
from crewadmin.environment import OWN_NAMES
from envvars.management.commands.run import Command
from envvars.models import Automation, EnvironmentVariable
from organizations.models import AuditEvent, Organization
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import store_direct, store_reference
from tests.environment import VARIABLES
from tests.envvars.commands import manage, start

pytestmark = pytest.mark.django_db(transaction=True)
VALUES = (seed.OPENAI_KEY.value, "made-up-database-password", "made-up-direct-value")
# As the crew's own tool does it: it reports what it was given without giving it away.
FINGERPRINT = "import hashlib, os; print(hashlib.sha256(os.environ['API_KEY'].encode()).hexdigest())"


@pytest.fixture
def with_values(acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox) -> Automation:
    store_direct(acme, "DATABASE_URL", "made-up-direct-value", [crew])
    store_reference(acme, "API_KEY", seed.OPENAI_KEY.name, automations=[crew])
    store_reference(acme, "DB_PASSWORD", "database-credentials#password", aws_prod, [crew])
    return crew


def run(sandbox: Sandbox, *command: str) -> "subprocess.CompletedProcess[str]":
    return manage(sandbox, "run", "acme/invoice-crew", "--", *command)


def test_the_crew_s_tool_finds_the_vault_s_value_in_its_environment(with_values: Automation, sandbox: Sandbox) -> None:
    answer = run(sandbox, sys.executable, "-c", FINGERPRINT)
    assert answer.returncode == 0
    assert answer.stdout.strip() == hashlib.sha256(seed.OPENAI_KEY.value.encode()).hexdigest()
    assert answer.stderr == "variables: 3, secrets read: 2, problems: 0\n"
    assert AuditEvent.objects.get(action="automation:resolved").details["delivery"] == "run"


def test_after_a_rotation_the_next_run_has_the_new_value(with_values: Automation, sandbox: Sandbox) -> None:
    sandbox.put_secret(seed.OPENAI_KEY.name, "made-up-rotated")
    answer = run(sandbox, sys.executable, "-c", FINGERPRINT)
    assert answer.stdout.strip() == hashlib.sha256(b"made-up-rotated").hexdigest()


def test_the_command_gets_the_values_and_none_of_our_own_settings(with_values: Automation, sandbox: Sandbox) -> None:
    answer = run(sandbox, sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))")
    environment = json.loads(answer.stdout)
    assert environment["DB_PASSWORD"] == "made-up-database-password"
    assert environment["PATH"] == os.environ["PATH"]
    # The automation's own variable of that name, not the address of our database
    assert environment.pop("DATABASE_URL") == "made-up-direct-value"
    assert OWN_NAMES.isdisjoint(environment)
    for name in ("SECRET_KEY", "FERNET_KEYS"):
        assert VARIABLES[name] not in answer.stdout


def test_nothing_is_started_unless_every_variable_has_a_value(
    acme: Organization, with_values: Automation, sandbox: Sandbox, tmp_path: Path
) -> None:
    store_reference(acme, "NO_SECRET", "no/such-secret", automations=[with_values])
    answer = run(sandbox, "touch", str(tmp_path / "started"))
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "NO_SECRET (no/such-secret): Secret not found: no/such-secret." in answer.stderr
    assert "variables: 3, secrets read: 2, problems: 1" in answer.stderr
    assert "the command was not started" in answer.stderr
    assert not (tmp_path / "started").exists()
    for value in VALUES:
        assert value not in answer.stderr


@pytest.mark.parametrize("separator", [["--"], []])
def test_the_command_s_options_and_exit_code_are_its_own(
    separator: list[str], with_values: Automation, sandbox: Sandbox
) -> None:
    script = "import sys; print(sys.argv[1:]); sys.exit(7)"
    options = ["--verbosity", "3", "-v", "--help", "--traceback", "--", "--format=x", "a b", ""]
    answer = manage(sandbox, "run", "acme/invoice-crew", *separator, sys.executable, "-c", script, *options)
    assert answer.returncode == 7
    assert answer.stdout.strip() == str(options)


def test_django_s_own_options_behind_the_dashes_belong_to_the_command(
    with_values: Automation, sandbox: Sandbox
) -> None:
    options = ["--settings", "no.such.module", "--pythonpath", "/nowhere"]
    answer = run(sandbox, sys.executable, "-c", "import sys; print(sys.argv[1:])", *options)
    assert (answer.returncode, answer.stdout.strip()) == (0, str(options))


def test_the_command_takes_over_the_process_its_signals_and_its_input(
    with_values: Automation, sandbox: Sandbox
) -> None:
    script = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(42))\n"
        "print(os.getpid(), sys.stdin.readline().strip(), flush=True)\n"
        "signal.pause()\n"
    )
    process = start(sandbox, "run", "acme/invoice-crew", "--", sys.executable, "-c", script, stdin=subprocess.PIPE)
    with process:
        assert process.stdin
        assert process.stdout
        process.stdin.write("a line\n")
        process.stdin.flush()
        assert process.stdout.readline() == f"{process.pid} a line\n"
        command_line = Path(f"/proc/{process.pid}/cmdline").read_text()
        process.send_signal(signal.SIGTERM)
        _out, err = process.communicate(timeout=30)
    assert process.returncode == 42
    for value in VALUES:
        assert value not in command_line + err


def test_a_signal_that_ends_the_command_ends_the_process(with_values: Automation, sandbox: Sandbox) -> None:
    assert run(sandbox, "sh", "-c", "kill -9 $$").returncode == -signal.SIGKILL


def test_a_pipeline_in_the_command_ends_as_in_a_shell(with_values: Automation, sandbox: Sandbox) -> None:
    """Python ignores SIGPIPE; inherited, `yes` would complain about the broken pipe instead of ending."""
    answer = run(sandbox, "sh", "-c", "yes | head -n 1")
    assert (answer.returncode, answer.stdout) == (0, "y\n")
    assert "roken pipe" not in answer.stderr


def test_a_command_that_cannot_be_started_has_the_shell_s_exit_codes(
    with_values: Automation, sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "plain").write_text("no program")
    for command, code in (("no-such-command", 127), (str(tmp_path / "missing"), 127), (str(tmp_path / "plain"), 126)):
        answer = run(sandbox, command)
        assert (answer.returncode, answer.stdout) == (code, "")
        assert command in answer.stderr
        assert "Traceback" not in answer.stderr
        for value in VALUES:
            assert value not in answer.stderr


def test_without_a_command_nothing_is_resolved(with_values: Automation, sandbox: Sandbox) -> None:
    for arguments in (["acme/invoice-crew"], ["acme/invoice-crew", "--"]):
        with pytest.raises(CommandError, match="Name the command") as ended:
            call_command("run", *arguments)
        assert ended.value.returncode == 2
    answer = manage(sandbox, "run")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert sandbox.calls == []
    assert not AuditEvent.objects.filter(action="automation:resolved").exists()


def test_an_automation_that_is_not_there_starts_nothing(with_values: Automation, sandbox: Sandbox) -> None:
    answer = manage(sandbox, "run", "acme/no-such", "--", "echo", "started")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "There is no automation called “acme/no-such”." in answer.stderr


# --- What the command gets ------------------------------------------------------------------------------------------
ENVIRONMENT = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]
KEYS = {"API_KEY", "DATABASE_URL", "DB_PASSWORD"}


def test_only_the_named_variables_are_resolved_and_handed_over(with_values: Automation, sandbox: Sandbox) -> None:
    answer = manage(sandbox, "run", "--only", "DATABASE_URL,API_KEY", "acme/invoice-crew", "--", *ENVIRONMENT)
    assert set(json.loads(answer.stdout)) & KEYS == {"DATABASE_URL", "API_KEY"}
    assert answer.stderr == "variables: 2, secrets read: 1, problems: 0\n"
    assert AuditEvent.objects.get(action="automation:resolved").details["variables"] == 2


def test_a_problem_of_another_variable_does_not_stop_those_that_are_named(
    acme: Organization, with_values: Automation, sandbox: Sandbox
) -> None:
    store_reference(acme, "MISSING", "no/such-secret", automations=[with_values])
    assert run(sandbox, "true").returncode == 1
    assert manage(sandbox, "run", "--only", "API_KEY", "acme/invoice-crew", "--", "true").returncode == 0


@pytest.mark.parametrize(
    ("only", "code", "error"),
    [("NO_SUCH,API_KEY", 1, "has no variable called NO_SUCH."), ("", 2, "name a variable"), (" , ", 2, "name a var")],
)
def test_a_name_that_is_none_starts_nothing(
    only: str, code: int, error: str, with_values: Automation, sandbox: Sandbox
) -> None:
    answer = manage(sandbox, "run", "--only", only, "acme/invoice-crew", "--", "echo", "started")
    assert (answer.returncode, answer.stdout) == (code, "")
    assert error in answer.stderr
    assert sandbox.calls == []


def test_pristine_hands_over_the_values_and_nothing_else(with_values: Automation, sandbox: Sandbox) -> None:
    answer = manage(sandbox, "run", "--pristine", "acme/invoice-crew", "--", "env", "-0")
    assert {text.split("=")[0] for text in answer.stdout.split("\0")[:-1]} == KEYS


def test_keeping_the_parent_s_is_what_happens_anyway(with_values: Automation, sandbox: Sandbox) -> None:
    kept = manage(sandbox, "run", "--keep-parent", "acme/invoice-crew", "--", *ENVIRONMENT)
    assert json.loads(kept.stdout) == json.loads(run(sandbox, *ENVIRONMENT).stdout)
    both = manage(sandbox, "run", "--keep-parent", "--pristine", "acme/invoice-crew", "--", "true")
    assert both.returncode == 2


def test_options_may_stand_behind_the_automation_too(with_values: Automation, sandbox: Sandbox) -> None:
    answer = manage(sandbox, "run", "acme/invoice-crew", "--only", "API_KEY", "--pristine", "--", "env", "-0")
    assert [text.split("=")[0] for text in answer.stdout.split("\0")[:-1]] == ["API_KEY"]
    wrong = manage(sandbox, "run", "acme/invoice-crew", "--olny", "API_KEY", "--", "true")
    assert wrong.returncode == 2
    assert "--olny" in wrong.stderr


def test_a_refused_name_that_was_stored_before_starts_nothing(
    acme: Organization, with_values: Automation, sandbox: Sandbox
) -> None:
    EnvironmentVariable.objects.filter(key="DATABASE_URL").update(key="LD_PRELOAD")
    answer = run(sandbox, "echo", "started")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "LD_PRELOAD: A variable of this name is not delivered." in answer.stderr


# --- Watching -------------------------------------------------------------------------------------------------------
WAITING = "import os, time; print(os.environ['API_KEY'], flush=True); time.sleep(60)"


def test_a_rotated_secret_restarts_a_watched_command(with_values: Automation, sandbox: Sandbox) -> None:
    options = ["--watch", "--interval", "1", "--only", "API_KEY"]
    process = start(sandbox, "run", *options, "acme/invoice-crew", "--", sys.executable, "-c", WAITING)
    with process:
        assert process.stdout
        assert process.stdout.readline() == f"{seed.OPENAI_KEY.value}\n"
        sandbox.put_secret(seed.OPENAI_KEY.name, "made-up-rotated")
        assert process.stdout.readline() == "made-up-rotated\n"
        sandbox.delete_secret(seed.OPENAI_KEY.name)
        assert process.stderr
        said = [process.stderr.readline()]
        while "runs on" not in said[-1]:
            said.append(process.stderr.readline())
        process.send_signal(signal.SIGTERM)
        _out, _err = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM
    assert "A value has changed; the command is started again.\n" in said
    assert any("API_KEY (crewai/openai-api-key): " in line for line in said)
    for value in (*VALUES, "made-up-rotated"):
        assert value not in "".join(said)


@pytest.mark.parametrize("interval", ["0", "-1", "x", "1.5", "99999999999999", "000086400999", "86401", "\u0661"])
def test_an_interval_is_a_number_of_seconds(interval: str) -> None:
    parser = Command().create_parser("manage.py", "run")
    with pytest.raises(CommandError, match="seconds from 1 to 86400"):
        parser.parse_args(["--watch", f"--interval={interval}", "acme/invoice-crew", "--", "true"])


def test_a_watched_command_that_is_not_there_has_the_shell_s_exit_code(
    with_values: Automation, sandbox: Sandbox
) -> None:
    answer = manage(sandbox, "run", "--watch", "acme/invoice-crew", "--", "no-such-command")
    assert (answer.returncode, answer.stdout) == (127, "")
    assert "Traceback" not in answer.stderr

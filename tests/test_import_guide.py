"""docs/import.md: every file and every command in it does what it says."""

import io
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from credentials.management.commands.import_credentials import Command as ImportCredentials
from credentials.models import Credential
from crewadmin.settings import BASE_DIR
from envvars.management.commands.import_envvars import Command as ImportVariables
from organizations.models import Organization
from sandbox.aws import Sandbox
from tests.builders import store_automation

pytestmark = pytest.mark.django_db
BLOCK = re.compile(r"^```(file|console) ?(\S*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks() -> list[tuple[str, str, str]]:
    return BLOCK.findall((BASE_DIR / "docs" / "import.md").read_text())


def run(line: str) -> tuple[str, int]:
    """Run a command as a shell would; return what it writes, and its exit code."""
    out = io.StringIO()
    try:
        call_command(*shlex.split(line)[1:], stdout=out, stderr=out)
    except SystemExit as ended:
        return out.getvalue(), int(ended.code or 0)
    return out.getvalue(), 0


def test_every_example_of_the_guide_does_what_it_says(
    acme: Organization, aws_prod: Credential, sandbox: Sandbox, tmp_path: Path, monkeypatch: Any
) -> None:
    store_automation(acme)
    monkeypatch.chdir(tmp_path)
    commands = code = 0
    for kind, name, text in blocks():
        if kind == "file":
            Path(name).write_text(text)
            Path(name).chmod(0o600)
            continue
        for step in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            line, _end, expected = step.partition("\n")
            if line == "echo $?":
                assert expected == f"{code}\n"
                code = 0
            else:
                assert code == 0, "the guide shows the exit code of a command that fails"
                out, code = run(line)
                assert out == expected, line
                commands += 1
    assert commands == 17


def test_every_option_of_the_commands_is_in_the_guide() -> None:
    text = (BASE_DIR / "docs" / "import.md").read_text()
    parser = ImportCredentials().create_parser("manage.py", "import_credentials")
    own = {
        option
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--") and action.dest not in DJANGO_S_OWN
    }
    assert {option for option in own if option not in text} == set()


@pytest.mark.parametrize("command", [ImportCredentials, ImportVariables])
def test_every_format_of_the_commands_is_in_the_guide_and_every_option_in_their_help(command: Any) -> None:
    parser = command().create_parser("manage.py", "import")
    assert f"`--format {'|'.join(command.formats)}`" in (BASE_DIR / "docs" / "import.md").read_text()
    assert [action.dest for action in parser._actions if not action.help] == []


DJANGO_S_OWN = {"help", "version", "verbosity", "settings", "pythonpath", "traceback", "no_color", "force_color"} | {
    "skip_checks"
}

"""docs/import.md: every file and every command in it does what it says."""

import io
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from credentials.models import Credential
from crewadmin.settings import BASE_DIR
from organizations.models import Organization
from tests.builders import store_automation

pytestmark = pytest.mark.django_db
BLOCK = re.compile(r"^```(file|console) ?(\S*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks() -> list[tuple[str, str, str]]:
    return BLOCK.findall((BASE_DIR / "docs" / "import.md").read_text())


def test_every_example_of_the_guide_does_what_it_says(
    acme: Organization, aws_prod: Credential, tmp_path: Path, monkeypatch: Any
) -> None:
    store_automation(acme)
    monkeypatch.chdir(tmp_path)
    commands = 0
    for kind, name, text in blocks():
        if kind == "file":
            Path(name).write_text(text)
            Path(name).chmod(0o600)
            continue
        for step in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            line, _end, expected = step.partition("\n")
            out = io.StringIO()
            call_command(*shlex.split(line)[1:], stdout=out, stderr=io.StringIO())
            assert out.getvalue() == expected, line
            commands += 1
    assert commands == 9


def test_every_option_of_the_commands_is_in_the_guide() -> None:
    from credentials.management.commands.import_credentials import Command

    text = (BASE_DIR / "docs" / "import.md").read_text()
    parser = Command().create_parser("manage.py", "import_credentials")
    own = {
        option
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--") and action.dest not in DJANGO_S_OWN
    }
    assert {option for option in own if option not in text} == set()


DJANGO_S_OWN = {"help", "version", "verbosity", "settings", "pythonpath", "traceback", "no_color", "force_color"} | {
    "skip_checks"
}

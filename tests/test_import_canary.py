"""What a file to import holds shows up nowhere: not in output, report, plan, log, SQL log, audit or process list.

For both commands, every reader, files that are good and files that are not.
"""

import io
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credentials.models import Credential
from envvars.models import EnvironmentVariable
from organizations.models import AuditEvent, Organization
from sandbox.aws import Sandbox
from tests.envvars.commands import start

CANARY = "made+up/canary/of/imports/1234567890abcd"
KEY_ID = "AKIAREADER2222222222"
PAIR = f"aws_access_key_id = {KEY_ID}\naws_secret_access_key = {CANARY}\n"
VARIABLES, CREDENTIALS = "import_envvars", "import_credentials"


class File(NamedTuple):
    """A file to import: by which command and reader, whether it is good, what it holds, and options it needs."""

    command: str
    format: str
    is_good: bool
    content: str
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.command} {self.format} {'good' if self.is_good else 'bad'}"


CONSOLE = ("--region", "eu-central-1", "--name", "console")
PROFILES = ("--region", "eu-central-1")
FILES = [
    File(VARIABLES, "csv", True, f"key,value\nA,{CANARY}\n"),
    File(VARIABLES, "csv", False, f"key,value\n{CANARY},1\nA,1,{CANARY}\nB,{CANARY}\nB,{CANARY}\n"),
    File(VARIABLES, "csv", False, f"key,{CANARY}\nA,1\n"),
    File(VARIABLES, "csv", False, f'key,value\nA,"{CANARY}\n'),
    File(VARIABLES, "csv", False, f"key,source,value,secret_name\nA,{CANARY},,\nB,provider_default:aws,,{CANARY}\n"),
    File(VARIABLES, "json", True, f'[{{"key": "A", "value": "{CANARY}"}}]'),
    File(VARIABLES, "json", False, f'[{{"key": "{CANARY}"}}, {{"{CANARY}": "1", "key": "A"}}, "{CANARY}"]'),
    File(VARIABLES, "json", False, f'[{{"key": "A", "value": "{CANARY}", "value": "{CANARY}"}}]'),
    File(VARIABLES, "json", False, f'[{{"key": "A", "value": "{CANARY}" {CANARY}'),
    File(VARIABLES, "env", True, f"A={CANARY}\nB=${{A}}\n"),
    File(VARIABLES, "env", False, f"A={CANARY}\n{CANARY}\nB=${{{CANARY}}}\nC='{CANARY}\n"),
    File(CREDENTIALS, "csv", True, f"name,region,access_key_id,secret_access_key\na,eu-central-1,{KEY_ID},{CANARY}\n"),
    File(CREDENTIALS, "csv", False, f"name,region,access_key_id,secret_access_key\na,{CANARY},{CANARY},{CANARY}\n"),
    File(CREDENTIALS, "csv", False, f"name,provider,is_default\na,{CANARY},\nb,aws,{CANARY}\n"),
    File(
        CREDENTIALS,
        "json",
        True,
        f'[{{"name": "a", "region": "eu-central-1", "access_key_id": "{KEY_ID}", "secret_access_key": "{CANARY}"}}]',
    ),
    File(CREDENTIALS, "json", False, f'[{{"name": "a", "region": "{CANARY}", "secret_access_key": ["{CANARY}"]}}]'),
    File(CREDENTIALS, "console", True, f"Access key ID,Secret access key\n{KEY_ID},{CANARY}\n", CONSOLE),
    File(CREDENTIALS, "console", False, f"Access key ID,Secret access key\n{CANARY},{KEY_ID}\n", CONSOLE),
    File(CREDENTIALS, "console", False, f"AWSAccessKeyId={KEY_ID}\nAWSSecretKey={CANARY}\n", CONSOLE),
    File(CREDENTIALS, "profiles", True, f"[default]\n{PAIR}", PROFILES),
    File(CREDENTIALS, "profiles", False, f"[default]\n{PAIR}aws_session_token = {CANARY}\n[b]\n{CANARY}\n", PROFILES),
    File(CREDENTIALS, "profiles", False, f"[default]\n{PAIR}{PAIR}", PROFILES),
]


@pytest.fixture
def on_disk(tmp_path: Path) -> Callable[[File], str]:
    def written(file: File) -> str:
        path = tmp_path / "file"
        path.write_text(file.content)
        path.chmod(0o600)
        return str(path)

    return written


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """All loggers at their most talkative, SQL among them."""
    sql = logging.getLogger("django.db.backends")
    sql.addHandler(caplog.handler)
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, logger="django.db.backends"):
        yield caplog
    sql.removeHandler(caplog.handler)


def said(*arguments: str) -> tuple[int, str]:
    """Run a command here; return its exit code and all that it wrote."""
    out = io.StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=out)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    except CommandError as error:
        return error.returncode, out.getvalue() + str(error)
    return 0, out.getvalue()


@pytest.mark.django_db
@pytest.mark.parametrize("file", FILES, ids=str)
def test_no_secret_of_a_file_shows_up(
    file: File,
    acme: Organization,
    on_disk: Callable[[File], str],
    tmp_path: Path,
    everything_logged: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = tmp_path / "plan.json"
    common = (file.command, on_disk(file), "--org", "acme", "--format", file.format, *file.options)
    with CaptureQueriesContext(connection) as queries:
        planned = said(*common, "--plan-out", str(plan))
        reported = said(*common, "--json")
        applied = said(*common, "--apply", "--json")
    assert [code for code, _text in (planned, reported, applied)] == [0 if file.is_good else 1] * 3
    if file.is_good:
        stored = [one.value for one in EnvironmentVariable.objects.all()]
        stored += [one.secrets for one in Credential.objects.all()]
        assert CANARY in str([one.reveal() for one in stored]), "it did arrive"
    captured = capsys.readouterr()
    places = {
        "output": planned[1],
        "reports": reported[1] + applied[1],
        "plan": plan.read_text() if file.is_good else "none",
        "streams": f"{captured.out}{captured.err}.",
        "log": everything_logged.text + str([record.args for record in everything_logged.records]),
        "SQL": str(queries.captured_queries),
        "audit": str(list(AuditEvent.objects.values())),
    }
    assert all(places.values())
    assert "SELECT" in everything_logged.text, "SQL is in the log"
    assert [place for place, text in places.items() if CANARY in text] == []


@pytest.mark.django_db
def test_a_secret_in_a_name_is_found_where_names_are_told(
    acme: Organization,
    on_disk: Callable[[File], str],
    tmp_path: Path,
    everything_logged: pytest.LogCaptureFixture,
) -> None:
    """So the test above can fail: what is no secret to the import is in every place that it searches."""
    plan, canary = tmp_path / "plan.json", "MADE_UP_CANARY"
    common = (VARIABLES, on_disk(File(VARIABLES, "csv", True, f"key,value\n{canary},1\n")), "--org", "acme")
    with CaptureQueriesContext(connection) as queries:
        planned = said(*common, "--plan-out", str(plan))
        applied = said(*common, "--apply", "--json")
    log = everything_logged.text + str([record.args for record in everything_logged.records])
    audit = str(list(AuditEvent.objects.values()))
    places = {"output": planned[1], "report": applied[1], "plan": plan.read_text(), "log": log, "audit": audit}
    places["SQL"] = str(queries.captured_queries)
    assert [place for place, text in places.items() if canary not in text] == []


def process_list(pid: int) -> str:
    """Return the command lines and environments of a process and of its children, as other programs may read them."""
    texts = []
    for process in [pid, *children(pid)]:
        for name in ("cmdline", "environ"):
            try:
                texts.append(Path(f"/proc/{process}/{name}").read_bytes().decode(errors="replace"))
            except OSError:
                continue  # it ended meanwhile
    return "\n".join(texts)


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("file", [file for file in FILES if file.is_good], ids=str)
def test_no_secret_is_in_the_process_list_while_a_file_is_imported(
    file: File, acme: Organization, sandbox: Sandbox, on_disk: Callable[[File], str]
) -> None:
    seen, control = set(), "planted-as-an-import-name"
    options = ("--format", file.format, *file.options, "--apply", "--import-name", control)
    with start(sandbox, file.command, on_disk(file), "--org", "acme", *options) as process:
        while process.poll() is None:
            seen.add(process_list(process.pid))
            time.sleep(0.02)
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert any(control in text and "FERNET_KEYS=" in text for text in seen), "what is an argument is found"
    assert not any(CANARY in text for text in [*seen, out, err])

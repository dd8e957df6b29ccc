"""`manage.py resolve`: an automation's values on standard output, all or nothing."""

import io
import json
import subprocess
from collections.abc import Callable

import pytest
from dotenv import dotenv_values

from credentials.models import Credential
from credentials.providers.failures import FailureCode
from envvars.models import Automation
from envvars.presentation import problem_line
from envvars.resolving import Problem
from organizations.models import AuditEvent, Organization
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import store_direct, store_reference
from tests.envvars.commands import manage
from tests.envvars.readers import github_env, kubernetes, python_yaml

pytestmark = pytest.mark.django_db(transaction=True)
CERTIFICATE = "-----BEGIN-----\n$HOME ${HOME} `id` \"'\\\n-----END-----\n"
VALUES = {
    "API_KEY": seed.OPENAI_KEY.value,
    "CERTIFICATE": CERTIFICATE,
    "DB_OPTIONS": '{"sslmode":"require","pool":{"size":10}}',
    "DB_PASSWORD": "made-up-database-password",
}


@pytest.fixture
def with_values(acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox) -> Automation:
    store_direct(acme, "CERTIFICATE", CERTIFICATE, [crew])
    store_reference(acme, "API_KEY", seed.OPENAI_KEY.name, automations=[crew])
    store_reference(acme, "DB_PASSWORD", "database-credentials#password", aws_prod, [crew])
    store_reference(acme, "DB_OPTIONS", "database-credentials#options", aws_prod, [crew])
    return crew


def _dotenv(text: str) -> dict[str, str | None]:
    return dict(dotenv_values(stream=io.StringIO(text)))


def _shell(text: str) -> dict[str, str | None]:
    script = 'eval "$(cat)"; printf "%s\\0" ' + " ".join(f'"${key}"' for key in VALUES)
    answer = subprocess.run(["dash", "-c", script], input=text, capture_output=True, text=True, check=True)
    return dict(zip(VALUES, answer.stdout.split("\0"), strict=False))


@pytest.mark.parametrize(
    ("options", "read"),
    [
        ([], _dotenv),
        (["--format", "json"], json.loads),
        (["--format", "shell"], _shell),
        (["--format", "yaml"], python_yaml),
        (["--format", "github-env"], github_env),
        (["--format", "kubernetes"], kubernetes),
    ],
    ids=lambda options: str(options[-1]) if isinstance(options, list) and options else "",
)
def test_each_format_is_read_by_its_own_reader(
    options: list[str], read: Callable[[str], dict[str, str]], with_values: Automation, sandbox: Sandbox
) -> None:
    answer = manage(sandbox, "resolve", "acme/invoice-crew", *options)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert read(answer.stdout) == VALUES
    assert [call.action for call in sandbox.calls].count("GetSecretValue") == 2
    event = AuditEvent.objects.get(action="automation:resolved")
    assert event.details == {"delivery": options[-1] if options else "dotenv", "variables": 4, "problems": []}


def test_nothing_is_written_unless_every_variable_has_a_value(
    acme: Organization, with_values: Automation, sandbox: Sandbox
) -> None:
    store_reference(acme, "NO_SECRET", "no/such-secret", automations=[with_values])
    store_reference(acme, "NO_KEY", "database-credentials#pasword", automations=[with_values])
    answer = manage(sandbox, "resolve", str(with_values.uuid), "--format", "json")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "NO_SECRET (no/such-secret): Secret not found: no/such-secret." in answer.stderr
    assert "NO_KEY (database-credentials#pasword): JSON key not found in database-credentials." in answer.stderr
    assert "Keys: options, password, port, username." in answer.stderr
    assert "2 of 6 variables have no value; nothing was written." in answer.stderr
    for value in VALUES.values():
        assert value not in answer.stderr


def test_a_value_that_the_format_cannot_hold_stops_the_writing(with_values: Automation, sandbox: Sandbox) -> None:
    answer = manage(sandbox, "resolve", "acme/invoice-crew", "--format", "docker")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "CERTIFICATE: a line of a Docker env file cannot hold a line break." in answer.stderr
    assert "1 of 4 values do not fit the format; nothing was written." in answer.stderr
    assert "BEGIN" not in answer.stderr


def test_without_a_credential_the_guide_s_words_are_used(
    acme: Organization, crew: Automation, sandbox: Sandbox
) -> None:
    store_reference(acme, "API_KEY", seed.OPENAI_KEY.name, automations=[crew])
    answer = manage(sandbox, "resolve", "invoice-crew")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "API_KEY (crewai/openai-api-key): No credential found." in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["no/such"], 1, "There is no automation called “no/such”."),
        (["acme/invoice-crew", "--format", "xml"], 2, "invalid choice"),
        ([], 2, "required: automation"),
    ],
)
def test_what_cannot_be_done_says_so_with_its_exit_code(
    arguments: list[str], code: int, error: str, crew: Automation, sandbox: Sandbox
) -> None:
    answer = manage(sandbox, "resolve", *arguments)
    assert (answer.returncode, answer.stdout) == (code, "")
    assert error in answer.stderr
    assert "Traceback" not in answer.stderr


def test_key_names_from_a_vault_cannot_command_the_terminal() -> None:
    problem = Problem("API_KEY", FailureCode.KEY_MISSING, "name#key", {"secret_name": "name"}, ("\x1b[2Jgone", "ok"))
    assert "\x1b" not in problem_line(problem)
    assert "\\x1b[2Jgone, ok" in problem_line(problem)

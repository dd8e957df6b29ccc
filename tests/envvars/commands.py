"""Start manage.py as an operator does: a process of its own, on the test's database and sandbox."""

import os
import subprocess
import sys
from typing import Any

from django.db import connection

from sandbox.aws import Sandbox
from tests.environment import ROOT, VARIABLES


def database_url() -> str:
    """The address of the database that the test writes to."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{settings['NAME']}"
    password = f":{settings['PASSWORD']}" if settings["PASSWORD"] else ""
    return f"postgres://{settings['USER']}{password}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"


def start(sandbox: Sandbox, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
    """Start `manage.py ARGUMENTS`; its environment holds what crewadmin needs and nothing of the test's."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment |= VARIABLES | {"DATABASE_URL": database_url(), "AWS_SANDBOX_URL": sandbox.url}
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def manage(sandbox: Sandbox, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `manage.py ARGUMENTS` to its end."""
    with start(sandbox, *arguments, stdin=subprocess.DEVNULL) as process:
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)

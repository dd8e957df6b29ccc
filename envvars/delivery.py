"""Write resolved values for whoever receives them: one writer per format, each for its own reader."""

import json
import os
import shlex
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from crewadmin.environment import OWN_NAMES
from crewadmin.redaction import Secret

Values = Mapping[str, Secret[str]]


def as_dotenv(values: Values) -> str:
    """Return the lines of a .env file, for readers that follow python-dotenv.

    Values stand in double quotes with backslash escapes. Readers expand `${NAME}` even there and know no escape for
    it, but do take a default for an unnamed variable: `${:-$}` is a dollar sign.
    """
    return "".join(f"{key}={_dotenv_quoted(value.reveal())}\n" for key, value in values.items())


def _dotenv_quoted(value: str) -> str:
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}
    return '"' + "".join(escapes.get(char, char) for char in value).replace("${", "${:-$}{") + '"'


def as_json(values: Values) -> str:
    """Return one JSON object."""
    return json.dumps({key: value.reveal() for key, value in values.items()}, ensure_ascii=False, indent=2) + "\n"


def as_shell(values: Values) -> str:
    """Return lines for `eval` in a POSIX shell: every value is one quoted word, in which nothing is expanded."""
    return "".join(f"export {key}={shlex.quote(value.reveal())}\n" for key, value in values.items())


FORMATS: Mapping[str, Callable[[Values], str]] = {"dotenv": as_dotenv, "json": as_json, "shell": as_shell}


def become(command: Sequence[str], values: Values) -> NoReturn:
    """Turn this process into a command that has the values in its environment; does not return.

    The command takes over the process id: signals reach it and its exit code is the caller's. It gets this process's
    environment without crewadmin's own settings, which hold the keys. Raises OSError if it cannot be started.
    """
    # Python ignores this signal, and what is ignored is inherited: a pipeline in the command would not end.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    inherited = {name: text for name, text in os.environ.items() if name not in OWN_NAMES}
    os.execvpe(command[0], list(command), inherited | {key: value.reveal() for key, value in values.items()})  # noqa: S606 - running the operator's command is the job

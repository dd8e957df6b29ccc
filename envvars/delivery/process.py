"""Give resolved values to a command as its environment."""

import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from typing import NoReturn

from crewadmin.environment import OWN_NAMES

from .formats import Values, revealed


def environment_with(values: Values, *, pristine: bool) -> dict[str, str]:
    """Return a command's environment: the values over what this process has, or the values alone if `pristine`.

    crewadmin's own settings, which hold the keys, are never among it.
    """
    inherited = {} if pristine else {name: text for name, text in os.environ.items() if name not in OWN_NAMES}
    return inherited | revealed(values)


def program_of(command: Sequence[str]) -> str:
    """Return the path of a command's program, found as this process finds programs, whatever the command's PATH is."""
    return shutil.which(command[0]) or command[0]


def become(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Turn this process into a command; does not return.

    The command takes over the process id: signals reach it and its exit code is the caller's. Raises OSError if it
    cannot be started.
    """
    # Python ignores this signal, and what is ignored is inherited: a pipeline in the command would not end.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execve(program_of(command), list(command), environment)  # noqa: S606 - running the operator's command is the job

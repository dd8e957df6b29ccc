"""Run a command, ask for its environment again from time to time, and restart it when a value has changed.

Signals that this process gets go on to the command, and its end is the end. Asking happens in a thread of its own, so
that a slow vault delays neither.
"""

import os
import queue
import select
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Thread
from time import monotonic

from .process import program_of

Environment = Mapping[str, str]
#: Asks for the environment again: None if it is as before, or cannot be had now.
Again = Callable[[], Environment | None]
#: Return the signals that arrived, waiting this many seconds for one at most.
WaitForSignals = Callable[[float], list[int]]

#: Seconds that a command has to end after SIGTERM before it is killed, when it is restarted.
GRACE = 10
#: Seconds between two looks at a thread that is asking.
_LOOK = 0.2
#: Signals that are passed on; those that ask for the end also stop a restart.
ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
PASSED_ON = ENDING | {signal.SIGUSR1, signal.SIGUSR2}
#: A terminal sends these to the whole foreground, the command included.
_TYPED = frozenset({signal.SIGINT, signal.SIGQUIT})


def run_and_watch(command: Sequence[str], environment: Environment, again: Again, seconds: float) -> int:
    """Run a command until it ends and return its code, negative for the signal that killed it.

    Every `seconds` the environment is asked for `again`; with a new one the command is ended and started again. Raises
    OSError if it cannot be started.
    """
    with _signals() as wait_for_signals:
        child, check = _start(command, environment), _Check(again, seconds)
        while child.poll() is None:
            for number in wait_for_signals(check.seconds_left()):
                _pass_on(child, number)
            changed = check.answer()
            if changed is not None and child.poll() is None:
                if _end(child, wait_for_signals):
                    break
                child = _start(command, changed)
        return child.wait()


def end_like(code: int) -> int:
    """Return the exit code of a command that ended with `code`, or end by the signal that ended it."""
    if code < 0:
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def _start(command: Sequence[str], environment: Environment) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(list(command), executable=program_of(command), env=environment)  # noqa: S603 - the operator's command


def _pass_on(child: "subprocess.Popen[bytes]", number: int) -> None:
    if number in PASSED_ON and not (number in _TYPED and _in_foreground()):
        child.send_signal(number)


def _in_foreground() -> bool:
    """Whether a terminal's keys signal this process, and with it the command."""
    try:
        with open("/dev/tty", "rb") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


def _end(child: "subprocess.Popen[bytes]", wait_for_signals: WaitForSignals) -> bool:
    """End a command; return whether somebody else asked for the end meanwhile, so that it must not come back."""
    asked, deadline = False, monotonic() + GRACE
    child.terminate()
    while child.poll() is None and (left := deadline - monotonic()) > 0:
        for number in wait_for_signals(left):
            asked = asked or number in ENDING
            _pass_on(child, number)
    if child.poll() is None:
        child.kill()
    child.wait()
    return asked


class _Check:
    """Asks again in a thread when it is time, one at a time."""

    def __init__(self, again: Again, seconds: float) -> None:
        self._again, self._seconds = again, seconds
        self._due, self._asking = monotonic() + seconds, False
        self._answers: queue.SimpleQueue[Environment | None] = queue.SimpleQueue()

    def seconds_left(self) -> float:
        """Return how long nothing needs to be done here."""
        return _LOOK if self._asking else max(0.0, self._due - monotonic())

    def answer(self) -> Environment | None:
        """Return a new environment as soon as there is one; ask when it is time."""
        if not self._asking and monotonic() >= self._due:
            self._asking = True
            Thread(target=self._ask, daemon=True).start()
        try:
            answer = self._answers.get_nowait()
        except queue.Empty:
            return None
        self._asking, self._due = False, monotonic() + self._seconds
        return answer

    def _ask(self) -> None:
        answer = None
        try:
            answer = self._again()
        finally:
            self._answers.put(answer)


@contextmanager
def _signals() -> Iterator[WaitForSignals]:
    """Catch the signals that are passed on, and the end of the command, while the block runs."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    # What was ignored (by nohup) stays so, for the command too.
    caught = [number for number in PASSED_ON | {signal.SIGCHLD} if signal.getsignal(number) != signal.SIG_IGN]
    handlers = {number: signal.signal(number, lambda *_: None) for number in caught}
    signal.set_wakeup_fd(write)

    def wait(seconds: float) -> list[int]:
        ready, _write, _error = select.select([read], [], [], seconds)
        return list(os.read(read, 1024)) if ready else []

    try:
        yield wait
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(read)
        os.close(write)

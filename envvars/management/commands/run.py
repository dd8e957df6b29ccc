"""`manage.py run [OPTIONS] AUTOMATION -- COMMAND ...`: start a command with an automation's values in its environment.

The command replaces this process: it receives the signals, and its exit code is the caller's. It is not started unless
every variable has a value. With --watch this process stays, asks for the values again from time to time and restarts
the command when one has changed; signals and the exit code are passed on. Exit codes of our own: 1 a variable has no
value, the automation or a key of --only was not found, or the automation is not deployed yet, 2 wrong usage, 126 the
command cannot be executed, 127 there is no such command. docs/delivery.md describes the options.
"""

import sys
from argparse import REMAINDER, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.core.checks import Tags
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections
from django.utils.translation import gettext as _

from envvars.delivery.process import become, environment_with
from envvars.delivery.watch import end_like, run_and_watch
from envvars.deployed import NotDeployedError
from envvars.kickoff import environment_for, mark_of, unknown_keys
from envvars.lookup import find_automation
from envvars.models import Automation
from envvars.presentation import problem_line
from envvars.resolving import Resolution

#: Seconds between two questions of --watch, unless --interval says otherwise.
INTERVAL = 60


class Command(BaseCommand):
    """Run a command with an automation's environment variables."""

    help = "Start a command with an automation's environment variables in its environment."
    # An automation waits for this process: the addresses of the web server are not loaded to be checked.
    requires_system_checks = (Tags.security,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what the command line takes."""
        _add_options(parser)
        parser.add_argument("automation", help="ORGANIZATION/AUTOMATION, its UUID, or a short name used only once")
        parser.add_argument("command", nargs=REMAINDER, metavar="-- COMMAND ...", help="what to start, after --")

    def handle(self, *args: Any, **options: Any) -> None:
        """Resolve all that is wanted; become the command if that went well, or run and watch it."""
        options |= _options_after_automation(options)
        command = options["command"]
        if not command:
            raise CommandError(_("Name the command to start after --."), returncode=2)
        automation = find_automation(options["automation"])
        _refuse_unknown(automation, options["only"])
        try:
            resolution = self._resolve(automation, options["only"])
        except NotDeployedError as error:
            raise CommandError(f"{error.title}. {error.detail}") from None
        if not resolution.ok:
            raise CommandError(_("A variable has no value; the command was not started."))
        environment = environment_with(resolution.values, pristine=options["pristine"])
        connections.close_all()
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            if options["watch"]:
                again = self._asks_again(automation, resolution, options)
                sys.exit(end_like(run_and_watch(command, environment, again, options["interval"])))
            become(command, environment)
        except OSError as error:
            code = 127 if isinstance(error, FileNotFoundError | NotADirectoryError) else 126
            raise CommandError(f"{command[0]}: {error.strerror}", returncode=code) from None

    def _resolve(self, automation: Automation, only: Sequence[str] | None) -> Resolution:
        resolution = environment_for(automation, "run", only=only)
        for problem in resolution.problems:
            self.stderr.write(problem_line(problem))
        self.stderr.write(
            _("variables: %(values)d, secrets read: %(secrets)d, problems: %(problems)d")
            % {
                "values": len(resolution.values),
                "secrets": resolution.secrets_read,
                "problems": len(resolution.problems),
            }
        )
        return resolution

    def _asks_again(
        self, automation: Automation, first: Resolution, options: Mapping[str, Any]
    ) -> Callable[[], dict[str, str] | None]:
        """Return what --watch calls, in a thread: the new environment if a value has changed and every one is there."""
        known = mark_of(automation, first)

        def again() -> dict[str, str] | None:
            nonlocal known
            try:
                resolution = environment_for(find_automation(str(automation.uuid)), "run", only=options["only"])
                mark = mark_of(automation, resolution)
            except NotDeployedError as error:
                self._say_it_runs_on(f"{error.title}.")
                return None
            except (CommandError, DatabaseError) as error:
                self._say_it_runs_on(type(error).__name__)
                return None
            finally:
                connections.close_all()
            if not resolution.ok:
                self._say_it_runs_on(*map(problem_line, resolution.problems))
                return None
            if mark == known:
                return None
            known = mark
            self.stderr.write(_("A value has changed; the command is started again."))
            return environment_with(resolution.values, pristine=options["pristine"])

        return again

    def _say_it_runs_on(self, *lines: str) -> None:
        for line in lines:
            self.stderr.write(line)
        self.stderr.write(_("The values could not be asked for again; the command runs on with those that it has."))


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--only", type=_keys, metavar="KEY[,KEY]", help="resolve and hand over these variables only")
    parent = parser.add_mutually_exclusive_group()
    parent.add_argument(
        "--keep-parent",
        action="store_true",
        help="hand over this process's environment too, without crewadmin's own settings (the default)",
    )
    parent.add_argument("--pristine", action="store_true", help="hand over the values and nothing else")
    parser.add_argument("--watch", action="store_true", help="restart the command when a value has changed")
    parser.add_argument(
        "--interval",
        type=_seconds,
        default=INTERVAL,
        metavar="SECONDS",
        help=f"with --watch: how often to ask for the values again (default: {INTERVAL})",
    )


def _keys(text: str) -> list[str]:
    keys = [key.strip() for key in text.split(",") if key.strip()]
    if not keys:
        raise ArgumentTypeError("name a variable")
    return keys


def _seconds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not 1 <= int(text) <= 86_400:
        raise ArgumentTypeError("a number of seconds from 1 to 86400")
    return int(text)


def _options_after_automation(options: Mapping[str, Any]) -> dict[str, Any]:
    """Take options that stand between the automation and the dashes; argparse leaves them to the command."""
    rest: list[str] = options["command"]
    if rest[:1] == ["--"] or not rest or not rest[0].startswith("-"):
        return {"command": rest[1:] if rest[:1] == ["--"] else rest}
    dashes = rest.index("--") if "--" in rest else len(rest)
    parser = ArgumentParser(prog="manage.py run", add_help=False, allow_abbrev=False)
    _add_options(parser)
    given = Namespace(**{name: options[name] for name in ("only", "keep_parent", "pristine", "watch", "interval")})
    return vars(parser.parse_args(rest[:dashes], given)) | {"command": rest[dashes + 1 :]}


def _refuse_unknown(automation: Automation, only: Sequence[str] | None) -> None:
    if unknown := unknown_keys(automation, only or ()):
        raise CommandError(_("The automation has no variable called %(keys)s.") % {"keys": ", ".join(unknown)})

"""What `import_credentials` and `import_envvars` share: arguments, plan files, questions, reports and exit codes."""

import json
import os
import sys
from argparse import ArgumentParser
from enum import IntEnum
from pathlib import Path
from typing import Any, ClassVar

from django.core.checks import Tags
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from crewadmin.importing.findings import BadFileError, Finding
from crewadmin.importing.plan import Action, OnConflict, Plan
from crewadmin.importing.source import COMMAND_LIMITS, STANDARD_INPUT, Limits, Source, read_source

from .importing import Choices, ConflictError, FaultyError, Import, MovedError
from .models import Organization

#: More lines than this are counted in a plan for people; `--plan-out` and `--json` have all.
MOST_LINES = 200
#: Rows between two plain lines of progress.
PLAIN_STEP = 10_000


class ExitCode(IntEnum):
    """How an import command ended."""

    DONE = 0
    FAULTY = 1
    USAGE = 2
    CONFLICT = 3
    MOVED = 4
    TEST_FAILED = 5


class ImportCommand(BaseCommand):
    """Plan an import, or apply it; a subclass says of what."""

    # The addresses of the web server are not loaded to be checked: they would take a seventh of the memory.
    requires_system_checks = (Tags.security,)
    #: What a plan file must be for.
    kind: ClassVar[str]
    formats: ClassVar[list[str]]

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what the command line takes. No value is ever an argument: other people's `ps` shows those."""
        parser.add_argument("file", help="the file to read; - reads standard input")
        parser.add_argument("--org", required=True, metavar="SLUG", help="the organization's short name")
        parser.add_argument("--format", choices=self.formats, default="", help="default: by what the file looks like")
        parser.add_argument("--import-name", default="", help="what its rows remember it by; default: the file's name")
        parser.add_argument(
            "--on-conflict",
            choices=list(OnConflict),
            type=OnConflict,
            default=OnConflict.FAIL,
            help="what becomes of rows that differ and are not this import's; default: fail",
        )
        parser.add_argument("--prune", action="store_true", help="remove what an earlier import of this name brought")
        parser.add_argument("--yes", action="store_true", help="do not ask before --prune removes")
        action = parser.add_mutually_exclusive_group()
        action.add_argument("--apply", action="store_true", help="do it; without this the plan is shown")
        action.add_argument("--apply-plan", metavar="PLAN", help="do it if it is still what this plan file says")
        parser.add_argument("--plan-out", metavar="PLAN", help="write the plan to this file; it holds no value")
        parser.add_argument("--max-rows", type=int, default=COMMAND_LIMITS.rows, help="default: %(default)s")
        parser.add_argument("--max-bytes", type=int, default=COMMAND_LIMITS.size, help="default: %(default)s")
        parser.add_argument("--json", action="store_true", help="write a report for programs")
        parser.add_argument("--quiet", action="store_true", help="write nothing but faults")

    def make_import(
        self, organization: Organization, source: Source, choices: Choices, limits: Limits, options: dict[str, Any]
    ) -> Import:
        """Return the import that the arguments ask for. Raises BadFileError, OSError."""
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        """Plan or apply, then report; the exit code says how it went."""
        self.options = options
        self.tests: list[dict[str, str | bool]] = []
        organization = Organization.objects.filter(slug=options["org"]).first()
        if organization is None:
            raise CommandError(_("There is no organization of this short name."), returncode=ExitCode.USAGE)
        limits = Limits(size=options["max_bytes"], rows=options["max_rows"])
        try:
            source = read_source(options["file"], limits)
            self._warn(source)
            run = self.make_import(organization, source, self._choices(source), limits, options)
        except OSError as error:
            raise CommandError(error.strerror or str(error), returncode=ExitCode.USAGE) from None
        except BadFileError as error:
            self._report(None, [error.finding], 1, ExitCode.FAULTY, applied=False)
            return
        plan, code = self._run(run)
        applied = code is ExitCode.DONE and bool(options["apply"] or options["apply_plan"])
        self._report(plan, list(run.findings), run.findings.count, code, applied=applied)

    def _choices(self, source: Source) -> Choices:
        name = self.options["import_name"] or source.name
        if len(name) > 100 or not name.isprintable():
            raise CommandError(_("--import-name: 100 characters at most."), returncode=ExitCode.USAGE)
        return Choices(name, self.options["on_conflict"], self.options["prune"])

    def _warn(self, source: Source) -> None:
        if source.exposed:
            self.stderr.write(_("Warning: other users of this machine may read %(file)s.") % {"file": source.name})

    def _run(self, run: Import) -> tuple[Plan, ExitCode]:
        options = self.options
        expected = self._expected(run) if options["apply_plan"] else None
        must_look_first = (options["prune"] and not options["yes"]) or options.get("test")
        if not (options["apply"] or options["apply_plan"]) or must_look_first:
            plan = self._walk(run.plan)
            if run.findings:
                return plan, ExitCode.FAULTY
            if options["plan_out"]:
                self._write_plan(run, plan)
            if plan.conflicts or not (options["apply"] or options["apply_plan"]):
                return plan, ExitCode.CONFLICT if plan.conflicts else ExitCode.DONE
            if not self._passed_tests(run):
                return plan, ExitCode.TEST_FAILED
            self._confirm(plan)
            expected = expected or run.fingerprint(plan)
        try:
            return self._walk(run.apply, expected), ExitCode.DONE
        except FaultyError as error:
            return error.plan, ExitCode.FAULTY
        except ConflictError as error:
            return error.plan, ExitCode.CONFLICT
        except MovedError as error:
            return error.plan, ExitCode.MOVED

    def _passed_tests(self, run: Import) -> bool:
        """Test what is to be stored, telling of each; whether all passed. No transaction is open during the calls."""
        for tested in run.tested(patient=True):
            self.tests.append({"name": tested.name, "ok": not tested.failure, "failure": tested.failure})
            if not (self.options["quiet"] or self.options["json"]):
                self.stdout.write(_printable(f"{tested.name}: {tested.failure or _('connected')}"))
        return all(test["ok"] for test in self.tests)

    def _walk(self, work: Any, *arguments: Any) -> Plan:
        """Do the work with a bar on a terminal, plain lines elsewhere, or nothing."""
        console = Console(stderr=True)
        if self.options["quiet"] or self.options["json"]:
            plan: Plan = work(*arguments)
            return plan
        if not console.is_terminal:
            return work(*arguments, progress=self._plain_progress())  # type: ignore[no-any-return]  # either method
        columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(_("Reading"), total=None)
            return work(  # type: ignore[no-any-return]  # either method
                *arguments, progress=lambda line, last: bar.update(task, completed=line, total=last)
            )

    def _plain_progress(self) -> Any:
        told = [0]

        def progress(line: int, last: int) -> None:
            if line - told[0] >= PLAIN_STEP:
                told[0] = line
                self.stderr.write(_("line %(line)d of %(last)d") % {"line": line, "last": last})

        return progress

    def _confirm(self, plan: Plan) -> None:
        """Have the number of removals typed. Raises CommandError where nobody can or nobody does."""
        count = plan.counts[Action.REMOVE]
        if not count or self.options["yes"]:
            return
        if self.options["file"] == STANDARD_INPUT or not sys.stdin.isatty():
            raise CommandError(
                _("--prune would remove %(count)d rows: add --yes.") % {"count": count}, returncode=ExitCode.USAGE
            )
        self._print_plan(plan)
        question = _("Type the number of rows to remove, %(count)d, to go on: ") % {"count": count}
        if input(question).strip() != str(count):
            raise CommandError(_("Nothing was changed."), returncode=ExitCode.USAGE)

    # --- Plan files -------------------------------------------------------------------------------------------------
    def _write_plan(self, run: Import, plan: Plan) -> None:
        content = {
            "plan": self.kind,
            "organization": run.organization.slug,
            "fingerprint": run.fingerprint(plan),
            "counts": plan.counts,
            "items": [item._asdict() for item in plan.items],
        }
        try:
            handle = os.open(self.options["plan_out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as error:
            raise CommandError(error.strerror or str(error), returncode=ExitCode.USAGE) from None
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False, indent=1)

    def _expected(self, run: Import) -> str:
        """Return the fingerprint of the plan file. Raises CommandError if it is no plan for this."""
        try:
            content = json.loads(Path(self.options["apply_plan"]).read_text(encoding="utf-8"))
            if (content["plan"], content["organization"]) == (self.kind, run.organization.slug):
                return str(content["fingerprint"])
        except OSError as error:
            raise CommandError(error.strerror or str(error), returncode=ExitCode.USAGE) from None
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        raise CommandError(_("This is no plan of this command for this organization."), returncode=ExitCode.USAGE)

    # --- Reports ----------------------------------------------------------------------------------------------------
    def _report(self, plan: Plan | None, findings: list[Finding], count: int, code: ExitCode, *, applied: bool) -> None:
        if self.options["json"]:
            report = {
                "applied": applied,
                "exit_code": code,
                "counts": plan.counts if plan else {},
                "items": [item._asdict() for item in plan.items] if plan else [],
                "notes": plan.notes if plan else [],
                "tests": self.tests,
                "findings": [finding.as_json() for finding in findings],
                "findings_count": count,
            }
            self.stdout.write(json.dumps(report, ensure_ascii=False))
        else:
            self._say(plan, findings, count, code, applied=applied)
        if code:
            sys.exit(code)

    def _say(self, plan: Plan | None, findings: list[Finding], count: int, code: ExitCode, *, applied: bool) -> None:
        for finding in findings:
            self.stderr.write(_printable(str(finding)))
        if findings:
            self.stderr.write(_("%(count)d faults; nothing was written.") % {"count": count})
        elif plan and not self.options["quiet"]:
            self._print_plan(plan)
        reasons = {
            ExitCode.CONFLICT: _(
                "Rows differ that this import did not leave so: see --on-conflict. Nothing was written."
            ),
            ExitCode.MOVED: _("What is stored, or the file, has changed since the plan was made. Nothing was written."),
            ExitCode.TEST_FAILED: _("Not every credential passed its test. Nothing was written."),
        }
        if code in reasons:
            self.stderr.write(reasons[code])
        elif not code and not self.options["quiet"]:
            self.stdout.write(_("Applied.") if applied else _("This is the plan; --apply does it."))

    def _print_plan(self, plan: Plan) -> None:
        for note in plan.notes:
            self.stdout.write(_printable(note))
        for item in plan.items[:MOST_LINES]:
            fields = f" ({', '.join(item.fields)})" if item.fields else ""
            self.stdout.write(_printable(f"{item.action.label!s:<9} {item.name}{fields}"))
        if len(plan.items) > MOST_LINES:
            self.stdout.write(_("… and %(count)d more") % {"count": len(plan.items) - MOST_LINES})
        self.stdout.write(", ".join(f"{action.label} {count}" for action, count in plan.counts.items()))


def _printable(line: str) -> str:
    """Return a line in which what a terminal would obey is written as an escape."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)

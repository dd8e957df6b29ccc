"""`python -m tests.isolation`: take each filter by organization out of the code in turn; the tests must go red.

A filter is a query with `organization=...` or its like, `for_organization(...)`, and a query that starts at one of an
organization's own lists, as `organization.roles`. What `sharing` asks for in every query of restricted objects is a
second fence behind these: it is taken out each time, so that the first one is proven to stand on its own.

Works on a copy of what git tracks. Exit code 1 if a filter can go without a test noticing, unless HARMLESS says why.
Arguments choose the places whose `file:line` contains one of them.
"""

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

ROOT = Path(__file__).resolve().parents[2]
APPLICATIONS = ("organizations", "credentials", "envvars")
QUERIES = frozenset({"filter", "get", "exclude", "get_or_create", "update_or_create"})
#: An organization's own lists, and the model in each.
LISTS = {
    "memberships": "organizations.Membership",
    "roles": "organizations.Role",
    "data_keys": "organizations.DataKey",
    "audit_events": "organizations.AuditEvent",
    "credentials": "credentials.Credential",
    "connection_tests": "credentials.ConnectionTest",
    "variables": "envvars.EnvironmentVariable",
    "automations": "envvars.Automation",
}
#: The second fence: where it is, what it is, and the same without the organization.
FENCE = (
    "organizations/sharing.py",
    'Q(**{f"{prefix}organization": membership.organization_id})',
    'Q(**{f"{prefix}pk__isnull": False})',
)
#: The tests that run for each filter: of the matrix only the owners, who get furthest.
TESTS = ("tests/isolation", "-k", "not test_matrix or of_an_organization and owner")

#: Filters that say again what holds already, by file and function; without one nothing can be seen or touched.
HARMLESS: dict[tuple[str, str], str] = {
    ("credentials/services.py", "default_since"): "looked up by the credential's own UUID",
    ("envvars/models.py", "naming"): "a credential is named by variables of its own organization only",
    ("envvars/resolving.py", "variables_of"): "an automation of the organization has no others' variables",
    ("envvars/services/imports.py", "remove"): "deletes what `left_over` found in the organization",
    ("envvars/views/automations.py", "automation_page"): "an automation of the organization has no others' variables",
    ("envvars/views/shared.py", "shown_deployed"): "every caller names deployments of the organization; rest by UUID",
    (
        "envvars/views/shared.py",
        "stale_automations",
    ): "asked twice: an automation has deployments of its organization only",
    ("organizations/access.py", "levels_by_role"): "looked up by the roles of the organization's own members only",
    ("organizations/audit_chain.py", "_fault"): "a hash is made under its organization's key: no other one has it",
}


@dataclass(frozen=True)
class Mutation:
    """One filter: where it is, and the file's text without it."""

    path: str
    line: int
    function: str
    shown: str
    text: str

    @property
    def place(self) -> str:
        """Where it is, as file:line."""
        return f"{self.path}:{self.line}"


def mutations() -> Iterator[Mutation]:
    """Yield every filter by organization in the product's code."""
    for application in APPLICATIONS:
        for file in sorted((ROOT / application).rglob("*.py")):
            if "migrations" not in file.parts:
                text = file.read_text().replace(FENCE[1], FENCE[2])
                yield from _mutations_of(str(file.relative_to(ROOT)), text)


def _mutations_of(path: str, text: str) -> Iterator[Mutation]:
    tree = ast.parse(text)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call | ast.Attribute) and (unfiltered := _without_organization(node)):
            around = [f.name for f in functions if f.lineno <= node.lineno <= (f.end_lineno or 0)]
            shown = " ".join(ast.unparse(node).split())
            yield Mutation(path, node.lineno, around[-1] if around else "", shown, _replaced(text, node, unfiltered))


def _without_organization(node: ast.Call | ast.Attribute) -> str | None:
    """Return a query's source without its filter by organization, or None if it is no such query."""
    if isinstance(node, ast.Attribute):
        owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        if owner != "organization" or node.attr not in LISTS:
            return None
        return f"__import__('django.apps').apps.apps.get_model('{LISTS[node.attr]}').objects"
    if not isinstance(node.func, ast.Attribute):
        return None
    if node.func.attr == "for_organization":
        return f"{ast.unparse(node.func.value)}.all()"
    kept = [keyword for keyword in node.keywords if not _names_organization(keyword.arg)]
    if node.func.attr not in QUERIES or len(kept) == len(node.keywords):
        return None
    return ast.unparse(ast.Call(node.func, node.args, kept))


def _names_organization(column: str | None) -> bool:
    """Whether a keyword of a query is the organization's column, here or beyond a relation."""
    return "organization" in (column or "").replace("organization_id", "organization").split("__")


def _replaced(text: str, node: ast.expr, new: str) -> str:
    lines = text.splitlines(keepends=True)
    start = sum(len(line.encode()) for line in lines[: node.lineno - 1]) + node.col_offset
    end = sum(len(line.encode()) for line in lines[: (node.end_lineno or 0) - 1]) + (node.end_col_offset or 0)
    data = text.encode()
    return (data[:start] + f"({new})".encode() + data[end:]).decode()


def copy_to(folder: Path) -> None:
    """Copy what git knows of."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True)
    for name in listed.stdout.decode().splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / "var").mkdir(exist_ok=True)


def is_caught(free: "Queue[Path]", mutation: Mutation) -> bool:
    """Run the tests with one filter gone, in a copy that nobody uses meanwhile; whether they fail."""
    folder = free.get()
    file = folder / mutation.path
    before = file.read_text()
    file.write_text(mutation.text)
    try:
        return run_tests(folder) == 1
    finally:
        file.write_text(before)
        free.put(folder)


def take_fence_out(folder: Path) -> None:
    """Take the second fence out of the copy. Raises ValueError if it is not where it was."""
    path, fence, gap = FENCE
    text = (ROOT / path).read_text()
    if text.count(fence) != 1:
        raise ValueError(f"{path} has no such fence any more: mend FENCE.")
    (folder / path).write_text(text.replace(fence, gap))


def run_tests(folder: Path) -> int:
    """Run the tests up to the first failure; return pytest's exit code."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--reuse-db", "--show-capture=no", *TESTS]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, env=environment).returncode


def main(wanted: list[str]) -> int:
    """Try every mutation, as many at the same time as there are processors; return the exit code."""
    chosen = [one for one in mutations() if not wanted or any(part in one.place for part in wanted)]
    survived = caught = 0
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(os.cpu_count()) as threads:
        folders = [Path(name) / str(number) for number in range(os.cpu_count() or 1)]
        for folder in folders:
            copy_to(folder)
            take_fence_out(folder)
        if any(threads.map(run_tests, folders)):
            sys.stdout.write("The isolation tests fail before a filter is taken out: mend that first.\n")
            return 1
        free: Queue[Path] = Queue()
        for folder in folders:
            free.put(folder)
        for mutation, red in zip(chosen, threads.map(lambda one: is_caught(free, one), chosen), strict=True):
            reason = HARMLESS.get((mutation.path, mutation.function))
            caught += red
            survived += not red and reason is None
            word = "red" if red else f"green ({reason})" if reason else "GREEN"
            sys.stdout.write(f"{word:<6} {mutation.place} {mutation.function}: {mutation.shown[:120]}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(chosen)} filters: {caught} noticed, {survived} not noticed\n")
    return int(survived > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m tests.isolation`: take each filter by organization out of the code in turn; the tests must go red.

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
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPLICATIONS = ("organizations", "credentials", "envvars")
QUERIES = frozenset({"filter", "get", "exclude", "get_or_create", "update_or_create"})

#: Filters that say again what holds already, by file and function; without one nothing can be seen or touched.
HARMLESS: dict[tuple[str, str], str] = {
    ("envvars/views/automations.py", "_automation_page"): "an automation of the organization has no others' variables",
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
                yield from _mutations_of(str(file.relative_to(ROOT)), file.read_text())


def _mutations_of(path: str, text: str) -> Iterator[Mutation]:
    tree = ast.parse(text)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (unfiltered := _without_organization(node)):
            around = [f.name for f in functions if f.lineno <= node.lineno <= (f.end_lineno or 0)]
            shown = " ".join(ast.unparse(node).split())
            yield Mutation(path, node.lineno, around[-1] if around else "", shown, _replaced(text, node, unfiltered))


def _without_organization(node: ast.Call) -> str | None:
    """Return a query's source without its filter by organization, or None if it is no such query."""
    if not isinstance(node.func, ast.Attribute):
        return None
    if node.func.attr == "for_organization":
        return f"{ast.unparse(node.func.value)}.all()"
    kept = [keyword for keyword in node.keywords if not (keyword.arg or "").startswith("organization")]
    if node.func.attr not in QUERIES or len(kept) == len(node.keywords):
        return None
    return ast.unparse(ast.Call(node.func, node.args, kept))


def _replaced(text: str, node: ast.Call, new: str) -> str:
    lines = text.splitlines(keepends=True)
    start = sum(len(line.encode()) for line in lines[: node.lineno - 1]) + node.col_offset
    end = sum(len(line.encode()) for line in lines[: (node.end_lineno or 0) - 1]) + (node.end_col_offset or 0)
    data = text.encode()
    return (data[:start] + f"({new})".encode() + data[end:]).decode()


def copy_to(folder: Path) -> None:
    """Copy what git knows of, and link to what is installed."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True)
    for name in listed.stdout.decode().splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / "var").mkdir(exist_ok=True)


def is_caught(folder: Path, mutation: Mutation) -> bool:
    """Run the isolation tests with one filter gone; whether they fail."""
    file = folder / mutation.path
    before = file.read_text()
    file.write_text(mutation.text)
    try:
        return run_tests(folder) == 1
    finally:
        file.write_text(before)


def run_tests(folder: Path) -> int:
    """Run the isolation tests up to the first failure; return pytest's exit code."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--reuse-db", "--show-capture=no", "tests/isolation"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, env=environment).returncode


def main(wanted: list[str]) -> int:
    """Try every mutation; return the exit code."""
    chosen = [one for one in mutations() if not wanted or any(part in one.place for part in wanted)]
    survived = caught = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_to(folder)
        if run_tests(folder) != 0:
            sys.stdout.write("The isolation tests fail without any change: mend that first.\n")
            return 1
        for mutation in chosen:
            red = is_caught(folder, mutation)
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

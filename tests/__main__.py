"""`python -m tests`: run the suite on SQLite, on PostgreSQL and in a browser, and end with a line for each part.

A part whose database or browser is not there does not run, and the last lines say so. Exit code 1 if a part failed.
TEST_POSTGRES_URL names another PostgreSQL server than the one on this machine. Arguments go on to pytest.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

POSTGRES_URL = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass
class Part:
    """One run of pytest: what it is called, what it selects, on which database, and why it cannot run (or "")."""

    name: str
    marker: str
    database: str | None
    missing: str


def main(arguments: list[str]) -> int:
    """Run every part that can run; return the exit code."""
    lines, failed = [], False
    for part in (
        Part("SQLite", "not browser", None, ""),
        Part("PostgreSQL", "not browser", POSTGRES_URL, _missing_postgres()),
        Part("Browser", "browser", None, _missing_browser()),
    ):
        if part.missing:
            lines.append(f"{part.name:<11} DID NOT RUN: {part.missing}")
            continue
        seconds, code = _run(part, arguments)
        failed = failed or code != 0
        lines.append(f"{part.name:<11} ran in {seconds:.0f} s: {'passed' if code == 0 else 'FAILED'}")
    sys.stdout.write("\n" + "\n".join(lines) + "\n")
    return int(failed)


def _run(part: Part, arguments: list[str]) -> tuple[float, int]:
    sys.stdout.write(f"\n--- {part.name}\n")
    sys.stdout.flush()
    environment = dict(os.environ)
    if part.database:
        environment["TEST_DATABASE_URL"] = part.database
    started = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "-m", part.marker, *arguments]
    code = subprocess.run(command, env=environment, check=False).returncode
    return time.monotonic() - started, code


def _missing_postgres() -> str:
    url = urlsplit(POSTGRES_URL)
    try:
        socket.create_connection((url.hostname or "", url.port or 5432), timeout=2).close()
    except OSError:
        return f"nothing answers at {url.hostname}:{url.port}"
    return ""


def _missing_browser() -> str:
    return "" if any(map(shutil.which, BROWSERS)) else "no Chromium on the PATH"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

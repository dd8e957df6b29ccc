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
from concurrent.futures import ThreadPoolExecutor
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


@dataclass
class Outcome:
    """How a part ended: its closing line, and whether a test failed."""

    line: str
    failed: bool


def main(arguments: list[str]) -> int:
    """Run every part that can run, PostgreSQL's beside the two that share SQLite; return the exit code."""
    lanes = (
        (Part("SQLite", "not browser", None, ""), Part("Browser", "browser", None, _missing_browser())),
        (Part("PostgreSQL", "not browser", POSTGRES_URL, _missing_postgres()),),
    )
    with ThreadPoolExecutor(len(lanes)) as pool:
        outcomes = [
            outcome
            for lane in pool.map(lambda lane: [_run(part, arguments) for part in lane], lanes)
            for outcome in lane
        ]
    sys.stdout.write("\n" + "".join(f"{outcome.line}\n" for outcome in outcomes))
    return int(any(outcome.failed for outcome in outcomes))


def _run(part: Part, arguments: list[str]) -> Outcome:
    """Run one part and show what it printed once it is done: parts beside each other would mix their lines."""
    if part.missing:
        return Outcome(f"{part.name:<11} DID NOT RUN: {part.missing}", failed=False)
    environment = dict(os.environ) | ({"TEST_DATABASE_URL": part.database} if part.database else {})
    started = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "-m", part.marker, *arguments]
    done = subprocess.run(
        command, env=environment, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    sys.stdout.write(f"\n--- {part.name}\n{done.stdout}")
    sys.stdout.flush()
    word = "passed" if done.returncode == 0 else "FAILED"
    return Outcome(f"{part.name:<11} ran in {time.monotonic() - started:.0f} s: {word}", failed=done.returncode != 0)


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

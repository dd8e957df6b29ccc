"""Databases for a work alone, on SQLite and on PostgreSQL, and a process alone, so that memory is that of the work."""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any
from uuid import uuid4

POSTGRES_URL = os.environ.get("BENCH_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")


def on_both(work: Callable[[str], Any]) -> dict[str, Any]:
    """Do work on an empty database of each kind, given by its address; return what it returns by the kind."""
    with tempfile.TemporaryDirectory() as folder:
        return {"sqlite": work(f"sqlite:///{folder}/bench.sqlite3"), "postgresql": _on_postgres(work)}


def _on_postgres(work: Callable[[str], Any]) -> Any:
    """Do work on a new database of the server that POSTGRES_URL names; say so if there is none."""
    import psycopg

    name = f"bench_{uuid4().hex[:12]}"
    try:
        server = psycopg.connect(POSTGRES_URL, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError:
        return "did not run: no PostgreSQL"
    with server:
        server.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]  # a name of ours
        try:
            return work(f"{POSTGRES_URL.rpartition('/')[0]}/{name}")
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]  # a name of ours


def environment(url: str) -> dict[str, str]:
    """Return the environment of a process that works on a database."""
    return {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "crewadmin.settings"}


def in_process(url: str, module: str, *arguments: str) -> Any:
    """Run a module on a database, in a process of its own; return the JSON that it prints."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, env=environment(url), check=True, stdout=subprocess.PIPE)  # noqa: S603 - ours
    return json.loads(done.stdout)


def peak() -> float:
    """Return the most memory that this process ever had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

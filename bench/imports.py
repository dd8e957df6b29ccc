"""Imports of very many variables, beside the bare cipher and the database's own bulk statement; and kills of imports.

Each measurement is a process of its own with an empty database, so that memory is that of one import.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from bench.databases import environment, in_process, on_both, peak

KILLS, KILLED_ROWS = 50, 20_000


def measure_import(rows: int) -> dict[str, Any]:
    """Import `rows` variables into an empty organization, then again with other values, then unchanged."""
    return on_both(lambda url: _child(url, str(rows)))


def measure_kills() -> dict[str, Any]:
    """Kill an import of 20,000 rows at 50 random moments: what is stored is all or nothing, and a rerun completes."""
    return on_both(_killed)


def _child(url: str, *arguments: str) -> Any:
    return in_process(url, "bench.imports", *arguments)


# --- In a process of its own ----------------------------------------------------------------------------------------
def content(rows: int, value: str) -> bytes:
    """Return a CSV file of direct values of 40 characters."""
    lines = (f"KEY_{number:06},direct,{value * 34}{number:06}\n" for number in range(rows))
    return ("key,source,value\n" + "".join(lines)).encode()


def measure(rows: int) -> dict[str, Any]:
    """Return rows a second of each kind of import, the peak of memory over the start, and the bound."""
    import django

    django.setup()
    from django.core.management import call_command

    from crewadmin.importing.source import COMMAND_LIMITS, source_of
    from envvars.importing.run import VariableImport
    from organizations.importing import Choices
    from organizations.models import User
    from organizations.services.organizations import create_organization

    call_command("migrate", verbosity=0)
    organization = create_organization("Bench", "bench", User.objects.create_user("o@example.com", None))
    start, figures = peak(), {}
    for name, value in (("create", "a"), ("change", "b"), ("keep", "b")):
        began = time.perf_counter()
        source = source_of("bench.csv", content(rows, value), COMMAND_LIMITS)
        VariableImport(organization, None, source, Choices("bench.csv"), COMMAND_LIMITS).apply()
        figures[f"{name}_rows_per_s"] = round(rows / (time.perf_counter() - began))
    figures["peak_mb_over_start"] = round(peak() - start, 1)
    figures["bound_rows_per_s"] = round(rows / _bound(rows, organization.pk))
    return figures


def _bound(rows: int, organization: int) -> float:
    """Return the seconds for AES-256-GCM and one executemany or COPY of as many rows of the same table."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from django.db import connection, transaction
    from django.utils import timezone

    key, now, place = AESGCM(os.urandom(32)), timezone.now(), os.urandom(100)
    is_postgres = connection.vendor == "postgresql"
    columns = "uuid, organization_id, key, source, value, provider, reference, version_stage, import_name, restricted"
    columns += ", acknowledged, created_at, updated_at"

    def row(number: int) -> tuple[Any, ...]:
        nonce, uuid = os.urandom(12), uuid4()
        sealed = nonce + key.encrypt(nonce, b"x" * 40, place)
        texts = (uuid if is_postgres else uuid.hex, organization, f"BOUND_{number:06}", "direct", sealed)
        return *texts, "", "", "", "", False, False, *((now, now) if is_postgres else (str(now), str(now)))

    began = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        if is_postgres:
            with cursor.copy(f"COPY envvars_environmentvariable ({columns}) FROM STDIN") as copy:
                for number in range(rows):
                    copy.write_row(row(number))
        else:
            sql = f"INSERT INTO envvars_environmentvariable ({columns}) VALUES ({', '.join(['%s'] * 13)})"  # noqa: S608
            cursor.executemany(sql, [row(number) for number in range(rows)])
    return time.perf_counter() - began


# --- Kills ----------------------------------------------------------------------------------------------------------
def _killed(url: str) -> dict[str, Any]:
    """Change every row by an import that is killed, 50 times; then let one run to its end."""
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder, f"{name}.csv") for name in ("before", "after")}
        for name, file in files.items():
            file.write_bytes(content(KILLED_ROWS, name[0]))
            file.chmod(0o600)
        _child(url, "migrate")
        _import(url, files["before"]).wait()
        before, began = _child(url, "hash"), time.perf_counter()
        _import(url, files["after"]).wait()
        seconds, after = time.perf_counter() - began, _child(url, "hash")
        _import(url, files["before"]).wait()
        states = {"before": 0, "after": 0, "partial": 0}
        chance = random.Random(1)  # noqa: S311 - moments, not keys
        for _kill in range(KILLS):
            process = _import(url, files["after"])
            try:
                process.wait(chance.uniform(0.2, 1.0) * seconds)
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
            found = _child(url, "hash")
            states["before" if found == before else "after" if found == after else "partial"] += 1
            if found != before:
                _import(url, files["before"]).wait()
        code = _import(url, files["after"]).wait()
        return {"kills": KILLS, "found": states, "rerun_exit": code, "rerun_equal": _child(url, "hash") == after}


def _import(url: str, file: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "manage.py", "import_envvars", str(file), "--org", "bench", "--import-name", "kills"]
    return subprocess.Popen([*command, "--apply", "--quiet"], env=environment(url))  # noqa: S603 - our own command


def rows_hash() -> str:
    """Return a hash over every variable as it reads when it is opened, and over the marks of imports."""
    import django

    django.setup()
    from envvars.models import EnvironmentVariable

    whole = hashlib.sha256()
    for row in EnvironmentVariable.objects.select_related("organization").order_by("key").iterator(2_000):
        whole.update(f"{row.key} {row.source} {row.value.reveal()} {row.import_name}\n".encode())
    return whole.hexdigest()


def prepare() -> str:
    """Make an empty organization."""
    import django

    django.setup()
    from django.core.management import call_command

    from organizations.models import User
    from organizations.services.organizations import create_organization

    call_command("migrate", verbosity=0)
    create_organization("Bench", "bench", User.objects.create_user("o@example.com", None))
    return "done"


if __name__ == "__main__":
    wanted = sys.argv[1]
    works = {"hash": rows_hash, "migrate": prepare}
    print(json.dumps(works[wanted]() if wanted in works else measure(int(wanted))))

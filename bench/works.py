"""The works that are measured, each beside its bound. See bench/__main__.py."""

import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bench.audit_log import measure_audit_log
from bench.connection_tests import measure_faults, measure_hanging_tests
from bench.formats import measure_formats
from bench.imports import measure_import, measure_kills
from bench.resolving import measure_resolving
from crewadmin.sealing import seal, unseal
from envvars.models import EnvironmentVariable
from organizations.access import access_of
from organizations.models import Membership, Organization, User
from organizations.services.organizations import create_organization

VALUE = "x" * 40
SMALL, LARGE = 1_000, 100_000


def main(wanted: list[str]) -> None:
    """Run the works that are named, or all."""
    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    owner = User.objects.create_user("owner@example.com", None)
    organization = create_organization("Bench", "bench", owner)
    works: dict[str, Callable[[Organization, User], dict[str, Any]]] = {
        "seal": measure_sealing,
        "access": measure_access,
        "page": measure_page,
        "hanging_tests": lambda _organization, _owner: measure_hanging_tests(),
        "faults": lambda _organization, _owner: measure_faults(),
        "import_1k": lambda _organization, _owner: measure_import(1_000),
        "import_10k": lambda _organization, _owner: measure_import(10_000),
        "import_100k": lambda _organization, _owner: measure_import(100_000),
        "import_killed": lambda _organization, _owner: measure_kills(),
        "audit_log": lambda _organization, _owner: measure_audit_log(),
        "formats": measure_formats,
        "resolve": measure_resolving,
    }
    for name in wanted or works:
        print(json.dumps({"work": name, **works[name](organization, owner)}), flush=True)


def measure_sealing(organization: Organization, owner: User) -> dict[str, Any]:
    """Seal and open one 40-byte value; the bound is the bare cipher, the peer is Fernet."""
    row = EnvironmentVariable(organization=organization, key="KEY")
    key, nonce, place = AESGCM(os.urandom(32)), os.urandom(12), os.urandom(100)
    sealed, ciphertext = seal(row, "value", VALUE), key.encrypt(nonce, VALUE.encode(), place)
    fernet = Fernet(Fernet.generate_key())
    return {
        "seal_us": each(lambda: seal(row, "value", VALUE)),
        "seal_bound_us": each(lambda: key.encrypt(nonce, VALUE.encode(), place)),
        "seal_fernet_us": each(lambda: fernet.encrypt(VALUE.encode())),
        "open_us": each(lambda: unseal(row, "value", sealed)),
        "open_bound_us": each(lambda: key.decrypt(nonce, ciphertext, place)),
    }


def measure_access(organization: Organization, owner: User) -> dict[str, Any]:
    """Ask what a member may do, as every request does once; the bound is one query for one row."""
    membership = Membership.objects.select_related("role", "organization").get(user=owner)
    membership.role = organization.roles.get(kind="member")
    with CaptureQueriesContext(connection) as queries:
        access_of(membership)
    return {
        "access_us": each(lambda: access_of(membership)),
        "queries": len(queries),
        "bound_us": each(lambda: Membership.objects.filter(pk=membership.pk).values_list("pk").first()),
    }


def measure_page(organization: Organization, owner: User) -> dict[str, Any]:
    """Show 50 of 1,000 and of 100,000 variables; the bound is the page of somebody without any (frame and sign-in)."""
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(owner)
    address = reverse("variable_list", args=[organization.uuid])
    bound = milliseconds(lambda: client.get(address))
    add_variables(organization, 0, SMALL)
    small = milliseconds(lambda: client.get(address))
    add_variables(organization, SMALL, LARGE)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200  # noqa: S101 - a figure for an error page is worth nothing
        count = len(queries)
    return {
        "page_1k_ms": small,
        "page_100k_ms": milliseconds(lambda: client.get(address)),
        "page_100k_search_ms": milliseconds(lambda: client.get(address, {"q": "99999"})),
        "queries": count,
        "bound_ms": bound,
    }


def add_variables(organization: Organization, first: int, end: int) -> None:
    """Store direct variables number `first` to `end`, sealed."""
    EnvironmentVariable.objects.bulk_create(
        (
            EnvironmentVariable(organization=organization, key=f"KEY_{number:06}", source="direct", value=VALUE)
            for number in range(first, end)
        ),
        batch_size=1_000,
    )


def each(work: Callable[[], Any], rounds: int = 5, times: int = 400) -> float:
    """Return the median over rounds of the microseconds that one call takes."""
    return round(statistics.median(_seconds(work, times) / times * 1e6 for _round in range(rounds)), 2)


def milliseconds(work: Callable[[], Any], times: int = 30) -> float:
    """Return the median of the milliseconds that one call takes, after one that does not count."""
    work()
    return round(statistics.median(_seconds(work, 1) * 1e3 for _time in range(times)), 2)


def _seconds(work: Callable[[], Any], times: int) -> float:
    started = time.perf_counter()
    for _time in range(times):
        work()
    return time.perf_counter() - started

"""Imports beside each other and beside page edits: nothing is lost, nobody is told that the database is locked."""

import contextlib
import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections

from crewadmin.bulk import old_objects_left_alone
from crewadmin.importing.plan import OnConflict
from crewadmin.importing.source import COMMAND_LIMITS, source_of
from envvars.importing.run import VariableImport
from envvars.models import Automation, EnvironmentVariable
from envvars.services.variables import Value, change_variable
from organizations.audit_chain import verify
from organizations.importing import Choices
from organizations.models import Organization, User
from tests.builders import store_direct

pytestmark = pytest.mark.django_db(transaction=True)
Source = EnvironmentVariable.Source
ROWS, EDITS = 3_000, 30


def imported(organization: Organization, name: str, first: int, value: str) -> None:
    lines = [f"KEY_{number:05},{value}\n" for number in range(first, first + ROWS)]
    source = source_of(name, ("key,value\n" + "".join(lines)).encode(), COMMAND_LIMITS)
    VariableImport(organization, None, source, Choices(name, OnConflict.UPDATE), COMMAND_LIMITS).apply()


def together(*works: Callable[[], None]) -> list[BaseException]:
    """Run works in threads at once; return what went wrong."""
    errors: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return errors


def texts(organization: Organization) -> dict[str, Any]:
    rows = EnvironmentVariable.objects.filter(organization=organization).select_related("organization")
    return {one.key: one.value.reveal() for one in rows}


def assert_chain(organization: Organization) -> None:
    assert verify(organization).broken is None


def test_two_imports_at_once_are_one_after_the_other(acme: Organization) -> None:
    half = ROWS // 2
    errors = together(lambda: imported(acme, "one", 0, "one"), lambda: imported(acme, "two", half, "two"))
    assert errors == []
    found = texts(acme)
    assert len(found) == ROWS + half
    shared = {found[f"KEY_{number:05}"] for number in range(half, ROWS)}
    assert len(shared) == 1, "the rows of both files are all of the later import"
    assert {found[f"KEY_{number:05}"] for number in range(half)} == {"one"}
    assert {found[f"KEY_{number:05}"] for number in range(ROWS, ROWS + half)} == {"two"}
    assert_chain(acme)


def test_an_import_beside_page_edits_loses_neither(acme: Organization, alice: User) -> None:
    mine = [store_direct(acme, f"MINE_{number}", "old") for number in range(EDITS)]
    imported(acme, "one", 0, "old")
    crew = Automation.objects.create(organization=acme, name="Crew", slug="crew")
    assigned = list(EnvironmentVariable.objects.filter(key__startswith="KEY_").select_related("organization")[:EDITS])

    def edit() -> None:
        for variable in mine:
            change_variable(variable, alice, key=variable.key, value=Value(Source.DIRECT, "new"), automations=[])
        for variable in assigned:
            change_variable(variable, alice, key=variable.key, value=Value(Source.DIRECT), automations=[crew])

    assert together(lambda: imported(acme, "one", 0, "new"), edit) == []
    assert set(texts(acme).values()) == {"new"}
    assert crew.variables.count() == EDITS
    assert_chain(acme)


def test_what_an_import_leaves_alone_is_searched_for_garbage_again() -> None:
    with contextlib.suppress(MemoryError), old_objects_left_alone():
        assert gc.get_freeze_count() > 1_000
        raise MemoryError
    assert gc.get_freeze_count() == 0

"""What the tests of sealing share: rows with a canary behind their sealed columns, and the raw column."""

from typing import Any

import pytest
from django.db import connection, models

from credentials.models import Credential
from credentials.services import add_credential
from crewadmin import sealing
from envvars.models import EnvironmentVariable
from envvars.services.variables import Value, add_variable
from organizations.models import Organization, User

#: What no printout, dump or database file may hold. Plain ASCII, so that no escaping hides it.
CANARY = "canary-7Qx2mZ9-opens-nothing"


def new_credential(organization: Organization, by: User, name: str, **secrets: str) -> Credential:
    return add_credential(
        organization,
        by,
        name=name,
        provider="aws",
        config={"region": "us-east-1", "access_key_id": "AKIAMADEUPEXAMPLE000", "role_arn": ""},
        secrets=secrets or {"secret_access_key": CANARY},
        is_default=False,
    )


def new_variable(organization: Organization, by: User, key: str) -> EnvironmentVariable:
    return add_variable(organization, by, key=key, value=Value(EnvironmentVariable.Source.DIRECT, text=CANARY))


@pytest.fixture
def credential(acme: Organization, alice: User) -> Credential:
    """A credential of Acme, read afresh: its sealed column was not opened yet."""
    return Credential.objects.get(pk=new_credential(acme, alice, "aws-canary").pk)


@pytest.fixture
def variable(acme: Organization, alice: User) -> EnvironmentVariable:
    """A direct variable of Acme, read afresh."""
    return EnvironmentVariable.objects.get(pk=new_variable(acme, alice, "CANARY").pk)


@pytest.fixture
def unsealed(monkeypatch: pytest.MonkeyPatch) -> list[models.Model]:
    """Every row whose sealed column was opened since."""
    rows: list[Any] = []
    unseal = sealing.unseal

    def counting(row: Any, field_name: str, sealed: bytes) -> Any:
        rows.append(row)
        return unseal(row, field_name, sealed)

    monkeypatch.setattr(sealing, "unseal", counting)
    return rows


def read_column(row: models.Model, column: str) -> bytes:
    """Return what the database holds, without the ORM's field."""
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT "{column}" FROM "{row._meta.db_table}" WHERE id = %s', [row.pk])  # noqa: S608 - names of ours
        return bytes(cursor.fetchone()[0])


def write_column(row: models.Model, column: str, value: bytes) -> None:
    """Put bytes into the database behind the ORM's back, as a thief of the database would."""
    with connection.cursor() as cursor:
        cursor.execute(f'UPDATE "{row._meta.db_table}" SET "{column}" = %s WHERE id = %s', [value, row.pk])  # noqa: S608 - names of ours

"""crewadmin.sealing.SealedField: what the ORM stores, refuses and gives away."""

import copy
import json
import pickle
import pprint
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core import serializers
from django.core.exceptions import FieldError
from django.core.management import call_command
from django.db import connection, models, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Concat, Length
from django.forms import modelform_factory
from django.forms.models import model_to_dict
from django.test import Client
from django.test.utils import CaptureQueriesContext

from credentials.models import Credential
from crewadmin.redaction import MASK, Secret
from crewadmin.sealing import SealedField, SealError, seal
from envvars.models import Automation, EnvironmentVariable
from organizations.models import Organization, User

from .conftest import CANARY, new_credential, new_variable, read_column, write_column

SignIn = Callable[[User], Client]


# --- Storing --------------------------------------------------------------------------------------------------------
def test_a_saved_value_is_sealed_in_the_database_and_opens_as_a_secret(credential: Credential) -> None:
    assert CANARY.encode() not in read_column(credential, "secrets")
    assert isinstance(credential.secrets, Secret)
    assert credential.secrets.reveal() == {"secret_access_key": CANARY}


@pytest.mark.parametrize("wrap", [lambda value: value, Secret], ids=["plain", "Secret"])
@pytest.mark.parametrize("update_fields", [None, ["secrets"]])
def test_an_assigned_value_is_sealed_on_save(
    credential: Credential, wrap: Callable[[Any], Any], update_fields: list[str] | None
) -> None:
    credential.secrets = wrap({"secret_access_key": f"new-{CANARY}"})
    assert isinstance(credential.secrets, Secret)
    credential.save(update_fields=update_fields)
    assert CANARY.encode() not in read_column(credential, "secrets")
    assert Credential.objects.get().secrets.reveal() == {"secret_access_key": f"new-{CANARY}"}


def test_saving_what_was_only_read_writes_the_same_bytes(credential: Credential) -> None:
    before = read_column(credential, "secrets")
    credential.name = "renamed"
    credential.save()
    assert read_column(credential, "secrets") == before


def test_the_same_value_twice_is_sealed_differently(acme: Organization, alice: User) -> None:
    one, two = new_variable(acme, alice, "ONE"), new_variable(acme, alice, "TWO")
    assert read_column(one, "value")[29:] != read_column(two, "value")[29:]


def test_bulk_create_seals(acme: Organization) -> None:
    Credential.objects.bulk_create(
        Credential(organization=acme, name=f"bulk-{number}", provider="aws", secrets={"key": f"{CANARY}-{number}"})
        for number in range(3)
    )
    for number, stored in enumerate(Credential.objects.order_by("name")):
        assert CANARY.encode() not in read_column(stored, "secrets")
        assert stored.secrets.reveal() == {"key": f"{CANARY}-{number}"}


def test_there_is_no_value_before_one_is_assigned(acme: Organization) -> None:
    assert Credential(organization=acme).secrets is None


@pytest.mark.parametrize("value", [1, 1.5, b"bytes", ["list"], True, object()])
def test_only_texts_and_objects_can_be_assigned(credential: Credential, value: object) -> None:
    with pytest.raises(FieldError):
        credential.secrets = value


@pytest.mark.parametrize("value", [F("name"), Value(CANARY), Concat("name", Value(CANARY))])
def test_expressions_cannot_be_assigned(credential: Credential, value: object) -> None:
    with pytest.raises(FieldError):
        credential.secrets = value


# --- What would bypass the row --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "value", [CANARY, CANARY.encode(), {"key": CANARY}, None, F("name"), F("secrets"), Value(CANARY), Secret(CANARY)]
)
def test_update_is_refused(credential: Credential, value: object) -> None:
    before = read_column(credential, "secrets")
    with pytest.raises(FieldError), transaction.atomic():
        Credential.objects.update(secrets=value)
    assert read_column(credential, "secrets") == before


def test_update_is_refused_for_a_sealed_value_too(credential: Credential) -> None:
    with pytest.raises(FieldError):
        Credential.objects.update(secrets=seal(credential, "secrets", "value"))


def test_bulk_update_is_refused(credential: Credential) -> None:
    with pytest.raises(FieldError):
        Credential.objects.bulk_update([credential], ["secrets"])
    credential.secrets = {"key": CANARY}
    with pytest.raises(FieldError):
        Credential.objects.bulk_update([credential], ["secrets"])


LOOKUPS = sorted({*models.BinaryField.get_lookups(), *models.TextField.get_lookups()} - {"isnull"})


@pytest.mark.parametrize("lookup", [*LOOKUPS, "key", "key__startswith"])
@pytest.mark.parametrize("path", ["value", "credential__secrets"])
def test_every_lookup_is_refused(db: None, path: str, lookup: str) -> None:
    with pytest.raises(FieldError):
        EnvironmentVariable.objects.filter(**{f"{path}__{lookup}": CANARY}).exists()


@pytest.mark.parametrize(
    "condition",
    [
        Q(secrets=CANARY),
        Q(secrets=b""),
        Q(secrets=F("name")),
        Q(secrets__gt=F("secrets")),
        ~Q(secrets__in=[CANARY, ""]),
        Q(secrets__in=Credential.objects.values("name")),
    ],
)
def test_every_comparison_is_refused(db: None, condition: Q) -> None:
    with pytest.raises(FieldError):
        Credential.objects.filter(condition).exists()


def test_whether_there_is_a_value_may_be_asked(variable: EnvironmentVariable) -> None:
    assert EnvironmentVariable.objects.filter(value__isnull=False).count() == 1
    assert not EnvironmentVariable.objects.filter(value__isnull=True).exists()


def test_a_refused_lookup_reaches_no_database(db: None) -> None:
    with CaptureQueriesContext(connection) as queries, pytest.raises(FieldError):
        EnvironmentVariable.objects.filter(value__startswith=CANARY).exists()
    assert len(queries) == 0


# --- What gives nothing away ----------------------------------------------------------------------------------------
def shown(value: object) -> str:
    """All the ways of looking at what was handed over, in one text."""
    raw = value if isinstance(value, bytes) else b""
    return f"{value!r} {value!s} {pprint.pformat(value)} {raw!r}"


READERS: dict[str, Callable[[Credential], object]] = {
    "values": lambda row: list(Credential.objects.values()),
    "values_list": lambda row: [bytes(value) for value in Credential.objects.values_list("secrets", flat=True)],
    "annotate": lambda row: list(Credential.objects.annotate(other=F("secrets")).values("other")),
    "length": lambda row: list(Credential.objects.annotate(size=Length("secrets")).values("size")),
    "in_bulk": lambda row: Credential.objects.in_bulk(),
    "raw": lambda row: [vars(one) for one in Credential.objects.raw("SELECT * FROM credentials_credential")],
    "dates of the log": lambda row: list(row.organization.audit_events.values()),
    "vars": vars,
    "vars after opening": lambda row: (row.secrets, vars(row)),
    "str": str,
    "repr": repr,
    "model_to_dict": model_to_dict,
    "model_to_dict by name": lambda row: model_to_dict(row, fields=["secrets", "name"]),
    "json": lambda row: serializers.serialize("json", [row]),
    "xml": lambda row: serializers.serialize("xml", [row]),
    "python": lambda row: serializers.serialize("python", [row]),
    "yaml-like": lambda row: serializers.serialize("jsonl", [row]),
    "pickle": lambda row: pickle.dumps(row),
    "pickle after opening": lambda row: (row.secrets, pickle.dumps(row))[1],
    "pickle of a query": lambda row: pickle.dumps(Credential.objects.all()),
    "copy": copy.copy,
    "deepcopy": lambda row: vars(copy.deepcopy(row)),
    "form": lambda row: modelform_factory(Credential, fields=["name", "provider", "config"])(instance=row).as_p(),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("assigned", [False, True], ids=["read", "assigned"])
def test_nothing_that_prints_a_row_shows_a_value(credential: Credential, reader: str, assigned: bool) -> None:
    if assigned:
        credential.secrets = {"secret_access_key": CANARY}
    assert CANARY not in shown(READERS[reader](credential))


def test_a_form_cannot_be_made_of_a_sealed_column() -> None:
    with pytest.raises(FieldError, match="non-editable"):
        modelform_factory(Credential, fields=["secrets"])


def test_a_pickled_row_still_opens_from_the_database_but_carries_no_assigned_value(credential: Credential) -> None:
    assert pickle.loads(pickle.dumps(credential)).secrets.reveal() == {"secret_access_key": CANARY}  # noqa: S301 - ours
    credential.secrets = {"secret_access_key": CANARY}
    with pytest.raises(ValueError, match="pickled"):
        pickle.loads(pickle.dumps(credential)).secrets.reveal()  # noqa: S301 - ours


@pytest.mark.parametrize("output", ["json", "jsonl", "xml"])
def test_a_dump_carries_masks(credential: Credential, variable: EnvironmentVariable, output: str) -> None:
    out = StringIO()
    call_command("dumpdata", format=output, stdout=out)
    text = json.dumps(out.getvalue(), ensure_ascii=False)
    assert CANARY not in text
    assert MASK in text or MASK.encode("ascii", "backslashreplace").decode() in out.getvalue()


def test_a_dump_opens_nothing(credential: Credential, unsealed: list[models.Model]) -> None:
    call_command("dumpdata", "credentials", stdout=StringIO())
    assert unsealed == []


def test_a_dump_works_with_a_row_that_cannot_be_opened(credential: Credential) -> None:
    write_column(credential, "secrets", b"\x01broken")
    out = StringIO()
    call_command("dumpdata", "credentials", stdout=out)
    assert json.loads(out.getvalue())[0]["fields"]["secrets"] == MASK


def test_loading_a_dump_stores_no_mask_as_a_value(credential: Credential) -> None:
    dump = serializers.serialize("json", [credential])
    with pytest.raises(FieldError):
        next(iter(serializers.deserialize("json", dump))).save()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's files are the server's")
def test_the_database_file_and_its_log_hold_no_value(acme: Organization, alice: User) -> None:
    credential = new_credential(acme, alice, "aws-canary")
    variable = new_variable(acme, alice, "CANARY")
    for _ in range(3):
        credential.secrets = {"secret_access_key": CANARY * 2}
        credential.save()
        variable.value = CANARY * 3
        variable.save()
    new_variable(acme, alice, "DELETED").delete()
    path = str(connection.settings_dict["NAME"])
    files = [Path(path + suffix) for suffix in ("", "-wal", "-shm", "-journal")]
    content = b"".join(file.read_bytes() for file in files if file.exists())
    assert b"aws-canary" in content  # the search does find what is stored plainly
    assert CANARY.encode() not in content


# --- Swapped behind our back ----------------------------------------------------------------------------------------
def closed(row: models.Model, column: str) -> bool:
    """Whether a row, read afresh, refuses to open its column."""
    try:
        getattr(type(row)._default_manager.get(pk=row.pk), column)
    except SealError:
        return True
    return False


def test_a_value_copied_to_another_row_does_not_open(credential: Credential, acme: Organization, alice: User) -> None:
    other = new_credential(acme, alice, "other")
    write_column(other, "secrets", read_column(credential, "secrets"))
    assert closed(other, "secrets")
    assert not closed(credential, "secrets")


def test_a_value_copied_to_another_model_does_not_open_even_with_the_same_uuid(
    credential: Credential, variable: EnvironmentVariable
) -> None:
    EnvironmentVariable.objects.filter(pk=variable.pk).update(uuid=credential.uuid)
    write_column(variable, "value", read_column(credential, "secrets"))
    assert closed(variable, "value")


def test_a_value_copied_to_another_organization_does_not_open_even_with_the_same_uuid(
    credential: Credential, umbrella: Organization, mallory: User
) -> None:
    stolen = new_credential(umbrella, mallory, "stolen", secret_access_key="theirs")
    sealed, uuid = read_column(credential, "secrets"), credential.uuid
    Credential.objects.filter(pk=credential.pk).delete()
    Credential.objects.filter(pk=stolen.pk).update(uuid=uuid)
    write_column(stolen, "secrets", sealed)
    assert closed(stolen, "secrets")


def test_a_row_moved_to_another_organization_does_not_open(credential: Credential, umbrella: Organization) -> None:
    Credential.objects.filter(pk=credential.pk).update(organization=umbrella)
    assert closed(credential, "secrets")


def test_a_row_under_another_uuid_does_not_open(credential: Credential, umbrella: Organization) -> None:
    Credential.objects.filter(pk=credential.pk).update(uuid=umbrella.uuid)
    assert closed(credential, "secrets")


def test_another_key_id_written_into_the_header_does_not_open(credential: Credential, umbrella: Organization) -> None:
    sealed = read_column(credential, "secrets")
    write_column(credential, "secrets", sealed[:1] + umbrella.data_keys.get().uuid.bytes + sealed[17:])
    assert closed(credential, "secrets")


def test_every_byte_of_a_stored_value_counts(credential: Credential) -> None:
    sealed = read_column(credential, "secrets")
    for position in range(len(sealed)):
        write_column(
            credential, "secrets", sealed[:position] + bytes([sealed[position] ^ 0xFF]) + sealed[position + 1 :]
        )
        assert closed(credential, "secrets"), position
    write_column(credential, "secrets", sealed)
    assert not closed(credential, "secrets")


def test_an_empty_value_does_not_open(credential: Credential) -> None:
    write_column(credential, "secrets", b"")
    assert closed(credential, "secrets")


def test_pages_show_rows_that_cannot_be_opened(
    credential: Credential, variable: EnvironmentVariable, acme: Organization, alice: User, sign_in: SignIn
) -> None:
    automation = Automation.objects.create(organization=acme, name="Crew", slug="crew")
    automation.variables.add(variable)
    write_column(credential, "secrets", b"\x01" + bytes(60))
    write_column(variable, "value", read_column(credential, "secrets"))
    client, base = sign_in(alice), f"/organizations/{acme.uuid}"
    for path in (
        "/settings/credentials/",
        f"/settings/credentials/{credential.uuid}/",
        f"/settings/credentials/{credential.uuid}/edit/",
        f"/settings/credentials/{credential.uuid}/delete/",
        "/environment-variables/",
        f"/environment-variables/{variable.uuid}/edit/",
        f"/environment-variables/{variable.uuid}/delete/",
        f"/automations/{automation.uuid}/",
    ):
        assert client.get(base + path).status_code == 200, path


# --- Reading costs nothing ------------------------------------------------------------------------------------------
def test_reading_rows_opens_none(credential: Credential, unsealed: list[models.Model]) -> None:
    assert [row.name for row in Credential.objects.all()] == ["aws-canary"]
    assert unsealed == []
    Credential.objects.get().secrets.reveal()
    assert len(unsealed) == 1


def test_a_deferred_value_is_read_with_one_query(credential: Credential, django_assert_num_queries: Any) -> None:
    credential = Credential.objects.defer("secrets").get()
    credential.organization_id  # noqa: B018 - loaded
    with django_assert_num_queries(1):
        assert credential.secrets.reveal() == {"secret_access_key": CANARY}
        assert credential.secrets.reveal() == {"secret_access_key": CANARY}


def test_a_deferred_value_of_a_deleted_row_says_that_the_row_is_gone(credential: Credential) -> None:
    deferred = Credential.objects.defer("secrets").get()
    credential.delete()
    with pytest.raises(Credential.DoesNotExist):
        deferred.secrets  # noqa: B018 - reading is the act


@pytest.mark.parametrize("path", ["settings/credentials/", "environment-variables/", "automations/"])
def test_lists_neither_open_nor_select_sealed_columns(
    credential: Credential,
    variable: EnvironmentVariable,
    acme: Organization,
    alice: User,
    sign_in: SignIn,
    unsealed: list[models.Model],
    path: str,
) -> None:
    client = sign_in(alice)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(f"/organizations/{acme.uuid}/{path}").status_code == 200
    assert unsealed == []
    selected = " ".join(query["sql"] for query in queries)
    assert '"credentials_credential"."secrets"' not in selected
    assert '"envvars_environmentvariable"."value"' not in selected
    assert '"organizations_membership"' in selected  # the capture saw the request's queries


# --- The declaration ------------------------------------------------------------------------------------------------
def test_a_model_without_a_place_is_refused_by_the_checks() -> None:
    class Homeless(models.Model):  # noqa: DJ008 - never stored
        secret = SealedField()

        class Meta:
            app_label = "credentials"
            managed = False

    try:
        errors = Homeless._meta.get_field("secret").check()
        assert [error.id for error in errors] == ["crewadmin.sealing.E001"] * 2
    finally:
        from django.apps import apps

        del apps.all_models["credentials"]["homeless"]
        apps.clear_cache()


def test_the_products_sealed_columns_pass_the_checks() -> None:
    assert Credential._meta.get_field("secrets").check() == []
    assert EnvironmentVariable._meta.get_field("value").check() == []

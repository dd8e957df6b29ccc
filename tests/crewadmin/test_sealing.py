"""crewadmin.sealing, the cipher: a value opens in its own place with its own key, and nowhere else."""

import os
import time
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from crewadmin import sealing
from crewadmin.sealing import (
    DataKeyMaterial,
    SealedBytes,
    SealError,
    key_ring,
    keyed_hash,
    master_key_id,
    new_data_key,
    seal,
    unseal,
)
from organizations.models import DataKey, Organization, User
from organizations.services.organizations import create_organization

OTHER_FERNET_KEY = "b3RoZXItMzItcmFuZG9tLWJ5dGVzLTRuUTd4WjJrVzk="
KEY_ID, ORGANIZATION_ID = UUID(int=0xA1), UUID(int=0xB2)
KEY = DataKeyMaterial(KEY_ID, 1, ORGANIZATION_ID, bytes(range(32)))


def row(model: str = "credentials.credential", uuid: int = 0xC3) -> Any:
    """A row as sealing sees it: what a place is named by."""
    return SimpleNamespace(organization_id=1, uuid=UUID(int=uuid), _meta=SimpleNamespace(label_lower=model))


class Ring:
    """A key ring with one key, whatever is asked of it."""

    def __init__(self, key: DataKeyMaterial = KEY) -> None:
        self.key = key

    def current(self, row: Any) -> DataKeyMaterial:
        return self.key

    def named(self, organization_id: int, key_id: bytes) -> DataKeyMaterial:
        return self.key


@pytest.fixture
def one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "key_ring", Ring())


# --- The format -----------------------------------------------------------------------------------------------------
def test_the_format_is_the_one_that_databases_already_hold(one_key: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", lambda size: bytes(range(100, 100 + size)))
    sealed = seal(row(), "secrets", {"secret_access_key": "value", "ü": "ß"})
    assert sealed.hex() == (
        "01000000000000000000000000000000a1"
        "6465666768696a6b6c6d6e6f"
        "3339ad031a9b33ea61033c8bbf1619a229a77f28b14e8513cba4c96ad78166f4"
        "b6d36203d330e668cfe52a875cfce03a2d1fdf1576faff"
    )
    assert unseal(row(), "secrets", sealed).reveal() == {"secret_access_key": "value", "ü": "ß"}


def test_ten_thousand_values_have_ten_thousand_nonces(one_key: None) -> None:
    sealed = [seal(row(), "secrets", "the same") for _ in range(10_000)]
    assert len({value[17:29] for value in sealed}) == 10_000
    assert len(set(sealed)) == 10_000


encodable = st.text(st.characters(exclude_categories=["Cs"]))


@given(value=encodable | st.dictionaries(encodable, encodable | st.integers() | st.none(), max_size=5))
@settings(max_examples=500, deadline=None)
def test_every_text_and_object_comes_back_as_it_was(value: str | dict[str, Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealing, "key_ring", Ring())
        assert unseal(row(), "secrets", seal(row(), "secrets", value)).reveal() == value


# --- What does not open ---------------------------------------------------------------------------------------------
def test_every_flipped_byte_is_refused(one_key: None) -> None:
    sealed = seal(row(), "secrets", "value")
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 0x01
        if 1 <= position < 17:
            continue  # the key id: proven below, where it chooses another key
        with pytest.raises(SealError):
            unseal(row(), "secrets", bytes(changed))


def test_every_truncation_and_every_addition_is_refused(one_key: None) -> None:
    sealed = seal(row(), "secrets", "value")
    for cut in range(len(sealed)):
        with pytest.raises(SealError):
            unseal(row(), "secrets", sealed[:cut])
    with pytest.raises(SealError):
        unseal(row(), "secrets", sealed + b"\0")


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_format_version_is_refused(one_key: None, version: int) -> None:
    sealed = seal(row(), "secrets", "value")
    with pytest.raises(SealError, match="format"):
        unseal(row(), "secrets", bytes([version]) + sealed[1:])


@pytest.mark.parametrize(
    ("place", "column"),
    [
        (row(uuid=0xC4), "secrets"),
        (row(), "value"),
        (row(model="envvars.environmentvariable"), "secrets"),
    ],
    ids=["row", "column", "model"],
)
def test_a_value_opens_in_no_other_place_under_the_same_key(one_key: None, place: Any, column: str) -> None:
    with pytest.raises(SealError):
        unseal(place, column, seal(row(), "secrets", "value"))


@pytest.mark.parametrize(
    "other",
    [
        DataKeyMaterial(UUID(int=0xA2), 1, ORGANIZATION_ID, KEY.key),
        DataKeyMaterial(KEY_ID, 1, UUID(int=0xB3), KEY.key),
        DataKeyMaterial(KEY_ID, 1, ORGANIZATION_ID, bytes(32)),
    ],
    ids=["key id", "organization", "key"],
)
def test_a_value_opens_under_no_other_name_of_the_key(
    one_key: None, monkeypatch: pytest.MonkeyPatch, other: DataKeyMaterial
) -> None:
    sealed = seal(row(), "secrets", "value")
    monkeypatch.setattr(sealing, "key_ring", Ring(other))
    with pytest.raises(SealError):
        unseal(row(), "secrets", sealed)


def test_names_that_run_together_are_different_places(one_key: None) -> None:
    sealed = seal(row(model="ab"), "cd", "value")
    with pytest.raises(SealError):
        unseal(row(model="a"), "bcd", sealed)


def test_a_seal_error_tells_nothing_of_the_value(one_key: None) -> None:
    with pytest.raises(SealError) as caught:
        unseal(row(uuid=0xC4), "secrets", seal(row(), "secrets", "canary"))
    assert "canary" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert caught.value.__suppress_context__


def test_data_keys_show_no_key() -> None:
    assert "0102030405" not in f"{KEY!r}{new_data_key()!r}"
    assert repr(KEY.key) not in repr(KEY)
    assert repr(SealedBytes(b"\x01secret")) == "SealedBytes(7 bytes)"


# --- The key ring ---------------------------------------------------------------------------------------------------
def real_row(organization: Organization) -> Any:
    return SimpleNamespace(
        organization=organization,
        organization_id=organization.pk,
        uuid=uuid4(),
        _meta=SimpleNamespace(label_lower="credentials.credential"),
    )


def test_a_changed_key_id_finds_no_key(acme: Organization) -> None:
    place = real_row(acme)
    sealed = seal(place, "secrets", "value")
    for position in range(1, 17):
        changed = bytearray(sealed)
        changed[position] ^= 0x80
        with pytest.raises(SealError):
            unseal(place, "secrets", bytes(changed))


def test_the_key_of_another_organization_is_refused_also_when_it_is_remembered(
    acme: Organization, umbrella: Organization
) -> None:
    sealed = seal(real_row(umbrella), "secrets", "value")
    with pytest.raises(SealError, match="another organization"):
        unseal(real_row(acme), "secrets", sealed)
    key_ring.forget()
    with pytest.raises(SealError):
        unseal(real_row(acme), "secrets", sealed)


def test_an_organization_without_a_key_seals_nothing(db: None) -> None:
    keyless = Organization.objects.create(name="Keyless", slug="keyless")
    with pytest.raises(SealError, match="no such data key"):
        seal(real_row(keyless), "secrets", "value")


def test_a_retired_key_still_opens_what_it_sealed_and_seals_no_more(acme: Organization) -> None:
    place = real_row(acme)
    sealed = seal(place, "secrets", "value")
    DataKey.objects.filter(organization=acme).update(retired_at="2026-01-01T00:00:00Z")
    DataKey.objects.create(
        organization=acme, wrapped_key=new_data_key(), master_key_id=acme.data_keys.get().master_key_id
    )
    key_ring.forget()
    assert unseal(place, "secrets", sealed).reveal() == "value"
    assert seal(place, "secrets", "value")[1:17] != sealed[1:17]


def test_values_open_under_several_fernet_keys_whichever_is_newest(acme: Organization, settings: Any) -> None:
    place = real_row(acme)
    sealed = seal(place, "secrets", "value")
    for keys in ([OTHER_FERNET_KEY, *settings.FERNET_KEYS], [*settings.FERNET_KEYS, OTHER_FERNET_KEY]):
        settings.FERNET_KEYS = keys
        key_ring.forget()
        assert unseal(place, "secrets", sealed).reveal() == "value"


def test_without_its_fernet_key_nothing_opens(acme: Organization, settings: Any) -> None:
    place = real_row(acme)
    sealed = seal(place, "secrets", "value")
    settings.FERNET_KEYS = [OTHER_FERNET_KEY]
    key_ring.forget()
    with pytest.raises(SealError, match="FERNET_KEYS"):
        unseal(place, "secrets", sealed)


@pytest.mark.django_db(transaction=True)
def test_the_key_of_an_organization_that_was_rolled_back_seals_for_no_other(alice: User, mallory: User) -> None:
    with transaction.atomic():
        seal(real_row(create_organization("Gone", "gone", alice)), "secrets", "value")
        transaction.set_rollback(True)
    place = real_row(create_organization("Next", "next", mallory))  # on SQLite with the number of the one before
    sealed = seal(place, "secrets", "value")
    key_ring.forget()
    assert unseal(place, "secrets", sealed).reveal() == "value"


def test_the_current_key_is_remembered(acme: Organization, django_assert_num_queries: Any) -> None:
    seal(real_row(acme), "secrets", "value")
    with django_assert_num_queries(0):
        seal(real_row(acme), "secrets", "value")


def test_the_current_key_is_asked_for_again_after_a_minute(
    acme: Organization, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    seal(real_row(acme), "secrets", "value")
    later = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: later)
    with django_assert_num_queries(1):
        seal(real_row(acme), "secrets", "value")


# --- Data keys at rest ----------------------------------------------------------------------------------------------
def test_a_data_key_is_stored_wrapped(acme: Organization) -> None:
    key = acme.data_keys.get()
    raw = key.wrapped_key.unwrap()
    assert len(raw) == 32
    assert raw not in key.wrapped_key.token
    assert raw.hex().encode() not in key.wrapped_key.token
    assert raw.hex() not in repr(key.wrapped_key)


def test_saving_a_data_key_again_keeps_its_token(acme: Organization) -> None:
    key = acme.data_keys.get()
    token = key.wrapped_key.token
    key.save()
    assert acme.data_keys.get().wrapped_key.token == token


def test_a_plain_text_is_no_data_key(acme: Organization) -> None:
    key = acme.data_keys.get()
    key.wrapped_key = "00" * 32
    with pytest.raises(sealing.FieldError):
        key.save()


def test_a_master_key_id_names_its_key_and_tells_nothing_of_it(settings: Any) -> None:
    key = settings.FERNET_KEYS[0]
    assert master_key_id(key) == master_key_id(key) != master_key_id(OTHER_FERNET_KEY)
    assert len(master_key_id(key)) == 8
    assert master_key_id(key) not in key


# --- Keyed hashes ---------------------------------------------------------------------------------------------------
def test_keyed_hashes_differ_by_organization_purpose_and_message(acme: Organization, umbrella: Organization) -> None:
    first = keyed_hash(acme.pk, "audit", b"message")
    assert first == keyed_hash(acme.pk, "audit", b"message")
    assert len(first) == 32
    others = {
        keyed_hash(umbrella.pk, "audit", b"message"),
        keyed_hash(acme.pk, "other", b"message"),
        keyed_hash(acme.pk, "audit", b"massage"),
    }
    assert len(others | {first}) == 4

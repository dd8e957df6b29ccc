"""Sealing of secret values in the database; the only module that touches a cipher.

Two layers. Each organization has a *data key*, 32 random bytes, that seals its rows with AES-256-GCM. The data key
itself is stored wrapped by the newest of FERNET_KEYS (`WrappedKeyField`). Losing FERNET_KEYS loses every secret; a copy
of the database without them opens none.

A value that belongs to a person and to no organization, such as the seed of a second factor, is sealed under
FERNET_KEYS themselves: see `seal_for_person`.

A sealed value is `format version (1 byte) | data key id (16) | nonce (12) | ciphertext and tag`. Its additional data
names where it belongs: organization, model, row, column and key. Moved anywhere else it does not open.

The model of the data keys belongs to another layer and is named by `settings.DATA_KEY_MODEL`; it has the columns
`uuid`, `organization`, `wrapped_key`, `master_key_id`, `created_at` and `retired_at`.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, cast
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.exceptions import FieldError
from django.db import connections, models
from django.db.models.lookups import IsNull
from django.db.models.query_utils import DeferredAttribute
from fernet_fields import EncryptedTextField
from fernet_fields.hkdf import derive_fernet_key

from .redaction import MASK, Secret

FORMAT = b"\x01"
KEY_BYTES = 32
NONCE_BYTES = 12
_HEADER_BYTES = 1 + 16 + NONCE_BYTES
_KEY_RING_SECONDS = 60.0


class SealError(Exception):
    """A sealed value that cannot be opened: changed, moved, or its key is gone. Its text never holds a value."""


# --- Data keys ------------------------------------------------------------------------------------------------------
class DataKeyMaterial:
    """One data key, ready for use: its cipher, and what of the additional data is the same for all rows of a column."""

    def __init__(self, uuid: UUID, organization_id: int, organization_uuid: UUID, key: bytes) -> None:
        self.id = uuid.bytes
        self.organization_id = organization_id
        self.key = key
        self.cipher = AESGCM(key)
        self._organization_uuid = organization_uuid
        self._columns: dict[tuple[str, str], tuple[bytes, bytes]] = {}

    def __repr__(self) -> str:
        return f"DataKeyMaterial({UUID(bytes=self.id)})"

    def place(self, row: "SealedRow", field_name: str) -> bytes:
        """Name the place a value belongs to; each part carries its length, so that no two places read the same."""
        label = row._meta.label_lower
        column = self._columns.get((label, field_name))
        if column is None:
            before = _parts(FORMAT, self._organization_uuid.bytes, label.encode())
            column = self._columns[label, field_name] = before, _parts(field_name.encode(), self.id)
        return column[0] + _UUID_LENGTH + row.uuid.bytes + column[1]


def _parts(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4) + part for part in parts)


_UUID_LENGTH = (16).to_bytes(4)


class WrappedKeyField(EncryptedTextField):  # type: ignore[misc]  # the library is untyped
    """A data key, encrypted at rest under FERNET_KEYS by django-fernet-fields.

    Reading a row does not unwrap: the loaded value is the token, and only `unwrap` opens it. So a row under a lost
    master key breaks neither a page nor a dump, and a dump carries no key.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["editable"] = False
        super().__init__(*args, **kwargs)

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        """Wrap a new key; a token that was read and not changed is written back as it is."""
        if isinstance(value, WrappedKey):
            return connection.Database.Binary(value.token)
        if not isinstance(value, Secret):
            raise FieldError("A data key is stored only as a Secret made by new_data_key().")
        return super().get_db_prep_save(value.reveal(), connection)

    def from_db_value(self, value: Any, *args: Any) -> "WrappedKey | None":
        """Return the token as it is stored."""
        return None if value is None else WrappedKey(bytes(value))

    def value_to_string(self, obj: models.Model) -> str:
        """Keep keys out of dumps."""
        return MASK


@dataclass(frozen=True)
class WrappedKey:
    """A data key as stored: a Fernet token under one of FERNET_KEYS."""

    token: bytes = field(repr=False)

    def unwrap(self) -> bytes:
        """Return the 32 bytes. Raises SealError when none of FERNET_KEYS opens the token."""
        fernet = MultiFernet([Fernet(derive_fernet_key(key)) for key in settings.FERNET_KEYS])
        try:
            return bytes.fromhex(fernet.decrypt(self.token).decode())
        except InvalidToken:
            raise SealError("None of FERNET_KEYS opens this organization's data key.") from None


def new_data_key() -> Secret[str]:
    """Return 32 random bytes in hexadecimal, for a WrappedKeyField."""
    return Secret(os.urandom(KEY_BYTES).hex())


def master_key_id(fernet_key: str) -> str:
    """Return 8 characters that name one of FERNET_KEYS without telling anything of it."""
    return hashlib.sha256(b"crewadmin master key id" + fernet_key.encode()).hexdigest()[:8]


class _KeyRing:
    """Unwrapped data keys of this process: the current one per organization for a minute, each by its id for ever.

    Keys are looked up by their random id and checked against the organization, so an entry can never serve a row that
    it does not belong to.
    """

    def __init__(self) -> None:
        self._by_id: dict[bytes, DataKeyMaterial] = {}
        self._current: dict[UUID, tuple[float, DataKeyMaterial]] = {}

    def current(self, row: "SealedRow") -> DataKeyMaterial:
        """Return the key that seals for a row's organization now. Raises SealError if there is none."""
        # By its UUID: the number of an organization whose creation is rolled back may go to the next one.
        organization = row.organization.uuid
        until, material = self._current.get(organization, (0.0, None))
        if material is None or until < time.monotonic():
            material = self._load(row.organization_id, retired_at=None)
            self._current[organization] = time.monotonic() + _KEY_RING_SECONDS, material
        return material

    def named(self, organization_id: int, key_id: bytes) -> DataKeyMaterial:
        """Return an organization's key by its id. Raises SealError if the organization has no such key."""
        material = self._by_id.get(key_id) or self._load(organization_id, uuid=UUID(bytes=key_id))
        if material.organization_id != organization_id:
            raise SealError("This value was sealed for another organization.")
        return material

    def first(self, organization_id: int) -> DataKeyMaterial:
        """Return an organization's oldest key, which outlives every rotation."""
        return self._load(organization_id)

    def forget(self) -> None:
        """Drop everything, as a new process begins: for tests."""
        self._by_id.clear()
        self._current.clear()

    def _load(self, organization_id: int, **which: Any) -> DataKeyMaterial:
        rows = _data_keys().filter(organization_id=organization_id, **which).order_by("created_at", "pk")
        row = rows.values_list("uuid", "organization__uuid", "wrapped_key").first()
        if row is None:
            raise SealError("The organization has no such data key.")
        uuid, organization_uuid, wrapped = row
        material = DataKeyMaterial(uuid, organization_id, organization_uuid, wrapped.unwrap())
        self._by_id[material.id] = material
        return material


key_ring = _KeyRing()


def _data_keys() -> "models.QuerySet[Any]":
    return cast("models.QuerySet[Any]", apps.get_model(settings.DATA_KEY_MODEL)._default_manager.all())


def keyed_hasher(organization_id: int, purpose: str) -> Callable[[bytes], bytes]:
    """Return the function that hashes (32 bytes) as only a holder of the organization's first data key can.

    `purpose` keeps hashes for different uses apart. The key is read once; many messages then cost no query.
    """
    key = hmac.digest(key_ring.first(organization_id).key, b"crewadmin hash " + purpose.encode(), "sha256")
    return lambda message: hmac.digest(key, message, "sha256")


def keyed_hash(organization_id: int, purpose: str, message: bytes) -> bytes:
    """Return one hash of `keyed_hasher`."""
    return keyed_hasher(organization_id, purpose)(message)


# --- Sealing one value ----------------------------------------------------------------------------------------------
class SealedRow(Protocol):
    """What a model needs for its values to be sealed: an organization, and a UUID of its own before it is saved."""

    organization: Any
    organization_id: int
    uuid: UUID
    _meta: Any


class SealedBytes(bytes):
    """A sealed value as it is stored. Only `SealedField` makes one, so a plain value can never reach a column."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"SealedBytes({len(self)} bytes)"


def seal(row: SealedRow, field_name: str, value: str | dict[str, Any]) -> SealedBytes:
    """Seal a text or a JSON object for one column of one row. Raises SealError if the organization has no key."""
    key = key_ring.current(row)
    nonce = os.urandom(NONCE_BYTES)
    ciphertext = key.cipher.encrypt(nonce, _JSON.encode(value).encode(), key.place(row, field_name))
    return SealedBytes(FORMAT + key.id + nonce + ciphertext)


def unseal(row: SealedRow, field_name: str, sealed: bytes) -> Secret[Any]:
    """Open a sealed value of one column of one row.

    Raises SealError if it was changed, cut, moved here from elsewhere, or if its key is gone.
    """
    if len(sealed) < _HEADER_BYTES or sealed[:1] != FORMAT:
        raise SealError("This is not a sealed value of a known format.")
    key = key_ring.named(row.organization_id, sealed[1:17])
    try:
        plaintext = key.cipher.decrypt(sealed[17:_HEADER_BYTES], sealed[_HEADER_BYTES:], key.place(row, field_name))
    except InvalidTag:
        raise SealError("This value was changed after it was sealed, or it belongs to another place.") from None
    return Secret(_READ_JSON(plaintext.decode())[0])


# Made once: json.dumps makes an encoder for every call that asks for other than its defaults. What was sealed here has
# nothing around its JSON, which json.loads would look for.
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_READ_JSON = json.JSONDecoder().raw_decode


# --- The column -----------------------------------------------------------------------------------------------------
class _SealedAttribute(DeferredAttribute):
    """Opens a sealed value when it is first read, and takes plain values or Secrets on assignment."""

    field: "SealedField"

    def __get__(self, instance: Any, cls: type | None = None) -> Any:
        if instance is None:
            return self
        name = self.field.attname
        if name not in instance.__dict__:
            # Django's own way reads a second object, which then asks for its organization and its uuid.
            rows = type(instance)._base_manager.using(instance._state.db).filter(pk=instance.pk)
            instance.__dict__[name] = rows.values_list(name, flat=True).get()
        value = instance.__dict__[name]
        if isinstance(value, SealedBytes):
            return unseal(instance, self.field.attname, value)
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        if value is not None and not isinstance(value, SealedBytes | Secret):
            if not isinstance(value, str | dict):
                raise FieldError(f"{self.field.name} takes a text, a dict or a Secret.")
            value = Secret(value)
        instance.__dict__[self.field.attname] = value


class SealedField(models.BinaryField):  # type: ignore[type-arg]  # the stubs' parameters say nothing here
    """A text or JSON object that is stored sealed and read as a `Secret`.

    Reading a row opens nothing; the first access of the attribute does, and raises SealError if the value cannot be
    opened. `save()` and `bulk_create()` seal. Everything that would bypass the row raises FieldError: `update()`,
    `F()`, `bulk_update()` and every lookup but `isnull`. Forms, `model_to_dict` and the admin do not see the field, and
    a dump shows a mask.
    """

    descriptor_class = _SealedAttribute

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["editable"] = False
        super().__init__(*args, **kwargs)

    def get_default(self) -> None:
        """Start without a value: there is no empty one."""

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Require what a place is named by: an `organization` and a `uuid` on the model."""
        messages = super().check(**kwargs)
        names = {column.name for column in self.model._meta.get_fields()}
        messages += [
            checks.Error(
                f"A model with a SealedField needs a field named '{name}'.", obj=self, id="crewadmin.sealing.E001"
            )
            for name in ("organization", "uuid")
            if name not in names
        ]
        return messages

    def from_db_value(self, value: Any, *args: Any) -> SealedBytes | None:
        """Keep what was read sealed."""
        return None if value is None else SealedBytes(value)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001 - Django's signature
        """Seal a new value; leave one that was only read as it is."""
        value = model_instance.__dict__.get(self.attname)
        if isinstance(value, Secret):
            value = seal(cast(SealedRow, model_instance), self.attname, value.reveal())
        return _Ready(value)

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        """Refuse whatever did not come through the row."""
        if not isinstance(value, _Ready):
            raise FieldError(f"{self.name} is sealed: assign it on an object and save that.")
        return super().get_db_prep_save(value.sealed, connection)

    def get_lookup(self, lookup_name: str) -> type[IsNull]:
        """Allow nothing but isnull: a lookup would print the plain value into the SQL log."""
        if lookup_name != "isnull":
            raise FieldError(f"{self.name} is sealed and cannot be searched or compared.")
        return IsNull

    def get_transform(self, lookup_name: str) -> None:
        """Allow none."""
        raise FieldError(f"{self.name} is sealed and cannot be searched or compared.")

    def value_from_object(self, obj: models.Model) -> Any:
        """Open nothing: who asks here writes it elsewhere. A row that cannot be opened must not break a dump."""
        return obj.__dict__.get(self.attname)

    def value_to_string(self, obj: models.Model) -> str:
        """Keep values out of dumps."""
        return MASK

    def to_python(self, value: Any) -> Any:
        """Leave values as they are; a fixture's mask is refused at save."""
        return value


@dataclass(frozen=True)
class _Ready:
    """A sealed value (or none) on its way from `pre_save` to the database."""

    sealed: SealedBytes | None


# --- Values of a person ---------------------------------------------------------------------------------------------
def seal_for_person(purpose: str, value: Secret[str]) -> str:
    """Seal a text that belongs to a person and to no organization, under the newest of FERNET_KEYS.

    Returns ASCII text, fit for a JSON column: in URL-safe base64 `format version (1 byte) | master key id (8) | nonce
    (12) | ciphertext and tag`. `purpose` says what the value is for; sealed for one purpose it opens for no other.
    """
    key = settings.FERNET_KEYS[0]
    header, nonce = FORMAT + master_key_id(key).encode(), os.urandom(NONCE_BYTES)
    ciphertext = _personal_cipher(key, purpose).encrypt(nonce, value.reveal().encode(), header)
    return base64.urlsafe_b64encode(header + nonce + ciphertext).decode()


def open_for_person(purpose: str, sealed: str) -> Secret[str]:
    """Open what `seal_for_person` sealed. Raises SealError if it was changed, cut, or its key is gone."""
    try:
        raw = base64.b64decode(sealed, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise SealError("This is no sealed value.") from None
    header, nonce, ciphertext = raw[:_PERSONAL_HEADER], raw[_PERSONAL_HEADER:][:NONCE_BYTES], raw[_PERSONAL_NONCE_END:]
    key = next((key for key in settings.FERNET_KEYS if header == FORMAT + master_key_id(key).encode()), None)
    if key is None or len(raw) < _PERSONAL_NONCE_END:
        raise SealError("None of FERNET_KEYS sealed this value.")
    try:
        return Secret(_personal_cipher(key, purpose).decrypt(nonce, ciphertext, header).decode())
    except InvalidTag:
        raise SealError("A sealed value of a person was changed, or is for another purpose.") from None


_PERSONAL_HEADER = len(FORMAT) + 8
_PERSONAL_NONCE_END = _PERSONAL_HEADER + NONCE_BYTES


def _personal_cipher(fernet_key: str, purpose: str) -> AESGCM:
    """Return the cipher of one purpose; its key is derived, so that FERNET_KEYS themselves seal nothing twice."""
    key = base64.urlsafe_b64decode(fernet_key)
    return AESGCM(hmac.digest(key, b"crewadmin value of a person " + purpose.encode(), "sha256"))


# --- Checks at start ------------------------------------------------------------------------------------------------
def unknown_master_keys(databases: Iterable[str]) -> Iterator[str]:
    """Yield the ids of master keys that wrap data keys but are not among FERNET_KEYS."""
    known = [master_key_id(key) for key in settings.FERNET_KEYS]
    for database in databases:
        used = _data_keys().using(database).exclude(master_key_id__in=known)
        yield from used.order_by("master_key_id").values_list("master_key_id", flat=True).distinct()


@checks.register(checks.Tags.database)
def check_master_keys(databases: Iterable[str] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Refuse to start on a database whose data keys were wrapped by a key that we do not have."""
    table = apps.get_model(settings.DATA_KEY_MODEL)._meta.db_table
    ready = [name for name in databases or () if table in connections[name].introspection.table_names()]
    known = ", ".join(master_key_id(key) for key in settings.FERNET_KEYS)
    return [
        checks.Error(
            f"This database's secrets need the FERNET_KEYS entry {missing}, which is not configured.",
            hint=f"Configured are: {known}. Add the missing key behind them; without it its secrets stay closed.",
            id="crewadmin.sealing.E002",
        )
        for missing in unknown_master_keys(ready)
    ]

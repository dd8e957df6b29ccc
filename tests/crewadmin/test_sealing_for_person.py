"""crewadmin.sealing: values that belong to a person."""

import base64
from typing import Any

import pytest

from crewadmin.redaction import Secret
from crewadmin.sealing import SealError, open_for_person, seal_for_person

NEW_KEY = "b3RoZXItMzItcmFuZG9tLWJ5dGVzLTRuUTd4WjJrVzk="


def test_a_value_comes_back_wrapped() -> None:
    sealed = seal_for_person("seed", Secret("JBSWY3DPEHPK3PXP"))
    assert sealed.isascii()
    assert b"JBSWY3DP" not in base64.urlsafe_b64decode(sealed)
    opened = open_for_person("seed", sealed)
    assert opened.reveal() == "JBSWY3DPEHPK3PXP"
    assert "JBSW" not in repr(opened)


def test_the_same_value_is_sealed_differently_each_time() -> None:
    assert seal_for_person("seed", Secret("x")) != seal_for_person("seed", Secret("x"))


def test_a_value_opens_for_its_own_purpose_only() -> None:
    with pytest.raises(SealError, match="another purpose"):
        open_for_person("another", seal_for_person("seed", Secret("x")))


def test_every_changed_byte_and_every_cut_is_refused() -> None:
    raw = base64.urlsafe_b64decode(seal_for_person("seed", Secret("value")))
    for position in range(len(raw)):
        changed = bytearray(raw)
        changed[position] ^= 0x01
        for hostile in (bytes(changed), raw[:position]):
            with pytest.raises(SealError):
                open_for_person("seed", base64.urlsafe_b64encode(hostile).decode())


@pytest.mark.parametrize("text", ["", "JBSWY3DPEHPK3PXP", "not base64!", "ü"])
def test_what_was_never_sealed_is_refused(text: str) -> None:
    with pytest.raises(SealError):
        open_for_person("seed", text)


def test_an_older_key_still_opens_and_a_missing_one_does_not(settings: Any) -> None:
    sealed = seal_for_person("seed", Secret("x"))
    settings.FERNET_KEYS = [NEW_KEY, *settings.FERNET_KEYS]
    assert open_for_person("seed", sealed).reveal() == "x"
    settings.FERNET_KEYS = [NEW_KEY]
    with pytest.raises(SealError, match="None of FERNET_KEYS"):
        open_for_person("seed", sealed)

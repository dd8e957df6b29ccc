"""crewadmin.keys: a file of new keys, readable by its owner only, and never in place of another."""

import os
import stat
from pathlib import Path

from dotenv import dotenv_values

from crewadmin.environment import read_key, read_keys
from crewadmin.keys import write_env_file


def test_new_keys_are_random_valid_and_for_the_owner_only(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        assert write_env_file(tmp_path / "one", {"HTTPS": "off"})
        assert write_env_file(tmp_path / "two")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o600
    one, two = (
        {name: value or "" for name, value in dotenv_values(tmp_path / name).items()} for name in ("one", "two")
    )
    for values in (one, two):
        secret_key = read_key(values, "SECRET_KEY")
        assert len(read_keys(values, "FERNET_KEYS", other_than=secret_key)) == 1
    assert one["HTTPS"] == "off"
    assert not {one["SECRET_KEY"], one["FERNET_KEYS"]} & set(two.values())


def test_an_existing_file_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("FERNET_KEYS=the only copy\n")
    assert not write_env_file(file)
    assert file.read_text() == "FERNET_KEYS=the only copy\n"


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to(tmp_path / "elsewhere")
    assert not write_env_file(tmp_path / ".env")
    assert not (tmp_path / "elsewhere").exists()

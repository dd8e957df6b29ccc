"""crewadmin.checks, and the check of master keys in crewadmin.sealing."""

from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from crewadmin.checks import check_key_file_mode, refuse_unsafe_start
from crewadmin.sealing import check_master_keys, master_key_id, unknown_master_keys
from organizations.models import DataKey, Organization

OTHER_KEY = "b3RoZXItMzItcmFuZG9tLWJ5dGVzLTRuUTd4WjJrVzk="


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_a_key_file_that_others_can_read_is_warned_of(settings: Any, tmp_path: Path, mode: int, warned: bool) -> None:
    settings.BASE_DIR = tmp_path
    (tmp_path / ".env").touch()
    (tmp_path / ".env").chmod(mode)
    assert [message.id for message in check_key_file_mode()] == ["crewadmin.W001"] * warned


def test_no_key_file_is_no_warning(settings: Any, tmp_path: Path) -> None:
    settings.BASE_DIR = tmp_path
    assert check_key_file_mode() == []


def test_a_database_of_our_keys_starts(acme: Organization) -> None:
    assert check_master_keys(databases=["default"]) == []
    refuse_unsafe_start()


def test_a_database_of_other_keys_is_refused_naming_both(
    acme: Organization, umbrella: Organization, settings: Any
) -> None:
    [ours] = settings.FERNET_KEYS
    settings.FERNET_KEYS = [OTHER_KEY]
    [error] = check_master_keys(databases=["default"])
    assert error.level == checks.ERROR
    with pytest.raises(ImproperlyConfigured) as caught:
        refuse_unsafe_start()
    assert master_key_id(ours) in str(caught.value)
    assert master_key_id(OTHER_KEY) in str(caught.value)
    assert ours not in str(caught.value)
    assert OTHER_KEY not in str(caught.value)


def test_one_organization_under_an_unknown_key_is_enough(acme: Organization, umbrella: Organization) -> None:
    DataKey.objects.filter(organization=umbrella).update(master_key_id="unknown1")
    assert list(unknown_master_keys(["default"])) == ["unknown1"]


def test_an_older_key_behind_the_newest_is_known(acme: Organization, settings: Any) -> None:
    settings.FERNET_KEYS = [OTHER_KEY, *settings.FERNET_KEYS]
    assert check_master_keys(databases=["default"]) == []


def test_a_check_without_databases_asks_none() -> None:
    assert check_master_keys() == []  # pytest would refuse the access


def test_a_database_without_tables_is_no_error(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DataKey._meta, "db_table", "not_migrated_yet")
    assert check_master_keys(databases=["default"]) == []

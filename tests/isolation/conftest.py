"""The stage for each test."""

from typing import Any

import pytest

from organizations import sessions
from organizations.models import Organization, User
from sandbox.aws import Sandbox
from tests.isolation.stage import Missing, Stage
from tests.organizations.conftest import rows_of


@pytest.fixture
def stage(
    acme: Organization,
    umbrella: Organization,
    alice: User,
    mallory: User,
    sandbox: Sandbox,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Stage:
    """Acme and Umbrella with one row of everything, and rows that are missing and deleted."""
    # A walk that takes longer than a minute would meet the one answer that brings a newer cookie.
    monkeypatch.setattr(sessions, "_USE_IS_WRITTEN_EVERY", 3600)
    gone = rows_of(acme, alice)
    deleted = {kind: Missing(row.uuid) for kind, row in gone.items()}
    for row in reversed(gone.values()):  # what refers to others comes after them
        row.delete()
    own, foreign = rows_of(acme, alice), rows_of(umbrella, mallory)
    missing = dict.fromkeys(own, Missing())
    return Stage(acme, umbrella, {"own": own, "foreign": foreign, "missing": missing, "deleted": deleted})

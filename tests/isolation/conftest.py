"""The stage for each test."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from credentials.models import ConnectionTest
from credentials.testing import PER_MINUTE
from organizations import sessions
from organizations.models import Organization, User
from sandbox.aws import Sandbox
from tests.isolation.stage import FOREIGN_KEY, Missing, Stage
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


@pytest.fixture
def renamed(stage: Stage) -> Stage:
    """Umbrella's rows under names of their own, so that each can be told from Acme's."""
    for kind, row in stage.rows["foreign"].items():
        for name in ("slug", "key", "name"):
            if isinstance(getattr(row, name, None), str):
                value = {"slug": f"foreign-{kind}", "key": f"FOREIGN_{kind.upper()}"}.get(name, f"Foreign {kind}")
                type(row)._base_manager.filter(pk=row.pk).update(**{name: value})
                setattr(row, name, value)
    credential = stage.rows["foreign"]["credential"]
    config = credential.config | {"access_key_id": FOREIGN_KEY}
    type(credential).objects.filter(pk=credential.pk).update(config=config)
    for minutes in (0, 5):  # as many as a minute allows, and some of settings that were never stored
        for _test in range(PER_MINUTE):
            test = ConnectionTest.objects.create(organization=stage.umbrella, provider="aws", ok=False)
            ConnectionTest.objects.filter(pk=test.pk).update(created_at=timezone.now() - timedelta(minutes=minutes))
    return stage

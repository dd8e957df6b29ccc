"""What an automation gets when it starts: the one place that `run` and the HTTP endpoint ask."""

import json
from collections.abc import Collection

from crewadmin.sealing import keyed_hash

from .delivery.formats import revealed
from .models import Automation
from .resolving import Resolution, resolve_for


def environment_for(
    automation: Automation, delivery: str, *, by_label: str = "", only: Collection[str] | None = None
) -> Resolution:
    """Return the values that an automation starts with, or its problems, and write down that it happened.

    `delivery` is `run` or `api`, `by_label` who asked if it was no command. `only` are the keys wanted, None for all.
    """
    return resolve_for(automation, None, delivery, by_label=by_label, only=only)


def mark_of(automation: Automation, resolution: Resolution) -> str:
    """Return a text that is another one whenever a value is another, and from which nothing can be learned.

    It is a keyed hash, so nobody can compare it with a guess: of the versions that were read, and of the values,
    because a reference may come to mean another part of the same version.
    """
    read = [sorted(resolution.versions.items()), sorted(revealed(resolution.values).items())]
    content = json.dumps([str(automation.uuid), read])
    return keyed_hash(automation.organization_id, "environment", content.encode()).hex()

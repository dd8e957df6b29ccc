"""What an automation gets when it starts: the one place that the commands and the HTTP endpoint ask.

It resolves then, or it gets what was deployed last and no vault is asked: see `Automation.resolves_at`.
"""

import json
from collections.abc import Collection

from django.conf import settings

from crewadmin.sealing import keyed_hash

from .delivery.formats import revealed
from .deployed import NotDeployedError, deployed_values, newest
from .models import Automation
from .resolving import Resolution, record_resolution, resolve_for, variables_of


def environment_for(
    automation: Automation, delivery: str, *, by_label: str = "", only: Collection[str] | None = None
) -> Resolution:
    """Return the values that an automation starts with, or its problems, and write down that it happened.

    `delivery` is a format, `run` or `api`, `by_label` who asked if it was no command. `only` are the keys wanted, None
    for all. Raises NotDeployedError if it resolves at deploy and there is nothing deployed.
    """
    if not automation.resolves_at_deploy:
        max_age = settings.SECRET_CACHE_SECONDS
        return resolve_for(automation, None, delivery, by_label=by_label, only=only, max_age=max_age)
    try:
        resolution = deployed_values(automation, only)
    except NotDeployedError as error:
        record_resolution(automation, None, delivery, Resolution({}, (), 0), by_label=by_label, failure=error.code)
        raise
    record_resolution(automation, None, delivery, resolution, by_label=by_label)
    return resolution


def unknown_keys(automation: Automation, keys: Collection[str]) -> list[str]:
    """Return those of `keys` that an automation does not start with, or once it is deployed will not start with."""
    deployment = newest(automation) if automation.resolves_at_deploy else None
    rows = deployment.variables.filter(key__in=keys) if deployment else variables_of(automation, keys)
    there = set(rows.values_list("key", flat=True))
    return [key for key in keys if key not in there]


def mark_of(automation: Automation, resolution: Resolution) -> str:
    """Return a text that is another one whenever a value is another, and from which nothing can be learned.

    It is a keyed hash, so nobody can compare it with a guess: of the versions that were read, and of the values,
    because a reference may come to mean another part of the same version.
    """
    read = [sorted(resolution.versions.items()), sorted(revealed(resolution.values).items())]
    content = json.dumps([str(automation.uuid), read])
    return keyed_hash(automation.organization_id, "environment", content.encode()).hex()

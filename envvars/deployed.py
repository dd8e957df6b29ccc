"""What was deployed, as it is read again: values to start with, what changed since, how two deployments differ.

No vault is asked for any of it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from django.utils.translation import gettext_lazy as _

from credentials.models import Credential
from credentials.providers.failures import FailureCode, Text
from crewadmin.redaction import Secret
from crewadmin.sealing import SealError, keyed_hasher

from .models import Automation, DeployedVariable, Deployment, EnvironmentVariable
from .names import reason_to_refuse
from .resolving import Problem, Resolution, credentials_of, variables_of, version_mark


class NotDeployedError(Exception):
    """An automation resolves at deploy, and nothing was deployed that it could start with."""

    code = "not_deployed"
    title: Text = _("Not deployed yet: run deploy")
    detail: Text = _("This automation starts with the values that were deployed last. Deploy it, then start it again.")


class SnapshotClosedError(NotDeployedError):
    """What was deployed cannot be opened."""

    code = "snapshot_closed"
    title = _("The deployed values cannot be opened")
    detail = _(
        "They were sealed with a key that this server does not have, or changed in the database. Deploy again; if that "
        "fails too, ask the server's administrator whether a key is missing from FERNET_KEYS."
    )


def deployed_values(automation: Automation, only: Collection[str] | None = None) -> Resolution:
    """Return the values of the newest deployment; `only` are the keys that are wanted, None for all.

    Raises NotDeployedError, or SnapshotClosedError, which is one.
    """
    deployment = newest(automation, with_values=True)
    if deployment is None:
        raise NotDeployedError
    try:
        stored: dict[str, str] = deployment.snapshot.reveal()
    except SealError:
        raise SnapshotClosedError from None
    rows = [row for row in deployment.variables.order_by("key") if only is None or row.key in only]
    refused = {row.key for row in rows if reason_to_refuse(row.key)}  # deployed before the name was refused
    delivered = [row for row in rows if row.key not in refused]
    return Resolution(
        values={row.key: Secret(stored[row.key]) for row in delivered},
        problems=tuple(Problem(key, FailureCode.NAME_REFUSED) for key in sorted(refused)),
        secrets_read=0,
        versions={row.key: version_mark(_version_ids(row), row.configured_at) for row in delivered},
    )


def newest(automation: Automation, *, with_values: bool = False) -> Deployment | None:
    """Return an automation's newest deployment; its sealed column is left in the database unless it is wanted."""
    rows = Deployment.objects.of(automation)
    return (rows.defer(None) if with_values else rows).first()


def _version_ids(row: DeployedVariable) -> Iterator[str]:
    return (secret["version_id"] for secret in row.secrets)


# --- Fingerprints ---------------------------------------------------------------------------------------------------
def fingerprint_hasher(organization_id: int) -> Callable[[str, str], bytes]:
    """Return the function that makes 32 bytes of a key and its value: the same for the same, in one organization only.

    The key goes in, so that two variables with the same value do not look alike. Nobody without the organization's
    data key can compare a fingerprint with a guess.
    """
    hasher = keyed_hasher(organization_id, "deployed value")
    return lambda key, value: hasher(f"{key}\0{value}".encode())


# --- What changed since ---------------------------------------------------------------------------------------------
class Change(StrEnum):
    """How a variable differs from an earlier time."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


def changes_since(automation: Automation, deployment: Deployment) -> dict[str, Change]:
    """Return by key how the automation's variables are configured otherwise than when they were deployed.

    Configured: assigned or not, where the value comes from, a value typed in, and which credential it is read with. A
    secret that was rotated in its vault is no change here, nor is a credential that was edited. Five queries at most.
    """
    now = {variable.key: variable for variable in variables_of(automation).defer("value")}
    then = {row.key: row for row in deployment.variables.all()}
    credentials = credentials_of(automation.organization, now.values())
    changes = dict.fromkeys(then.keys() - now.keys(), Change.REMOVED)
    typed: dict[int, DeployedVariable] = {}
    for key, variable in now.items():
        row = then.get(key)
        if row is None:
            changes[key] = Change.ADDED
        elif _differs(variable, credentials.get(variable.pk), row):
            changes[key] = Change.CHANGED
        elif not variable.is_secret and (variable.uuid, variable.updated_at) != (row.variable_uuid, row.configured_at):
            typed[variable.pk] = row
    return changes | dict.fromkeys(_typed_anew(automation, typed), Change.CHANGED)


def _differs(variable: EnvironmentVariable, credential: Credential | None, row: DeployedVariable) -> bool:
    """Whether a variable's value comes from elsewhere than it came from."""
    columns = ("source", "provider", "reference", "version_stage")
    if any(getattr(variable, column) != getattr(row, column) for column in columns):
        return True
    return (credential.uuid if credential else None) != row.credential_uuid


def _typed_anew(automation: Automation, rows: dict[int, DeployedVariable]) -> Iterator[str]:
    """Yield the keys of those variables, by primary key, whose value is not the one that was deployed.

    They were saved since, if only to be assigned elsewhere.
    """
    if not rows:
        return
    try:
        hasher = fingerprint_hasher(automation.organization_id)
    except SealError:  # nothing can be compared
        yield from (row.key for row in rows.values())
        return
    for variable in EnvironmentVariable.objects.filter(pk__in=rows).select_related("organization"):
        try:
            same = hasher(variable.key, variable.value.reveal()) == bytes(rows[variable.pk].fingerprint)
        except SealError:
            same = False
        if not same:
            yield variable.key


# --- Two deployments ------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Difference:
    """One key in two deployments: what became of its value, told by the fingerprints alone."""

    key: str
    change: Change
    before: DeployedVariable | None
    after: DeployedVariable | None


def differences(before: Iterable[DeployedVariable], after: Iterable[DeployedVariable]) -> list[Difference]:
    """Return what became of each key between two deployments, by key."""
    first, second = ({row.key: row for row in rows} for rows in (before, after))
    return [_difference(key, first.get(key), second.get(key)) for key in sorted(first.keys() | second.keys())]


def _difference(key: str, before: DeployedVariable | None, after: DeployedVariable | None) -> Difference:
    if before is None or after is None:
        change = Change.ADDED if before is None else Change.REMOVED
    else:
        same = bytes(before.fingerprint) == bytes(after.fingerprint)
        change = Change.UNCHANGED if same else Change.CHANGED
    return Difference(key, change, before, after)

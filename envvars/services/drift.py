"""Find out which deployed values are not what vaults hold any more, and remember since when.

No value is read: vaults are asked which version of a secret is the current one (of AWS: DescribeSecret), and that is
compared with the version that was read at the time of the deployment. A value that was typed in cannot drift.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeAlias

from django.db import transaction
from django.utils import timezone

from credentials.models import Credential
from credentials.providers.base import ProviderError, SecretId
from credentials.providers.failures import FailureCode
from crewadmin.sealing import SealError
from organizations.audit import changing, record
from organizations.models import AuditEvent, Organization, User

from .. import webhook
from ..models import Automation, DeployedVariable, Deployment, EnvironmentVariable
from ..resolving import ask_all

#: The id of the version that a vault holds now, or why it is not known; by credential and secret.
_Versions: TypeAlias = Mapping[tuple[int | None, SecretId], str | FailureCode]


@dataclass(frozen=True)
class Drift:
    """What became of the deployment that one automation starts with.

    `compared` counts the variables that vaults were asked about. `stale` tells by key since when another version is
    known of, `unknown` why nothing could be told. What was stale stays so until it can be told again.
    """

    deployment: Deployment
    compared: int
    stale: Mapping[str, datetime]
    unknown: Mapping[str, FailureCode]


def check_drift(
    organization: Organization, by: User | None = None, *, automation: Automation | None = None
) -> list[Drift]:
    """Compare what an organization's automations, or one of them, were deployed with to what vaults hold now.

    Each secret is asked about once, however many automations were deployed with it; no transaction is open meanwhile.
    A deployment that was replaced while vaults were asked is left out. It is audited where a person asked, or where
    something is news; who else must hear of a deployment that went stale is told once (`envvars.webhook`).
    """
    deployments = (
        Deployment.objects.for_organization(organization).in_use().select_related("automation", "organization")
    )
    if automation:
        deployments = deployments.filter(automation=automation)
    read: dict[int, list[DeployedVariable]] = {deployment.pk: [] for deployment in deployments}
    rows = DeployedVariable.objects.filter(deployment__in=read).defer("fingerprint").order_by("key")
    for row in rows.exclude(source=EnvironmentVariable.Source.DIRECT):
        read[row.deployment_id].append(row)
    versions = _versions_now(organization, (row for rows in read.values() for row in rows))
    found = (_store(organization, deployment, read[deployment.pk], versions, by) for deployment in deployments)
    return [drift for drift in found if drift]


def _versions_now(organization: Organization, rows: Iterable[DeployedVariable]) -> _Versions:
    """Ask each vault once about the secrets that were read with its credential, as that is configured now."""
    wanted: dict[int | None, dict[SecretId, None]] = defaultdict(dict)
    for row in rows:
        wanted[row.credential_id] |= dict.fromkeys(_secrets_of(row))
    credentials = Credential.objects.filter(organization=organization).in_bulk([pk for pk in wanted if pk])
    versions: dict[tuple[int | None, SecretId], str | FailureCode] = {}
    questions: dict[int, Callable[[], Mapping[SecretId, str | ProviderError]]] = {}
    for pk, secrets in wanted.items():
        credential = credentials.get(pk or 0)
        if credential is None:  # deleted since
            versions |= {(pk, secret): FailureCode.NO_CREDENTIAL for secret in secrets}
            continue
        try:
            questions[credential.pk] = partial(credential.open_provider().versions, list(secrets))
        except SealError:
            versions |= {(pk, secret): FailureCode.CANNOT_BE_OPENED for secret in secrets}
    for pk, answers in ask_all(questions).items():
        for secret, answer in answers.items():
            versions[pk, secret] = answer.code if isinstance(answer, ProviderError) else answer
    return versions


def _secrets_of(row: DeployedVariable) -> list[SecretId]:
    return [SecretId(secret["secret_name"], secret["version_stage"]) for secret in row.secrets]


def _store(
    organization: Organization,
    deployment: Deployment,
    rows: Sequence[DeployedVariable],
    versions: _Versions,
    by: User | None,
) -> Drift | None:
    """Write down what was found out, unless there is a newer deployment by now."""
    with changing(organization):
        if not Deployment.objects.in_use().filter(pk=deployment.pk).exists():
            return None
        now = timezone.now()
        # As it is known now: somebody else may have compared while these answers were on their way.
        known = deployment.variables.values_list("pk", "stale_since", "unknown_code")
        before = {pk: (stale_since, unknown_code) for pk, stale_since, unknown_code in known}
        for row in rows:
            row.stale_since, row.unknown_code = before[row.pk]
            _judge(row, versions, now)
        changed = [row for row in rows if before[row.pk] != (row.stale_since, row.unknown_code)]
        _write(changed)
        stale = {row.key: row.stale_since for row in rows if row.stale_since}
        deployment.checked_at, deployment.stale_since = now, min(stale.values(), default=None)
        deployment.save(update_fields=["checked_at", "stale_since"])
        if by or changed:
            _record(organization, deployment, rows, by)
        if any(row.stale_since == now for row in changed):
            transaction.on_commit(lambda: webhook.tell_later(deployment.pk), robust=True)  # what was found stays
    unknown = {row.key: FailureCode(row.unknown_code) for row in rows if row.unknown_code}
    return Drift(deployment, len(rows), stale, unknown)


def _judge(row: DeployedVariable, versions: _Versions, now: datetime) -> None:
    """Set what is known of one variable: one other version makes it stale, whatever is not known of its others."""
    answers = [versions[row.credential_id, secret] for secret in _secrets_of(row)]
    codes = [answer for answer in answers if isinstance(answer, FailureCode)]
    moved = any(
        not isinstance(answer, FailureCode) and answer != secret["version_id"]
        for answer, secret in zip(answers, row.secrets, strict=True)
    )
    row.unknown_code = codes[0].value if codes else ""
    if moved:
        row.stale_since = row.stale_since or now
    elif not codes:
        row.stale_since = None


def _write(rows: Iterable[DeployedVariable]) -> None:
    """Store what changed, a statement for each state: there are few of these, and perhaps many rows."""
    alike: dict[tuple[datetime | None, str], list[int]] = defaultdict(list)
    for row in rows:
        alike[row.stale_since, row.unknown_code].append(row.pk)
    for (stale_since, unknown_code), ids in alike.items():
        DeployedVariable.objects.filter(pk__in=ids).update(stale_since=stale_since, unknown_code=unknown_code)


def _record(
    organization: Organization,
    deployment: Deployment,
    rows: Sequence[DeployedVariable],
    by: User | None,
) -> None:
    record(
        organization,
        by,
        AuditEvent.Action.AUTOMATION_COMPARED,
        deployment.automation,
        {
            "deployment": deployment.number,
            "variables": len(rows),
            "stale": [row.key for row in rows if row.stale_since],
            "problems": [f"{row.key}: {row.unknown_code}" for row in rows if row.unknown_code],
        },
    )

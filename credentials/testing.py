"""Run connection tests: within limits, audited before the call, stored afterwards.

Anybody who can press a button could otherwise keep every thread of the server waiting for a cloud, or use it to guess
keys. The limits of an organization hold across processes, because they are counted in the database under its row lock.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict
from datetime import timedelta
from math import ceil
from time import perf_counter
from typing import TypeVar, cast

from django.utils import timezone

from crewadmin.limits import TooManyError
from crewadmin.redaction import Secret
from crewadmin.sealing import SealError
from organizations.audit import Detail, Target, changing, record
from organizations.models import AuditEvent, Organization, User

from . import alerts
from .asking import slot
from .models import ConnectionTest, Credential
from .providers import provider_class
from .providers.base import Fetched, ProbeResult, ProviderError, SecretId, Step, StepResult, StepState, Trace
from .providers.failures import FailureCode
from .services import current_row
from .usage import secret_to_read

Action = AuditEvent.Action
T = TypeVar("T")

PER_MINUTE = 10
AT_ONCE = 2
#: How many tests of a credential are kept.
HISTORY = 50
_MINUTE = timedelta(minutes=1)


def run_connection_test(credential: Credential, by: User | None, secret_name: str = "") -> ConnectionTest:
    """Try a credential at its provider step by step and store how it went.

    It is tried as it is now, however long ago it was looked up. `secret_name` is the secret to describe and read; by
    default the first that a variable refers to. No transaction is open during the calls. Raises TooManyError, and
    Credential.DoesNotExist if it was deleted meanwhile.
    """
    with slot():
        test = _begin(credential.organization, by, credential.provider, credential)
        current = cast(Credential, test.credential)
        result, milliseconds = _timed(lambda: _probe(current, secret_name or secret_to_read(current)))
        _finish(test, result, milliseconds, by)
    credential.last_test = test
    return test


def try_settings(
    organization: Organization,
    by: User | None,
    provider: str,
    config: Mapping[str, str],
    secrets: Mapping[str, str],
    secret_name: str | None = None,
) -> ConnectionTest:
    """Try settings that are not stored, and store how it went, but not the settings. Raises TooManyError."""
    opened = provider_class(provider)(config, Secret(dict(secrets)))
    with slot():
        test = _begin(organization, by, provider, None)
        result, milliseconds = _timed(lambda: opened.probe(secret_name))
        _finish(test, result, milliseconds, by)
    return test


def check_trust(credential: Credential, by: User | None) -> FailureCode | None:
    """Try what the role's trust policy must refuse; return what the answers mean, None without a role.

    It counts as a connection test, is audited as what it is, and is not the credential's last test. Raises
    TooManyError, SealError, and Credential.DoesNotExist if it was deleted meanwhile.
    """
    provider = current_row(credential).open_provider()
    with slot():
        started = Action.CREDENTIAL_TRUST_CHECK_STARTED
        test = _begin(credential.organization, by, credential.provider, None, about=credential, action=started)
        code, milliseconds = _timed(lambda: provider.check_trust().code)
        state = StepState.FAILED if code is FailureCode.TRUST_WITHOUT_EXTERNAL_ID else StepState.PASSED
        result = ProbeResult((StepResult(Step.ASSUME_ROLE, state, milliseconds, code),))
        _finish(test, result, milliseconds, by, about=credential, action=Action.CREDENTIAL_TRUST_CHECKED)
    return code


def trace(credential: Credential, by: User | None, references: Iterable[SecretId], about: Target) -> Trace:
    """Read secrets with a credential and say how each step went, for what refers to them (`about`).

    It counts as a connection test, is audited as what it is, and is not the credential's last test. Raises
    TooManyError, SealError, and Credential.DoesNotExist if it was deleted meanwhile.
    """
    provider = current_row(credential).open_provider()
    with slot():
        started = Action.VARIABLE_TRACE_STARTED
        test = _begin(credential.organization, by, credential.provider, None, about=about, action=started)
        traced, milliseconds = _timed(lambda: provider.trace(references))
        result = ProbeResult((*traced.steps, *traced.reads.values()))
        _finish(test, result, milliseconds, by, about=about, action=Action.VARIABLE_TRACED)
    return traced


def read_for_check(
    credential: Credential, by: User, wanted: Collection[SecretId]
) -> Mapping[SecretId, Fetched | ProviderError]:
    """Read secrets for somebody who checks what is to refer to them.

    It counts as a connection test, is audited as what it is, with the secrets' names, and is not the credential's last
    test. Raises TooManyError, SealError, and Credential.DoesNotExist if it was deleted meanwhile.
    """
    credential = current_row(credential)
    provider = credential.open_provider()
    secrets: Mapping[str, Detail] = {"secrets": sorted({one.secret_name for one in wanted})}
    with slot():
        started = Action.REFERENCE_CHECK_STARTED
        test = _begin(credential.organization, by, credential.provider, None, credential, started, secrets)
        answers, milliseconds = _timed(lambda: provider.fetch(wanted))
        codes = [answer.code for answer in answers.values() if isinstance(answer, ProviderError)]
        state = StepState.FAILED if codes else StepState.PASSED
        result = ProbeResult((StepResult(Step.READ, state, milliseconds, codes[0] if codes else None),))
        _finish(test, result, milliseconds, by, about=credential, action=Action.REFERENCE_CHECKED)
    return answers


def try_reading(
    organization: Organization,
    by: User | None,
    provider: str,
    about: Target,
    read: Callable[[], tuple[T, FailureCode | None]],
) -> T:
    """Do what a preview of a change reads, and return its result; `read` also tells the first failure, or None.

    It counts as a connection test, and is audited as what it is, `about` the credential or the organization. Raises
    TooManyError.
    """
    with slot():
        test = _begin(organization, by, provider, None, about=about, action=Action.CREDENTIAL_PREVIEW_STARTED)
        (result, code), milliseconds = _timed(read)
        state = StepState.FAILED if code else StepState.PASSED
        outcome = ProbeResult((StepResult(Step.READ, state, milliseconds, code),))
        _finish(test, outcome, milliseconds, by, about=about, action=Action.CREDENTIAL_PREVIEWED)
    return result


def _begin(
    organization: Organization,
    by: User | None,
    provider: str,
    credential: Credential | None,
    about: Target | None = None,
    action: AuditEvent.Action = Action.CREDENTIAL_TEST_STARTED,
    details: Mapping[str, Detail] | None = None,
) -> ConnectionTest:
    """Store and audit that a test begins, if the organization's limits allow one more.

    The event is `about` the credential or what refers to it, or the organization for settings that belong to none yet;
    `details` are what it tells beside the provider.
    """
    target = about or credential or organization
    with changing(organization):
        _keep_limits(organization)
        # Of settings that are not stored only the limits want to know, for a minute.
        passing = ConnectionTest.objects.filter(organization=organization, credential=None)
        passing.filter(created_at__lte=timezone.now() - _MINUTE).delete()
        current = current_row(credential) if credential else None
        test = ConnectionTest.objects.create(
            organization=organization,
            credential=current,
            provider=provider,
            credential_version=current.version if current else 0,
            created_by=by,
            person_label=by.email if by else "command line",
        )
        record(organization, by, action, target, {"provider": provider, **(details or {})})
    return test


def _keep_limits(organization: Organization) -> None:
    """Raise TooManyError if one more test is too many; the caller holds the organization's row."""
    now = timezone.now()
    begun = list(
        ConnectionTest.objects.filter(organization=organization, created_at__gt=now - _MINUTE)
        .order_by("-created_at")
        .values_list("created_at", "ok")[:PER_MINUTE]
    )
    running = [at for at, ok in begun if ok is None and at > now - ConnectionTest.LONGEST]
    if len(running) >= AT_ONCE:
        raise TooManyError(5)
    if len(begun) >= PER_MINUTE:
        raise TooManyError(max(1, ceil((begun[-1][0] + _MINUTE - now).total_seconds())))


def _timed(work: Callable[[], T]) -> tuple[T, int]:
    """Return a result, and the milliseconds that it took."""
    started = perf_counter()
    result = work()
    return result, round((perf_counter() - started) * 1000)


def _probe(credential: Credential, target: str | None) -> ProbeResult:
    try:
        provider = credential.open_provider()
    except SealError:
        return ProbeResult((StepResult(Step.SHAPE, StepState.FAILED, code=FailureCode.CANNOT_BE_OPENED),))
    return provider.probe(target)


def _finish(
    test: ConnectionTest,
    result: ProbeResult,
    milliseconds: int,
    by: User | None,
    about: Target | None = None,
    action: AuditEvent.Action = Action.CREDENTIAL_TESTED,
) -> None:
    """Store the outcome, and forget what is older than the history shows."""
    with changing(test.organization):
        if test.credential:
            test.credential = current_row(test.credential)
        test.milliseconds, test.ok, test.steps = milliseconds, result.ok, [asdict(step) for step in result.steps]
        # Of settings that are not stored it may be forgotten by now.
        ConnectionTest.objects.filter(pk=test.pk).update(milliseconds=milliseconds, ok=test.ok, steps=test.steps)
        if test.credential:
            alerts.note_outcome(test.credential, test)
            Credential.objects.filter(pk=test.credential.pk).update(last_test=test, told=test.credential.told)
            kept = test.credential.tests.order_by("-id").values("pk")[:HISTORY]
            test.credential.tests.exclude(pk__in=list(kept.values_list("pk", flat=True))).delete()
        target = about or test.credential or test.organization
        record(test.organization, by, action, target, _outcome(result))


def _outcome(result: ProbeResult) -> dict[str, str]:
    if result.failure is None or result.failure.code is None:
        return {"result": "passed"}
    return {"result": "failed", "failure": result.failure.code.value}

"""Test again what was not tested for a while, a few at once and spread out.

A credential whose keys were refused is left alone until somebody changes it: asking again with refused keys looks like
an attack, and changes nothing.
"""

import random
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import timedelta

from django.db import connection
from django.db.models import F, Q
from django.utils import timezone

from crewadmin.limits import TooManyError

from .models import ConnectionTest, Credential, CredentialQuerySet, Health
from .providers.failures import FailureCode
from .testing import run_connection_test

#: How old a test may become.
STALE = timedelta(hours=24)
_REFUSED_KEYS = frozenset({FailureCode.ACCESS_KEY_ID_UNKNOWN, FailureCode.SECRET_ACCESS_KEY_WRONG})

Outcome = tuple[Credential, ConnectionTest | None]


def due_credentials(stale: timedelta, among: CredentialQuerySet | None = None) -> Iterator[Credential]:
    """Yield every credential that was not tested for this long, or not since it was changed, oldest test first.

    Left out is one whose keys were refused: it fails until somebody changes it.
    """
    rows = Credential.objects.all() if among is None else among
    fresh = Q(last_test__created_at__gt=timezone.now() - stale, last_test__credential_version=F("version"))
    rows = rows.exclude(fresh).select_related("organization", "last_test").defer("secrets")
    for credential in rows.order_by(F("last_test__created_at").asc(nulls_first=True), "pk"):
        refused = credential.health == Health.FAILING and credential.last_test and credential.last_test.failed_step
        if not refused or refused["code"] not in _REFUSED_KEYS:
            yield credential


def retest(credentials: Iterable[Credential], at_once: int, pause: float) -> Iterator[Outcome]:
    """Test credentials, at most `at_once` at the same time, about `pause` seconds from one start to the next.

    Yields each as its test ends, with None for one that was deleted meanwhile.
    """
    with ThreadPoolExecutor(at_once, thread_name_prefix="retest") as pool:
        running: set[Future[Outcome]] = set()
        for number, credential in enumerate(credentials):
            if number:
                time.sleep(random.uniform(0.5, 1.5) * pause)  # noqa: S311 - only not all in step
            if len(running) >= at_once:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
            running.add(pool.submit(_retest_in_thread, credential))
        yield from (future.result() for future in wait(running).done)


def _retest_in_thread(credential: Credential) -> Outcome:
    try:
        return credential, _retest_within_limits(credential)
    finally:
        connection.close()  # this thread's own


def _retest_within_limits(credential: Credential) -> ConnectionTest | None:
    """Test a credential as soon as its organization's limits, which people share, allow it."""
    while True:
        try:
            return run_connection_test(credential, None)
        except TooManyError as error:
            time.sleep(error.seconds)
        except Credential.DoesNotExist:
            return None

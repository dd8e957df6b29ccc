"""Connection tests and mails in the background; see `crewadmin.celery`. Tasks take ids and return nothing."""

import random
from typing import Any

from crewadmin.celery import app
from crewadmin.limits import TooManyError

from .alerts import mail_change_of_state
from .health import STALE, due_credentials
from .models import ConnectionTest, Credential
from .testing import run_connection_test

# Seconds. Tests start within this time, and are few enough each second to be no burst. A task must not wait longer than
# the broker waits for a worker (`visibility_timeout`), which would then hand it to a second one.
_SPREAD, _SPACING = 30 * 60, 5


@app.task  # type: ignore[untyped-decorator]  # celery is untyped
def retest_due() -> None:
    """Have every credential tested again whose last test is too old, spread over the next minutes."""
    due = [credential.pk for credential in due_credentials(STALE)]
    for credential_id in due:
        start = random.uniform(0, min(_SPREAD, _SPACING * len(due)))  # noqa: S311 - only not all in step
        retest.apply_async([credential_id], countdown=start)


@app.task(bind=True, max_retries=10)  # type: ignore[untyped-decorator]  # celery is untyped
def retest(self: Any, credential_id: int) -> None:
    """Test one credential, unless it was deleted or tested meanwhile; later, if its organization tests too much."""
    for credential in due_credentials(STALE, among=Credential.objects.filter(pk=credential_id)):
        try:
            run_connection_test(credential, None)
        except Credential.DoesNotExist:
            return
        except TooManyError as error:
            raise self.retry(countdown=error.seconds + random.uniform(0, _SPACING)) from None  # noqa: S311 - as above


@app.task  # type: ignore[untyped-decorator]  # celery is untyped
def mail_change(test_id: int) -> None:
    """Mail people what a test found out, unless its credential was deleted meanwhile."""
    test = ConnectionTest.objects.select_related("credential__organization").filter(pk=test_id).first()
    if test and test.credential:
        mail_change_of_state(test.credential, test)

"""How many people may wait for vaults at a time, and how often each may ask: pages stay quick while a cloud is slow."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from crewadmin.limits import TooManyError, seconds_to_wait
from organizations.models import User

#: How often one person may have all values of automations read or compared in a minute.
PER_MINUTE = 20

# The other threads of the process stay free for pages.
_slots = threading.BoundedSemaphore(settings.CONNECTION_TESTS_AT_ONCE)


@contextmanager
def slot() -> Iterator[None]:
    """Hold one of this process's places for whoever waits for a vault. Raises TooManyError if all are taken."""
    if not _slots.acquire(blocking=False):
        raise TooManyError(5)
    try:
        yield
    finally:
        _slots.release()


@contextmanager
def asking(by: User) -> Iterator[None]:
    """Let a person ask vaults for a whole automation. Raises TooManyError, and what is inside is not done."""
    if seconds := seconds_to_wait(f"vaults-asked:{by.pk}", PER_MINUTE):
        raise TooManyError(seconds)
    with slot():
        yield

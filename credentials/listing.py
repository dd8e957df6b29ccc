"""The names of a credential's secrets, for somebody who is choosing one.

Who types asks often. What was answered is kept for a minute, for that person and that version of that credential, and
a longer beginning is looked up in the list of a shorter one where that was complete. Kept are names, and the two dates
that mark them; never a value. What still goes to the vault is limited: a person by the minute, a process by how many
of its threads wait for a list.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from operator import attrgetter

from django.conf import settings
from django.core.cache import cache

from crewadmin.limits import TooManyError, seconds_to_wait
from organizations.models import User

from .models import Credential
from .providers.base import MOST_LISTED, ListedSecret, ProviderError

#: Seconds for which a list is kept, and a refusal: somebody is repairing that.
KEPT, REFUSAL_KEPT = 60, 10
#: Lists that one person has read of vaults in a minute.
PER_MINUTE = 60
#: Seconds to wait for a place; a list takes a moment, unless its vault is slow.
_PATIENCE = 1.0

# Half as many as connection tests, beside them: there remain threads for pages.
_slots = threading.BoundedSemaphore(max(1, settings.CONNECTION_TESTS_AT_ONCE // 2))


def names_of(credential: Credential, by: User, prefix: str) -> tuple[ListedSecret, ...]:
    """Return MOST_LISTED secrets at most whose names begin with `prefix`, by name; capital letters count.

    Whether the person may use the credential is the caller's question. No transaction is open during the call. Raises
    ProviderError, SealError if the credential cannot be opened, and TooManyError.
    """
    place = f"secret-names:{by.pk}:{credential.uuid}:{credential.version}"
    if refusal := cache.get(place):
        raise ProviderError(*refusal)
    if (known := _known(place, prefix)) is not None:
        return known
    with _slot():
        if seconds := seconds_to_wait(f"listings:{by.pk}", PER_MINUTE):
            raise TooManyError(seconds)
        try:
            listed = credential.open_provider().list_names(prefix)
        except ProviderError as error:
            cache.set(place, (error.code, error.step, dict(error.facts)), REFUSAL_KEPT)
            raise
    names = tuple(replace(one, description="") for one in sorted(listed, key=attrgetter("name")))
    cache.set(_key(place, prefix), names, KEPT)
    return names


def _known(place: str, prefix: str) -> tuple[ListedSecret, ...] | None:
    """Return what is known to begin with `prefix`: the list itself, or a part of one that lacked nothing."""
    shorter = {_key(place, prefix[:length]): length for length in range(len(prefix) + 1)}
    for key, listed in cache.get_many(shorter).items():
        if shorter[key] == len(prefix) or len(listed) < MOST_LISTED:
            return tuple(one for one in listed if one.name.startswith(prefix))
    return None


def _key(place: str, prefix: str) -> str:
    return f"{place}:{sha256(prefix.encode()).hexdigest()}"


@contextmanager
def _slot() -> Iterator[None]:
    """Hold one of this process's places for lists."""
    if not _slots.acquire(timeout=_PATIENCE):
        raise TooManyError(5)
    try:
        yield
    finally:
        _slots.release()

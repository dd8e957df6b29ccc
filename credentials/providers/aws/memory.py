"""What one process remembers of a credential between two uses: never on disk, never for another credential.

The key is the scope that the provider was opened with, which names the organization, the credential and its version,
and the settings that are not secret. botocore's own cache of sessions knows the role only: two tenants with the same
role and External ID would share a session, though the keys of one of them are wrong.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from ..base import Fetched, SecretId

if TYPE_CHECKING:
    from .client import Keys

#: Seconds for which a missing right to read in batches is believed: somebody may grant it.
BATCH_DENIED = 900.0
#: Credentials that are remembered at a time, and values of each.
MOST_CREDENTIALS, MOST_VALUES = 256, 5_000


class Memory:
    """What is known of one version of one credential. Its methods may be called by several threads at once."""

    def __init__(self) -> None:
        #: Whether AWS has accepted the credential: then everything may be asked at once.
        self.proven = False
        #: Whether a batch was read.
        self.batch_allowed = False
        self._batch_denied_until = 0.0
        self._lock = threading.Lock()
        self._session: tuple[Keys, float] | None = None
        self._values: OrderedDict[SecretId, tuple[Fetched, float]] = OrderedDict()

    @property
    def batch_denied(self) -> bool:
        """Whether a batch was refused a short while ago."""
        return time.monotonic() < self._batch_denied_until

    def deny_batch(self) -> None:
        """Remember that a batch was refused."""
        self.batch_allowed = False
        self._batch_denied_until = time.monotonic() + BATCH_DENIED

    def session(self, assume: "Callable[[], Keys]", seconds: float, refused: "Keys | None" = None) -> "Keys":
        """Return the role's session: the one there is, or what `assume` gives, to be kept for `seconds`.

        `refused` is a session that AWS takes no more; of several threads that met it, the first asks for a new one.
        """
        with self._lock:
            if self._session is None or self._session[0] is refused or time.monotonic() >= self._session[1]:
                asked = time.monotonic()
                self._session = assume(), asked + seconds
            return self._session[0]

    def values(self, wanted: Iterable[SecretId], seconds: int) -> dict[SecretId, Fetched]:
        """Return those of the wanted secrets that were read in the last `seconds` seconds."""
        if not seconds:
            return {}
        since = time.monotonic() - seconds
        with self._lock:
            kept = ((one, self._values[one]) for one in wanted if one in self._values)
            return {one: value for one, (value, read_at) in kept if read_at > since}

    def keep(self, values: Mapping[SecretId, Fetched]) -> None:
        """Keep values that were read just now; beyond MOST_VALUES the oldest go."""
        now = time.monotonic()
        with self._lock:
            for one, value in values.items():
                self._values[one] = value, now
                self._values.move_to_end(one)
            while len(self._values) > MOST_VALUES:
                self._values.popitem(last=False)


_memories: OrderedDict[tuple[str | None, ...], Memory] = OrderedDict()
_lock = threading.Lock()


def memory_of(scope: str, *settings: str | None) -> Memory:
    """Return what is remembered under a scope and the settings it was opened with; without a scope that is nothing."""
    if not scope:
        return Memory()
    with _lock:
        memory = _memories.setdefault((scope, *settings), Memory())
        _memories.move_to_end((scope, *settings))
        if len(_memories) > MOST_CREDENTIALS:
            _memories.popitem(last=False)
        return memory


def forget() -> None:
    """Forget everything, as a new process would have."""
    with _lock:
        _memories.clear()

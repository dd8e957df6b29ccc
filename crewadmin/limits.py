"""How often somebody may ask, counted in the cache, minute by minute.

Without a shared cache (CACHE_URL) every process counts for itself.
"""

from time import time

from django.core.cache import cache
from django.http import HttpResponse


class TooManyError(Exception):
    """A limit is reached; `seconds` is how long to wait before another try."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Try again in {seconds} s.")
        self.seconds = seconds


def seconds_to_wait(who: str, per_minute: int) -> int:
    """Count a request of `who`, a key of the cache; return 0 if it may go on, else the seconds to the next minute."""
    now = time()
    key = f"{who}:{int(now // 60)}"
    cache.add(key, 0, timeout=120)
    try:
        requests = cache.incr(key)
    except ValueError:  # thrown out of a full cache between the two lines
        requests = 1
    return 0 if requests <= per_minute else 60 - int(now % 60)


def with_retry_after(response: HttpResponse, seconds: int | None) -> HttpResponse:
    """Tell a program that was refused by a limit how long to wait; None and 0 are no refusal."""
    if seconds:
        response.headers["Retry-After"] = str(seconds)
    return response

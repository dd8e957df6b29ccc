"""How often a service token may ask, counted in the cache, minute by minute."""

from time import time

from django.core.cache import cache

from ..models import ServiceToken

#: Requests per token and minute. An automation asks when it starts; one that polls does so every few seconds at most.
PER_MINUTE = 60


def seconds_to_wait(token: ServiceToken) -> int:
    """Count a request; return 0 if it may go on, else the seconds until the next minute begins.

    Without a shared cache (CACHE_URL) every process counts for itself.
    """
    now = time()
    key = f"api-requests:{token.uuid}:{int(now // 60)}"
    cache.add(key, 0, timeout=120)
    try:
        requests = cache.incr(key)
    except ValueError:  # thrown out of a full cache between the two lines
        requests = 1
    return 0 if requests <= PER_MINUTE else 60 - int(now % 60)

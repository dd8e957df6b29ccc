"""How often a service token may ask."""

from crewadmin import limits

from ..models import ServiceToken

#: Requests per token and minute. An automation asks when it starts; one that polls does so every few seconds at most.
PER_MINUTE = 60


def seconds_to_wait(token: ServiceToken) -> int:
    """Count a request; return 0 if it may go on, else the seconds until the next minute begins."""
    return limits.seconds_to_wait(f"api-requests:{token.uuid}", PER_MINUTE)

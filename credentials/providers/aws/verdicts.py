"""Failures by how far they reach: one step, or everything that a credential is used for."""

from ..failures import FailureCode

#: Missing rights: they stop nothing but the step that needs them.
DENIED = frozenset(
    {
        FailureCode.LIST_DENIED,
        FailureCode.DESCRIBE_DENIED,
        FailureCode.BATCH_DENIED,
        FailureCode.EXPLICIT_DENY,
        FailureCode.DENIED_BY_BOUNDARY,
        FailureCode.DENIED_BY_ORGANIZATION,
        FailureCode.DENIED_BY_SECRET_POLICY,
        FailureCode.DENIED_BY_SESSION_POLICY,
        FailureCode.DENIED_BY_ENDPOINT_POLICY,
    }
)

#: Failures that every other secret would meet as well.
WHOLE_CREDENTIAL = frozenset(
    {
        FailureCode.ACCESS_KEY_ID_UNKNOWN,
        FailureCode.SECRET_ACCESS_KEY_WRONG,
        FailureCode.CLOCK_SKEW,
        FailureCode.REGION_NOT_ENABLED,
        FailureCode.KEYS_NOT_ACCEPTED,
        FailureCode.SESSION_EXPIRED,
        FailureCode.ACCOUNT_NOT_READY,
        FailureCode.DNS_FAILED,
        FailureCode.CONNECTION_REFUSED,
        FailureCode.CONNECT_TIMEOUT,
        FailureCode.TLS_FAILED,
        FailureCode.PROXY_REFUSED,
        FailureCode.REQUEST_ALTERED,
        FailureCode.UNEXPECTED_RESPONSE,
        FailureCode.TIMED_OUT,
    }
)

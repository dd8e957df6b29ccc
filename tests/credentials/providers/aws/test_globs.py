"""IAM's wildcards, held against plain matching of all short texts."""

import re
import time
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials.providers.aws.globs import GlobSet

#: All texts of up to eight characters; "z" stands in no pattern, so it is whatever only a wildcard matches.
TEXTS = ["".join(characters) for length in range(9) for characters in product("az", repeat=length)]
PATTERNS = st.text("ab*?", max_size=5)


def expression(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(char, char) for char in pattern))


def matched(pattern: str) -> frozenset[str]:
    return frozenset(text for text in TEXTS if expression(pattern).fullmatch(text))


def covers(pattern: str, glob: str) -> bool:
    return GlobSet([(7, pattern)]).covering(glob) == {7}


def meets(pattern: str, glob: str) -> bool:
    return GlobSet([(7, pattern)]).meeting(glob) == {7}


@settings(database=None, deadline=None)
@given(PATTERNS, st.text("abz", max_size=6))
def test_a_plain_text_is_matched_as_by_a_regular_expression(pattern: str, text: str) -> None:
    assert covers(pattern, text) is meets(pattern, text) is bool(expression(pattern).fullmatch(text))


def test_all_short_patterns_cover_and_meet_exactly_what_their_texts_say() -> None:
    patterns = ["".join(characters) for length in range(6) for characters in product("a*?", repeat=length)]
    globs = GlobSet(enumerate(patterns))
    texts = [matched(pattern) for pattern in patterns]
    for glob, found in zip(patterns, texts, strict=True):
        assert globs.covering(glob) == {owner for owner, others in enumerate(texts) if found <= others}
        assert globs.meeting(glob) == {owner for owner, others in enumerate(texts) if found & others}


@pytest.mark.parametrize(
    ("pattern", "glob", "covered"),
    [
        ("*", "", True),
        ("*", "*", True),
        ("**", "*", True),
        ("?", "*", False),
        ("a?c", "a?c", True),
        ("a?c", "a*c", False),
        ("?*", "*?", True),
        ("?*", "*a", True),
        ("?*", "*", False),
        ("a*", "ab?*", True),
        ("secret:a-??????", "secret:a-AbCdEf", True),
        ("secret:a-AbCdEf", "secret:a-??????", False),
        ("[ab]", "a", False),
        ("[ab]", "[ab]", True),
        ("a", "A", False),
    ],
)
def test_covering_of_patterns_as_they_occur(pattern: str, glob: str, covered: bool) -> None:
    assert covers(pattern, glob) is covered


@settings(database=None, deadline=None)
@given(st.lists(PATTERNS, max_size=6), PATTERNS)
def test_patterns_do_not_disturb_each_other(patterns: list[str], glob: str) -> None:
    together = GlobSet(enumerate(patterns))
    alone = [GlobSet([(owner, pattern)]) for owner, pattern in enumerate(patterns)]
    assert together.covering(glob) == frozenset().union(*(single.covering(glob) for single in alone))
    assert together.meeting(glob) == frozenset().union(*(single.meeting(glob) for single in alone))


def test_an_owner_of_several_patterns_is_named_if_any_of_them_matches() -> None:
    globs = GlobSet([(1, "a"), (2, "b"), (1, "c*")])
    assert globs.covering("cd") == {1}
    assert globs.meeting("?") == {1, 2}


def test_a_set_without_patterns_matches_nothing() -> None:
    assert GlobSet([]).covering("") == GlobSet([]).meeting("*") == frozenset()


@pytest.mark.parametrize("hostile", ["*a" * 16_000 + "b", "?*" * 16_000, "*" * 32_000, "*a*b" * 8_000])
def test_a_hostile_pattern_costs_no_more_than_its_length(hostile: str) -> None:
    globs = GlobSet([(1, hostile)])
    start = time.process_time()
    globs.covering("a" * 300)
    globs.meeting("a*" * 150)
    assert time.process_time() - start < 2

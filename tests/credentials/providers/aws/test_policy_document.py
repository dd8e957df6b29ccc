"""Pasted policies: what is read, and what is refused with the place where it is wrong."""

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials.providers.aws.policies import pretty, read_policy, trust_policy
from credentials.providers.aws.policy_document import (
    MAX_STATEMENTS,
    MAX_TEXT,
    Patterns,
    PolicyError,
    Statement,
    parse_policy,
)

ALLOW = {"Effect": "Allow", "Action": "secretsmanager:ListSecrets", "Resource": "*"}
PARSED = Statement(1, "Allow", Patterns(("secretsmanager:ListSecrets",)), Patterns(("*",)))


def policy(*statements: object, **top: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **top})


def refusal(text: str) -> PolicyError:
    with pytest.raises(PolicyError) as refused:
        parse_policy(text)
    return refused.value


@pytest.mark.parametrize(
    "text",
    [
        policy(ALLOW),
        policy(Statement=ALLOW),
        policy({**ALLOW, "Action": ["secretsmanager:ListSecrets"], "Resource": ["*"]}),
        policy({**ALLOW, "Sid": "X", "Condition": {}}, Id="anything"),
        "\ufeff" + policy(ALLOW),
        json.dumps({"Statement": ALLOW}),
        json.dumps({"PolicyName": "x", "PolicyDocument": {"Statement": ALLOW}}),
        json.dumps({"PolicyVersion": {"Document": {"Statement": ALLOW}, "IsDefaultVersion": True}}),
    ],
)
def test_every_form_that_iam_takes_or_prints_is_read(text: str) -> None:
    assert parse_policy(text) == (PARSED,)


def test_what_everything_but_means_is_kept() -> None:
    (found,) = parse_policy(policy({"Effect": "Deny", "NotAction": "iam:*", "NotResource": ["arn:aws:s3:::x"]}))
    assert found.actions == Patterns(("iam:*",), inverted=True)
    assert found.resources == Patterns(("arn:aws:s3:::x",), inverted=True)


def test_a_condition_is_kept_in_one_form() -> None:
    one = parse_policy(policy({**ALLOW, "Condition": {"Bool": {"a": "1"}, "Null": {"b": "2"}}}))
    other = parse_policy(policy({**ALLOW, "Condition": {"Null": {"b": "2"}, "Bool": {"a": "1"}}}))
    assert one == other
    assert one[0].condition


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ('{\n  "Version": "2012-10-17"\n  "Statement": []\n}', 3, 3, "comma is missing"),
        ('{\n  "Version": "2012-10-17",\n}', 3, 1, "comma may be left over"),
        ('{"Version" "2012-10-17"}', 1, 12, "colon"),
        ('{"Version": }', 1, 13, "value must follow"),
        ("{\u201cVersion\u201d: 1}", 1, 2, "straight double quotes"),
        ("{'Version': 1}", 1, 2, "straight double quotes"),
        ('{"Version": "2012', 1, 13, "closing quotation mark"),
        ('{"Version": "20\n12"}', 1, 16, "broken into lines"),
        ('{"Version": "\\x"}', 1, 14, "Not valid JSON"),
        ("{}\n\n{}", 3, 1, "remove what follows"),
        ('{"Statement": [\n {"Effect": "Allow",\n  "Effect": "Deny"}]}', 3, 3, "stands twice"),
        ('{"Statement": {"Action": 1, "\\u0041ction": 2}}', 1, 29, "stands twice"),
        ("\n" + '{"a":' * 21 + "1" + "}" * 21, 2, 101, "nested more deeply"),
        ("[" * 30_000, 1, 21, "nested more deeply"),
    ],
)
def test_bad_json_is_refused_with_its_place(text: str, line: int, column: int, words: str) -> None:
    error = refusal(text)
    assert (error.line, error.column) == (line, column)
    assert words in str(error)
    assert str(error).startswith(f"Line {line}, column {column}: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Paste the JSON text"),
        (" \n", "Paste the JSON text"),
        ("[]", "JSON object with Version and Statement"),
        ('"text"', "JSON object with Version and Statement"),
        ("null", "JSON object with Version and Statement"),
        (json.dumps(ALLOW), "JSON object with Version and Statement"),
        ('{"PolicyDocument": "%7B%22Version%22"}', "JSON object with Version and Statement"),
        ('{"Statement": NaN}', "NaN"),
        (policy(), "between 1 and 250"),
        (policy(*[ALLOW] * (MAX_STATEMENTS + 1)), "between 1 and 250"),
        (policy(ALLOW, Version="2020-01-01"), "Version of a policy"),
        (policy(ALLOW, Version=["2012-10-17"]), "Version of a policy"),
        (policy(ALLOW, Statements=[]), "Only Version, Id and Statement"),
        (" " * (MAX_TEXT + 1), "longer than any policy"),
        ('{"Statement": ' + "1" * 60_000 + "}", "A statement is a JSON object"),
    ],
)
def test_what_is_no_policy_is_refused(text: str, words: str) -> None:
    assert words in str(refusal(text))


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("Allow", "A statement is a JSON object"),
        ({**ALLOW, "Principal": "*"}, "Principal belongs to"),
        ({**ALLOW, "NotPrincipal": {"AWS": "*"}}, "Principal belongs to"),
        ({**ALLOW, "Actions": "x"}, "not known here"),
        ({**ALLOW, "Effect": "allow"}, "Effect must be"),
        ({**ALLOW, "Effect": ["Allow"]}, "Effect must be"),
        ({"Action": "*", "Resource": "*"}, "Effect must be"),
        ({"Effect": "Allow", "Resource": "*"}, "either Action or NotAction"),
        ({**ALLOW, "NotAction": "x:y"}, "either Action or NotAction"),
        ({"Effect": "Allow", "Action": "*"}, "either Resource or NotResource"),
        ({**ALLOW, "Action": []}, "An action looks like"),
        ({**ALLOW, "Action": "ListSecrets"}, "An action looks like"),
        ({**ALLOW, "Action": ["a:b", 1]}, "An action looks like"),
        ({**ALLOW, "Action": {"a": "b"}}, "An action looks like"),
        ({**ALLOW, "Action": "a:\ud800"}, "An action looks like"),
        ({**ALLOW, "Resource": "my-secret"}, "A resource is"),
        ({**ALLOW, "Resource": [["*"]]}, "A resource is"),
        ({**ALLOW, "Resource": "arn:aws:s3:::\ud800"}, "A resource is"),
        ({**ALLOW, "Resource": "arn:aws:s3:::\n"}, "A resource is"),
        ({**ALLOW, "Condition": "x"}, "Condition must be"),
    ],
)
def test_a_wrong_statement_is_refused_with_its_number(statement: object, words: str) -> None:
    error = refusal(policy(ALLOW, statement))
    assert error.statement == 2
    assert str(error).startswith("Statement 2: ")
    assert words in str(error)


def test_a_trust_policy_is_not_taken_for_an_identity_policy() -> None:
    assert "Principal belongs to" in str(refusal(pretty(trust_policy("123456789012"))))


CANARY = "canarySecret0123456789"


@pytest.mark.parametrize(
    "text",
    [
        CANARY,
        f'{{"{CANARY}": 1}}',
        f'{{"{CANARY}": 1, "{CANARY}": 1}}',
        policy(CANARY),
        policy({**ALLOW, CANARY: 1}),
        policy({**ALLOW, "Action": CANARY}),
        policy({**ALLOW, "Resource": CANARY}),
        policy({**ALLOW, "Condition": CANARY}),
        policy(ALLOW, Version=CANARY),
    ],
)
def test_an_error_never_repeats_what_was_pasted(text: str) -> None:
    error = refusal(text)
    assert CANARY not in f"{error} {error!r} {error.args}"
    assert CANARY not in str(error.__cause__)


@settings(database=None, deadline=None)
@given(st.text() | st.text('{}[]",:\\ aS*', max_size=200))
def test_no_text_at_all_raises_anything_else(text: str) -> None:
    with suppress(PolicyError):
        parse_policy(text)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.sampled_from(["*", "Allow", "a:b", "arn:a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Version", "Statement", "Effect", "Action", "NotAction", "Resource", "Condition", "Sid", "x"]
            ),
            inner,
            max_size=5,
        )
    ),
)


@settings(database=None, deadline=None)
@given(JSON)
def test_no_json_at_all_raises_anything_else(document: object) -> None:
    with suppress(PolicyError):
        statements = parse_policy(json.dumps({"Statement": document}))
        assert all(isinstance(text, str) for found in statements for text in found.actions.texts)


@pytest.mark.parametrize("text", ['"' + '\\"' * 32_000, '"a" ' * 16_000, '{"a"' + " " * 60_000, "{" * 60_000])
def test_hostile_text_is_refused_in_bounded_time(text: str) -> None:
    start = time.process_time()
    refusal(text)
    assert time.process_time() - start < 2


def test_the_guides_policy_is_one() -> None:
    assert [found.number for found in parse_policy(pretty(read_policy()))] == [1, 2]

"""`secret-name#json_key`: how a reference is read, and what it takes out of a secret."""

import json

import pytest
from django.core.exceptions import ValidationError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from credentials.providers.failures import FailureCode
from crewadmin.redaction import Secret
from envvars.references import (
    MOST_BYTES,
    MOST_NAMED,
    MOST_OF_LIST,
    Reference,
    ReferenceFailedError,
    Template,
    check,
    fits_environment,
    keys_in,
    parse,
    place_of,
)

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-gH4jKl"
DATABASE = json.dumps(
    {
        "password": "made-up",
        "port": 5432,
        "ratio": 0.5,
        "tls": True,
        "proxy": None,
        "hosts": ["a", "ü"],
        "options": {"pool": {"size": 10}},
        "empty": "",
        "a#b": "with a hash",
        "#": "only a hash",
        "quoted": '"{}"',
        "nested": {"hosts": [{"name": "db-0"}, {"name": "db-1", "port": 5433}], "a.b": "dotted"},
        "nested.hosts.0.name": "the literal key",
    }
)


def extract(reference: str, value: str | None) -> str:
    return Reference.parse(reference).extract(None if value is None else Secret(value)).reveal()


def failure(reference: str, value: str | None) -> ReferenceFailedError:
    with pytest.raises(ReferenceFailedError) as raised:
        extract(reference, value)
    return raised.value


@pytest.mark.parametrize(
    ("text", "name", "key"),
    [
        ("name", "name", ""),
        ("name#key", "name", "key"),
        ("crewai/db-1_x+=.@#key", "crewai/db-1_x+=.@", "key"),
        ("name#a#b", "name", "a#b"),
        ("name##", "name", "#"),
        ("name#", "name", ""),
        ("#key", "", "key"),
        ("", "", ""),
        (f"{ARN}#password", ARN, "password"),
    ],
)
def test_a_reference_is_split_at_its_first_hash(text: str, name: str, key: str) -> None:
    assert Reference.parse(text) == Reference(name, key)


@given(st.text(), st.text())
@settings(database=None, deadline=None)
def test_what_is_written_reads_the_same_again(name: str, key: str) -> None:
    reference = Reference(name.replace("#", ""), key)
    assert Reference.parse(str(reference)) == reference


@pytest.mark.parametrize("value", ["plain", "", DATABASE, "not { json", " blanks \n", "🔑"])
def test_without_a_key_the_whole_text_is_meant(value: str) -> None:
    assert extract("name", value) == value


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("password", "made-up"),
        ("port", "5432"),
        ("ratio", "0.5"),
        ("tls", "true"),
        ("proxy", "null"),
        ("hosts", '["a","ü"]'),
        ("options", '{"pool":{"size":10}}'),
        ("empty", ""),
        ("a#b", "with a hash"),
        ("#", "only a hash"),
        ("quoted", '"{}"'),
        ("nested.hosts.0.name", "the literal key"),
        ("nested.hosts.1.name", "db-1"),
        ("nested.hosts.1.port", "5433"),
        ("nested.hosts.1", '{"name":"db-1","port":5433}'),
        ("options.pool.size", "10"),
        ("hosts.1", "ü"),
    ],
)
def test_under_a_key_a_text_stands_for_itself_and_the_rest_as_json(key: str, text: str) -> None:
    assert extract(f"name#{key}", DATABASE) == text


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, FailureCode.BINARY),
        ("plain text", FailureCode.NOT_JSON),
        ("", FailureCode.NOT_JSON),
        ("{'password': 'single quotes'}", FailureCode.NOT_JSON),
        ('{"password": "cut', FailureCode.NOT_JSON),
        ('{"password": ' + "9" * 5000 + "}", FailureCode.NOT_JSON),
        ('{"password": ' + "[" * 100_000 + "]" * 100_000 + "}", FailureCode.NOT_JSON),
        ('["password"]', FailureCode.NOT_OBJECT),
        ('"password"', FailureCode.NOT_OBJECT),
        ("5432", FailureCode.NOT_OBJECT),
        ("null", FailureCode.NOT_OBJECT),
        ("{}", FailureCode.KEY_MISSING),
        ('{"Password": "capital"}', FailureCode.KEY_MISSING),
        ('{"password ": "blank"}', FailureCode.KEY_MISSING),
        ('{"password": "\\u0000"}', FailureCode.BINARY),
        ('{"password": "\\ud800"}', FailureCode.BINARY),
        ('{"password": ["\\ud800"]}', FailureCode.BINARY),
    ],
)
def test_a_secret_that_does_not_hold_what_is_meant_is_told_apart(value: str | None, code: FailureCode) -> None:
    assert failure("name#password", value).code == code


@pytest.mark.parametrize("value", [None, "a\0b", "\ud800"])
def test_what_no_environment_can_hold_is_refused_as_a_whole_text_too(value: str | None) -> None:
    assert failure("name", value).code == FailureCode.BINARY


def test_a_missing_key_comes_with_the_keys_there_are_and_no_value() -> None:
    error = failure("name#pasword", DATABASE)
    assert error.keys == tuple(sorted(json.loads(DATABASE)))
    assert "made-up" not in f"{error!r} {error} {error.args}"


def test_keys_that_cannot_be_shown_are_left_out() -> None:
    assert failure("name#x", '{"\\ud800": 1, "\\u0000": 2, "shown": 3}').keys == ("shown",)


@pytest.mark.parametrize("number", ["0.10", "1e3", "1.0", "-0.5E-7", "12345678901234567890.123", "1e999", "5432", "-1"])
def test_a_number_stands_as_it_is_written_in_the_secret(number: str) -> None:
    assert extract("name#key", f'{{"key": {number}}}') == number
    assert extract("name#key", f'{{"key": [{{"in": {number}}}]}}') == f'[{{"in":{number}}}]'


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_what_json_does_not_know_is_not_json(constant: str) -> None:
    assert failure("name#key", f'{{"key": {constant}}}').code == FailureCode.NOT_JSON


@pytest.mark.parametrize(
    ("path", "keys", "nearest"),
    [
        ("pasword", None, "password"),
        ("nested.host.0", ("nested.a.b", "nested.hosts"), "nested.hosts"),
        ("nested.hosts.2", ("nested.hosts.0", "nested.hosts.1"), "nested.hosts.1"),
        ("nested.hosts.-1", ("nested.hosts.0", "nested.hosts.1"), "nested.hosts.1"),
        ("nested.hosts.00", ("nested.hosts.0", "nested.hosts.1"), "nested.hosts.0"),
        ("hosts.\u0661", ("hosts.0", "hosts.1"), "hosts.1"),
        ("hosts." + "9" * 5000, ("hosts.0", "hosts.1"), ""),
        ("password.x", (), ""),
        ("proxy.x", (), ""),
        ("nested.", ("nested.a.b", "nested.hosts"), None),
    ],
)
def test_a_path_that_leads_nowhere_tells_where_it_leaves_off(
    path: str, keys: tuple[str, ...] | None, nearest: str | None
) -> None:
    error = failure(f"name#{path}", DATABASE)
    assert error.code == FailureCode.KEY_MISSING
    assert error.keys == (tuple(sorted(json.loads(DATABASE))) if keys is None else keys)
    assert nearest is None or error.nearest == nearest


def test_a_value_that_is_too_large_for_a_process_is_refused() -> None:
    assert extract("name", "x" * MOST_BYTES) == "x" * MOST_BYTES
    assert failure("name", "é" * (MOST_BYTES // 2 + 1)).code == FailureCode.VALUE_TOO_LARGE


def filled(text: str, **secrets: str) -> str:
    return parse(text).value(lambda reference: Secret(secrets[reference.secret_name])).reveal()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("postgres://${db#user}:${db#password|url}@host/app", "postgres://app:p%40ss%2F%25%20%C3%BC@host/app"),
        ("${db#user}", "app"),
        ("${db#user}${db#user}", "appapp"),
        ("$${${db#user}}", "${app}"),
        ("$$${db#user}", "$app"),
        ("$1 $ ${db#user}$", "$1 $ app$"),
        ("$$$$${db#user}", "$$app"),
        ("${plain|url}", "%20%22"),
    ],
)
def test_a_template_puts_each_value_in_its_place(text: str, value: str) -> None:
    assert filled(text, db='{"user": "app", "password": "p@ss/% ü"}', plain=' "') == value


@given(st.text(), st.text())
@settings(database=None, deadline=None)
def test_a_literal_text_and_any_value_come_out_as_they_went_in(literal: str, value: str) -> None:
    text = literal.replace("$", "$$") + "${db}"
    try:
        assert filled(text, db=value) == literal + value
    except ReferenceFailedError as error:
        assert error.code == FailureCode.BINARY  # noqa: PT017 - NUL, or a lone surrogate
        assert not fits_environment(literal + value)


def test_what_a_value_holds_is_no_template_again() -> None:
    assert filled("${db}", db="${other} $$ $${") == "${other} $$ $${"


def test_a_template_names_its_references_in_order_and_in_its_stage() -> None:
    template = parse("${b#x}-${a}-${b#x|url}", "AWSPREVIOUS")
    assert template.references == (
        Reference("b", "x", "AWSPREVIOUS"),
        Reference("a", "", "AWSPREVIOUS"),
        Reference("b", "x", "AWSPREVIOUS"),
    )
    assert str(template) == "${b#x}-${a}-${b#x|url}"


def test_a_template_fails_with_the_first_part_that_does() -> None:
    with pytest.raises(ReferenceFailedError) as raised:
        filled("${good}${bad#key}", good="x", bad="no JSON")
    assert raised.value.code == FailureCode.NOT_JSON


def test_parts_that_are_too_large_together_are_refused() -> None:
    with pytest.raises(ReferenceFailedError) as raised:
        filled("${half}${half}", half="x" * (MOST_BYTES // 2 + 1))
    assert raised.value.code == FailureCode.VALUE_TOO_LARGE


@given(st.text(alphabet="${}|#ab\\", max_size=20))
@settings(database=None, deadline=None)
def test_whatever_passes_the_check_can_be_read(text: str) -> None:
    try:
        written = check(text)
    except ValidationError:
        return
    assert isinstance(written, Template) == ("${" in text)
    assert all(reference.secret_name for reference in written.references)
    assert str(written) == text


@pytest.mark.parametrize("depth", range(900, 1100, 7))
def test_a_value_that_is_nested_as_deep_as_it_can_be_read_can_also_be_written(depth: int) -> None:
    nested = "[" * depth + "]" * depth
    try:
        assert extract("name#key", f'{{"key":{nested}}}') == nested
    except ReferenceFailedError as error:
        assert error.code == FailureCode.NOT_JSON  # noqa: PT017 - either is right, anything else is not


TEXT = st.text(max_size=10)
SIMPLE = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = SIMPLE | st.lists(SIMPLE, max_size=3) | st.dictionaries(TEXT, SIMPLE | st.lists(SIMPLE, max_size=3), max_size=3)


@given(TEXT, st.none() | st.text() | JSON.map(json.dumps))
@example("name#key", '{"key": 1e999}')
@example("name#key", '{"key": NaN}')
@example("name#key", '{"key": 1, "key": 2}')
@settings(database=None, deadline=None, max_examples=300)
def test_no_secret_raises_anything_but_a_failure(reference: str, value: str | None) -> None:
    try:
        text = extract(reference, value)
    except ReferenceFailedError:
        return
    assert fits_environment(text)


@given(st.dictionaries(st.text(min_size=1, max_size=10), JSON, min_size=1, max_size=4))
@settings(database=None, deadline=None, max_examples=100)
def test_every_key_of_an_object_is_found(content: dict[str, object]) -> None:
    for key, value in content.items():
        try:
            text = extract(f"name#{key}", json.dumps(content))
        except ReferenceFailedError as error:
            assert error.code == FailureCode.BINARY  # noqa: PT017 - a value with NUL or a lone surrogate
        else:
            assert text == value if isinstance(value, str) else json.loads(text) == value


# --- What can stand behind the hash ---------------------------------------------------------------------------------
def test_keys_come_as_they_are_and_then_the_paths_into_them() -> None:
    keys = keys_in(Secret(DATABASE))
    assert keys[:4] == ("#", "a#b", "empty", "hosts")
    assert [key for key in keys if key.startswith(("hosts", "options"))] == [
        "hosts",
        "options",
        "hosts.0",
        "hosts.1",
        "options.pool",
        "options.pool.size",
    ]
    assert "nested.hosts.1.port" in keys
    assert keys.count("nested.hosts.0.name") == 1
    assert "nested.a.b" not in keys  # a path cannot lead into a key with a dot


def test_what_cannot_be_typed_and_what_would_be_too_much_is_left_out() -> None:
    content = {"": 1, "two\nlines": 1, " blank": 1, "k" * 513: 1, "\ud800": 1, "${x": 1, "ok": list(range(50))}
    assert keys_in(Secret(json.dumps(content))) == ("ok", *(f"ok.{number}" for number in range(MOST_OF_LIST)))
    assert len(keys_in(Secret(json.dumps({f"k{number}": number for number in range(999)})))) == MOST_NAMED


@pytest.mark.parametrize(
    ("value", "code"),
    [(None, FailureCode.BINARY), ("text", FailureCode.NOT_JSON), ("[]", FailureCode.NOT_OBJECT)],
)
def test_a_secret_without_keys_tells_why(value: str | None, code: FailureCode) -> None:
    with pytest.raises(ReferenceFailedError) as raised:
        keys_in(value and Secret(value))  # type: ignore[arg-type]  # None stays None
    assert raised.value.code == code


_NAMES = st.text(alphabet="ab.#1 ${}|\n", max_size=4)
_CONTENT = st.recursive(
    st.integers(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4), max_leaves=12
)


@given(st.dictionaries(_NAMES, _CONTENT, max_size=5))
@settings(database=None, max_examples=300, deadline=None)
def test_every_key_that_is_offered_can_be_saved_and_has_a_value(content: dict[str, object]) -> None:
    text = json.dumps(content)
    for key in keys_in(Secret(text)):
        assert check(f"x#{key}").references[0].json_key == key
        assert extract(f"x#{key}", text)


# --- Where the caret is ---------------------------------------------------------------------------------------------
_TYPED = st.text(alphabet="ab#${}|. ", max_size=14)


@given(_TYPED, _TYPED)
@settings(database=None, max_examples=1000, deadline=None)
def test_nothing_but_the_word_that_the_caret_is_in_is_replaced(before: str, after: str) -> None:
    place = place_of(before, after)
    if place is None:
        assert "${" in before + after
        return
    assert place.before + place.typed == (before if place.in_template else before.lstrip())
    assert after.endswith(place.after)
    replaced = place.typed + after.removesuffix(place.after)
    if place.in_template:
        assert not set("}|") & set(replaced)
    if not place.is_key:
        assert "#" not in replaced

"""crewadmin.environment: keys and the sandbox's address are right, or the start is refused with a reason."""

import ast
import base64
import os
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from crewadmin import settings as settings_module
from crewadmin.environment import (
    OWN_NAMES,
    issuer_url,
    loopback_url,
    read_key,
    read_keys,
    read_number,
    read_optional,
    read_switch,
)

GOOD = base64.urlsafe_b64encode(bytes(range(32))).decode()
BETTER = base64.urlsafe_b64encode(bytes(range(100, 132))).decode()
SECRET_KEY = "kzpq8v2mXw4nB7cR1tYj5hLs9dFg3aQe6uWi0oZxCvBnMasdfg"


def keys_of(text: str, **further: str) -> list[str]:
    return read_keys({"FERNET_KEYS": text, **further}, "FERNET_KEYS", other_than=SECRET_KEY)


# --- FERNET_KEYS ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text", [f"{GOOD},{BETTER}", f"{GOOD} {BETTER}", f" {GOOD},\n{BETTER}\n", f"{GOOD}, {BETTER},"]
)
def test_keys_are_separated_by_commas_or_space_and_keep_their_order(text: str) -> None:
    assert keys_of(text) == [GOOD, BETTER]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "FERNET_KEYS is missing"),
        ("  \n", "FERNET_KEYS is missing"),
        (base64.urlsafe_b64encode(bytes(range(31))).decode(), "key 1 is not 32 random bytes"),
        (base64.urlsafe_b64encode(bytes(range(33))).decode(), "key 1 is not 32 random bytes"),
        ("not base64 at all!", "key 1 is not 32 random bytes"),
        (GOOD[:-1], "key 1 is not 32 random bytes"),
        (base64.urlsafe_b64encode(b"a" * 32).decode(), "key 1 is not 32 random bytes"),
        ("a" * 43 + "=", "key 1 is not 32 random bytes"),
        (base64.urlsafe_b64encode(b"password" * 4).decode(), "key 1 is not 32 random bytes"),
        (f"{GOOD},short", "key 2 is not 32 random bytes"),
        (f"{GOOD},{SECRET_KEY}", "key 2 is the SECRET_KEY"),
        (f"{GOOD},{BETTER},{GOOD}", "names one key twice"),
        ("é" * 44, "key 1 is not 32 random bytes"),
    ],
)
def test_a_wrong_key_is_refused_with_its_reason_and_without_its_value(text: str, reason: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=reason) as caught:
        keys_of(text)
    assert all(part not in str(caught.value) for part in text.split() if len(part) > 8)


def test_keys_come_from_a_file_that_wins_over_the_variable(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{BETTER}\n{GOOD}\n")
    assert keys_of(GOOD, FERNET_KEYS_FILE=str(file)) == [BETTER, GOOD]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "FERNET_KEYS_FILE cannot be read: No such file"),
        (b"", "FERNET_KEYS is missing"),
        (b"\xff\xfe\x00binary", "FERNET_KEYS_FILE cannot be read: it is not text"),
    ],
)
def test_a_key_file_without_keys_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ImproperlyConfigured, match=reason):
        keys_of(GOOD, FERNET_KEYS_FILE=str(file))


def test_a_directory_is_no_key_file(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match="Is a directory"):
        keys_of(GOOD, FERNET_KEYS_FILE=str(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_key_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(GOOD)
    file.chmod(0)
    with pytest.raises(ImproperlyConfigured, match="Permission denied"):
        keys_of(GOOD, FERNET_KEYS_FILE=str(file))


# --- SECRET_KEY -----------------------------------------------------------------------------------------------------
def test_a_secret_key_is_taken_as_it_is() -> None:
    assert read_key({"SECRET_KEY": f"${SECRET_KEY}\n"}, "SECRET_KEY") == f"${SECRET_KEY}"


@pytest.mark.parametrize("value", ["", "short", "abcd" * 20, f"django-insecure-{SECRET_KEY}"])
def test_a_weak_secret_key_is_refused(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY") as caught:
        read_key({"SECRET_KEY": value}, "SECRET_KEY")
    assert not value or value not in str(caught.value)


# --- AWS_SANDBOX_URL ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:5000", "http://127.0.0.1:5000/", "http://127.3.2.1:1", "http://[::1]:5000"]
)
def test_a_sandbox_on_this_machine_is_taken(url: str) -> None:
    assert loopback_url(url, "AWS_SANDBOX_URL") == url


def test_no_sandbox_is_none() -> None:
    assert loopback_url("", "AWS_SANDBOX_URL") is None


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:5000",
        "http://10.0.0.1:5000",
        "http://169.254.169.254:80",
        "http://0.0.0.0:5000",
        "http://[fe80::1]:5000",
        "http://localhost:5000",
        "http://aws.example:5000",
        "http://127.0.0.1.evil.example:5000",
        "http://127.0.0.1:5000@evil.example:80",
        "http://user@127.0.0.1:5000",
        "http://user:password@127.0.0.1:5000",
        "http://:password@127.0.0.1:5000",
        "http://127.0.0.1:5000/path",
        "http://127.0.0.1:5000?query",
        "http://127.0.0.1:5000#fragment",
        "http://127.0.0.1",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:port",
        "http://127.1:5000",
        "http://2130706433:5000",
        "http://127.0.0.1\\@evil.example:5000",
        "http://[::1",
        "ftp://127.0.0.1:21",
        "//127.0.0.1:5000",
        "127.0.0.1:5000",
        " http://127.0.0.1:5000",
        "http://127.0.0.1:5000\n",
    ],
)
def test_any_other_address_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"AWS_SANDBOX_URL must be http://127\.0\.0\.1:PORT"):
        loopback_url(url, "AWS_SANDBOX_URL")


# --- Single sign-on -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "url",
    [
        "https://login.example.com",
        "https://login.example.com/realms/acme/",
        "http://127.0.0.1:8080",
        "http://127.0.0.1:8080/realms/acme",
        "",
    ],
)
def test_a_provider_is_named_by_https_or_on_this_machine(url: str) -> None:
    assert issuer_url(url, "OIDC_SERVER_URL") == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.com",
        "http://127.0.0.1.example.com:80",
        "https://",
        "https://user@login.example.com",
        "login.example.com",
        "ftp://127.0.0.1:21",
        "https://[::1",
        "javascript:alert(1)",
    ],
)
def test_any_other_provider_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="OIDC_SERVER_URL must start with https://"):
        issuer_url(url, "OIDC_SERVER_URL")


def test_a_text_that_need_not_be_there_is_empty_or_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from the file\n")
    assert read_optional({}, "NAME") == ""
    assert read_optional({"NAME": "$ as it is"}, "NAME") == "$ as it is"
    assert read_optional({"NAME_FILE": str(file)}, "NAME") == "from the file"
    with pytest.raises(ImproperlyConfigured, match="NAME_FILE cannot be read"):
        read_optional({"NAME_FILE": "/nowhere"}, "NAME")


# --- OWN_NAMES ------------------------------------------------------------------------------------------------------
def names_read_by(source: str) -> set[str]:
    """Return the variables that settings read: `env.KIND("NAME")`, and `read_key(…, "NAME")` with its file."""
    names: set[str] = set()
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        texts = [node.value for node in call.args if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        match call.func:
            case ast.Attribute(value=ast.Name(id="env")) if texts:
                names.add(texts[0])
            case ast.Name(id="read_switch" | "read_number"):
                names.add(texts[0])
            case ast.Name(id="read_key" | "read_keys" | "read_optional"):
                names |= {texts[0], f"{texts[0]}_FILE"}
    return names


def test_own_names_are_the_variables_that_settings_read() -> None:
    read = names_read_by(Path(settings_module.__file__).read_text())
    assert {"DEBUG", "FERNET_KEYS_FILE", "DATABASE_URL", "EMAIL_URL"} <= read
    assert read | {"DJANGO_SETTINGS_MODULE"} == OWN_NAMES


def test_settings_read_the_environment_in_no_other_way() -> None:
    source: Any = ast.parse(Path(settings_module.__file__).read_text())
    uses = [node for node in ast.walk(source) if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")]
    # `environ.Env()`, and os.environ handed to the readers of keys and switches.
    assert {ast.unparse(node) for node in uses} == {"os.environ"}


@pytest.mark.parametrize("word", ["on", "True", "yes", "1"])
def test_a_switch_is_on_for_every_word_that_means_it(word: str) -> None:
    assert read_switch({"HTTPS": word}, "HTTPS", default=False) is True


@pytest.mark.parametrize("word", ["off", "False", "no", "0"])
def test_a_switch_is_off_for_every_word_that_means_it(word: str) -> None:
    assert read_switch({"HTTPS": word}, "HTTPS", default=True) is False


def test_a_switch_that_is_not_set_keeps_its_default() -> None:
    assert read_switch({}, "HTTPS", default=True) is True


@pytest.mark.parametrize("word", ["enabled", "onn", "2"])
def test_a_switch_with_another_word_is_refused_by_name(word: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="HTTPS must be on or off"):
        read_switch({"HTTPS": word}, "HTTPS", default=True)


def test_a_number_is_read_or_keeps_its_default() -> None:
    assert read_number({"AT_ONCE": " 12 "}, "AT_ONCE", default=4, least=1) == 12
    assert read_number({"AT_ONCE": ""}, "AT_ONCE", default=4, least=1) == 4
    assert read_number({}, "AT_ONCE", default=4, least=1) == 4


@pytest.mark.parametrize("text", ["four", "0", "-1", "2.5", "1_0", "\u0663"])
def test_what_is_no_number_or_too_small_is_refused_by_name(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="AT_ONCE must be a whole number, 1 or more"):
        read_number({"AT_ONCE": text}, "AT_ONCE", default=4, least=1)

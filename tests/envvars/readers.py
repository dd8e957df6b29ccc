"""The readers that delivered values are for, and values that are hard to read back.

Each reader takes what a writer wrote and returns what arrives. Shells, python-dotenv, PyYAML and json are the real
ones. Docker, the GitHub Actions runner and kubectl cannot run here: their documented rules are written out below.
"""

import base64
import io
import json
import os
import random
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

from crewadmin.redaction import Secret
from envvars.delivery.formats import CannotBeWrittenError, write
from envvars.references import fits_environment

HOSTILE = [
    "",
    " ",
    "'",
    "''\"\"",
    '"double"',
    "back\\slash \\n \\' \\\" \\",
    "line\nbreak\n",
    "carriage\r\nreturn\r",
    "${HOME} $HOME $(HOME)",
    "${NOT_SET:-default}",
    "`touch x`",
    "$(touch x)",
    "'; touch x; '",
    '"; touch x; "',
    "x\nKEY_0=injected\nexport LD_PRELOAD=x",
    "! !! !$",
    "# comment # not",
    "  leading and trailing\t ",
    "Ünïcödé 密码 пароль",
    "🔑👩🏽‍💻",
    "%s %d %% {0} \\x41 \\101 \\u0041",
    "*?[a-z]~ & | ; < > ( ) { }",
    "\x01\x1b[31m\x7f\x85\u2028\ufeff",
    "$" * 5 + "{" * 3 + "}" * 3,
    "-----BEGIN KEY-----\nbWFkZSB1cA==\n-----END KEY-----\n",
    "%0A::set-output name=x::y",
    "KEY_0<<EOF\nEOF\n",
    *("NO", "null", "~", "1e3", "0o17", "12:30:45", "<<", "- x", "? x", "key: value", "&a *a !!str", "2001-01-01"),
]

Values = Mapping[str, str]
Reader = Callable[[str], dict[str, str]]


def random_values(count: int, seed: int = 1) -> list[str]:
    """Texts that an environment can hold: one half of what readers stumble over, the other of anything at all."""
    chance = random.Random(seed)  # noqa: S311 - the same values in every run
    nasty = "\\'\"$`{}()!#=:-~%&|;<>*?[]@,^/ \n\r\tnrux0AeE\x85\u2028\ufeff\x7f\x1b"
    values: list[str] = []
    while len(values) < count:
        length = chance.randrange(40)
        if len(values) % 2:
            text = "".join(chance.choices(nasty, k=length))
        else:
            text = "".join(chr(chance.randrange(1, 0x110000)) for _char in range(length))
        if fits_environment(text):
            values.append(text)
    return values


def named(values: Iterable[str]) -> dict[str, str]:
    return {f"KEY_{number}": value for number, value in enumerate(values)}


def sealed(values: Values) -> dict[str, Secret[str]]:
    return {key: Secret(value) for key, value in values.items()}


def written_for(format_name: str, values: Values) -> tuple[str, dict[str, str]]:
    """What a writer writes, and which values: those that it says it cannot write are left out."""
    try:
        return write(format_name, sealed(values), "crew"), dict(values)
    except CannotBeWrittenError as error:
        left = {key: value for key, value in values.items() if key not in error.reasons}
        return write(format_name, sealed(left), "crew"), left


def shell(name: str) -> Reader:
    """A shell that evaluates the lines in an empty folder; whatever appears there was executed."""

    def read(written: str) -> dict[str, str]:
        keys = re.findall(r"^export (KEY_[0-9]+)=", written, re.MULTILINE)
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "values.sh").write_bytes(written.encode())
            lines = "\n".join(f'printf "%s\\0" {key} "${key}"' for key in keys)
            Path(folder, "read.sh").write_text(f'eval "$(cat ../values.sh)" || exit 1\n{lines}\n')
            started = Path(folder, "cwd")
            started.mkdir()
            answer = subprocess.run(
                [name, "../read.sh"],
                cwd=started,
                env={"PATH": os.environ["PATH"], "HOME": "/somewhere", "LC_ALL": "C.UTF-8"},
                capture_output=True,
                check=True,
            )
            assert answer.stderr == b""
            assert list(started.iterdir()) == [], "something was executed"
        texts = answer.stdout.decode().split("\0")[:-1]
        return dict(zip(texts[::2], texts[1::2], strict=True))

    return read


def python_dotenv(written: str) -> dict[str, Any]:
    return dict(dotenv_values(stream=io.StringIO(written), interpolate=True))


def python_yaml(written: str) -> dict[str, Any]:
    """PyYAML, which reads YAML 1.1 (where NO is false)."""
    return dict(yaml.safe_load(written))


def docker(written: str) -> dict[str, str]:
    """`--env-file` by its rules, in the releases that keep quotes around a value and in those that remove them.

    https://github.com/docker/cli/blob/master/pkg/kvfile/kvfile.go (and opts/file.go of earlier releases)
    """
    kept: dict[str, str] = {}
    for number, scanned in enumerate(written.encode().split(b"\n")[:-1]):
        assert len(scanned) < 64 * 1024, "bufio.Scanner: token too long"
        line = scanned.removesuffix(b"\r").decode()  # bufio.ScanLines
        line = (line.removeprefix("\ufeff") if number == 0 else line).lstrip()
        if not line or line.startswith("#"):
            continue
        key, equals, value = line.partition("=")
        assert key
        assert equals, "Docker would look the value up in its own environment"
        assert not set(key) & set(" \t")
        kept[key] = value
    removed = {
        key: value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
        for key, value in kept.items()
    }
    assert kept == removed, "releases of Docker would read different values"
    return kept


def github_env(written: str) -> dict[str, str]:
    """The runner's reader of $GITHUB_ENV: https://github.com/actions/runner, FileCommandManager.cs."""
    found, lines = {}, iter(written.split("\n")[:-1])
    for line in lines:
        equals, heredoc = line.find("="), line.find("<<")
        assert heredoc > 0
        assert equals < 0 or heredoc < equals
        key, delimiter = line.split("<<", 1)
        assert delimiter
        value: list[str] = []
        for text in lines:
            if text == delimiter:
                break
            value.append(text)
        else:
            raise AssertionError("Matching delimiter not found")
        found[key] = "\n".join(value)
    return found


def github_masks(written: str) -> set[str]:
    """What the runner masks after it read the lines: ActionCommand.cs, AddMaskCommandExtension."""
    masked: set[str] = set()
    for line in written.split("\n")[:-1]:
        assert line.startswith("::add-mask::")
        assert "\r" not in line
        text = line.removeprefix("::add-mask::").replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
        assert text.strip(), "Can't add secret mask for empty string"
        masked.add(text)
    return masked


def kubernetes(written: str) -> dict[str, str]:
    """What a container with `envFrom: secretRef` gets: `data`, decoded from base64."""
    manifest = yaml.safe_load(written)
    assert (manifest["apiVersion"], manifest["kind"], manifest["type"]) == ("v1", "Secret", "Opaque")
    return {key: base64.b64decode(text, validate=True).decode() for key, text in manifest["data"].items()}


#: Every reader that returns the values themselves: its format, and the reader.
READERS: dict[str, tuple[str, Reader]] = {
    "bash": ("shell", shell("bash")),
    "dash": ("shell", shell("dash")),
    "python-dotenv": ("dotenv", python_dotenv),
    "json": ("json", json.loads),
    "PyYAML": ("yaml", python_yaml),
    "docker's rules": ("docker", docker),
    "the runner's rules": ("github-env", github_env),
    "Kubernetes' rules": ("kubernetes", kubernetes),
}


def misread(reader: str, values: Values) -> tuple[int, int]:
    """Write values and read them back; return how many arrive as something else, and how many were refused."""
    format_name, read = READERS[reader]
    written, left = written_for(format_name, values)
    arrived = read(written)
    wrong = sum(arrived.get(key) != value for key, value in left.items()) + len(arrived.keys() - left.keys())
    return wrong, len(values) - len(left)

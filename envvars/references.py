"""References to secrets as people write them, and what they take out of secrets.

    secret-name                 the whole text of a secret
    secret-name#json_key        one key of a JSON secret; split at the first `#`: no vault allows one in a name
    secret-name#hosts.0.name    a path into nested objects and lists, where no key is called exactly that
    postgres://${db#user}:${db#password|url}@host/app
                                a template: text around references; `|url` percent-encodes a value for a URL

A text with `${` is a template. In one, `$$` stands for `$`, so that `$${` is a literal `${`; a reference ends at the
first `}`, and a JSON key in it holds no `{`, `}` or `|`. The text of a template is no secret: it is shown.

Under a key a text stands for itself, a number as it is written in the secret, `true`, `false` and `null` as these
words, a list or an object as JSON.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, lru_cache
from operator import itemgetter
from typing import Any, Self, TypeAlias
from urllib.parse import quote

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from credentials.providers.base import SecretId, VersionStage
from credentials.providers.failures import FailureCode
from crewadmin.forms import clean_text
from crewadmin.redaction import Secret

#: A process argument or environment string is limited to 128 KiB on Linux; vaults allow 64 KiB.
MOST_BYTES = 65_536
#: Characters of a JSON key, or of a path.
MOST_KEY = 512
#: Parts of one template; beyond that it is a file, not a variable.
MOST_PARTS = 20

# What vaults allow in names, ARNs included; `#` is ours.
SECRET_NAME = re.compile(r"\A[A-Za-z0-9/_+=.@:!-]+\Z")

_UNFIT = re.compile("[\0\ud800-\udfff]")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
#: In a template: a dollar sign that is meant, a part, a part that does not end.
_PIECE = re.compile(r"\$\$|\$\{([^}]*)\}|\$\{")


def fits_environment(text: str) -> bool:
    """Return whether an environment variable can hold a text: no NUL and no lone surrogates, which have no UTF-8."""
    return not _UNFIT.search(text)


class ReferenceFailedError(Exception):
    """A secret was read but does not hold what the reference names. Its text never holds any of the secret.

    `keys` are the names of the keys that the secret does have where the reference leaves off, as far as they can be
    shown, and `nearest` the one that may be meant; for people who manage variables only.
    """

    def __init__(self, code: FailureCode, keys: tuple[str, ...] = (), nearest: str = "") -> None:
        super().__init__(code.value)
        self.code = code
        self.keys = keys
        self.nearest = nearest


@dataclass(frozen=True)
class Reference:
    """A secret's name, the key of its JSON object that is meant (empty: the whole text), and which version of it."""

    secret_name: str
    json_key: str = ""
    version_stage: str = VersionStage.CURRENT

    @classmethod
    def parse(cls, text: str, version_stage: str = VersionStage.CURRENT) -> "Reference":
        """Split at the first `#`: no vault allows one in a name, while a JSON key may hold anything."""
        name, _, key = text.partition("#")
        return cls(name, key, version_stage)

    def __str__(self) -> str:
        return f"{self.secret_name}#{self.json_key}" if self.json_key else self.secret_name

    @property
    def references(self) -> tuple["Reference", ...]:
        """Itself: what a plain reference has in common with a template."""
        return (self,)

    @cached_property
    def secret_id(self) -> SecretId:
        """What a provider is asked for."""
        return SecretId(self.secret_name, self.version_stage)

    def value(self, read: "Read") -> Secret[str]:
        """Return what is meant of the secret that `read` gives. Raises ReferenceFailedError, and what `read` raises."""
        return self.extract(read(self))

    def extract(self, value: Secret[str] | None) -> Secret[str]:
        """Return what the reference means in a secret's text (None stands for a binary secret).

        Raises ReferenceFailedError saying what is wrong.
        """
        if value is None:
            raise ReferenceFailedError(FailureCode.BINARY)
        return _fitting(_field_of(value.reveal(), self.json_key) if self.json_key else value.reveal())


@dataclass(frozen=True)
class Template:
    """A text with references in it, as it was typed. All of them are read with one credential, in one stage."""

    text: str
    version_stage: str = VersionStage.CURRENT

    def __str__(self) -> str:
        return self.text

    @cached_property
    def pieces(self) -> tuple["str | Part", ...]:
        """The literal texts and the references, in order."""
        pieces: list[str | Part] = []
        end = 0
        for found in _PIECE.finditer(self.text):
            pieces.append(self.text[end : found.start()])
            pieces.append("$" if found[0] == "$$" else Part.parse(found[1] or "", self.version_stage))
            end = found.end()
        return (*pieces, self.text[end:])

    @property
    def references(self) -> tuple[Reference, ...]:
        """The references, in order; one that stands twice is there twice."""
        return tuple(piece.reference for piece in self.pieces if isinstance(piece, Part))

    def value(self, read: "Read") -> Secret[str]:
        """Return the text with the values in it. Raises as `Reference.value` does, for the first that fails."""
        return _fitting("".join(piece if isinstance(piece, str) else piece.text(read) for piece in self.pieces))


@dataclass(frozen=True, slots=True)
class Part:
    """A reference in a template, and what is done with its value."""

    reference: Reference
    filter: str = ""

    @classmethod
    def parse(cls, text: str, version_stage: str) -> Self:
        """Read what stands between `${` and `}`."""
        written, _, name = text.partition("|")
        return cls(Reference.parse(written, version_stage), name)

    def text(self, read: "Read") -> str:
        """Return the value as it stands in the template. Raises as `Reference.value` does."""
        value = self.reference.value(read).reveal()
        return quote(value, safe="") if self.filter == "url" else value


#: Returns the text of the secret that a reference names; None for a binary one.
Read: TypeAlias = Callable[[Reference], Secret[str] | None]
Written: TypeAlias = Reference | Template


# Remembered, because every delivery asks again: what was written is no secret and cannot be changed.
@lru_cache(maxsize=4096)
def parse(text: str, version_stage: str = VersionStage.CURRENT) -> Written:
    """Return what was written: a reference, or a template of several. `check` says what is wrong with it."""
    return Template(text, version_stage) if "${" in text else Reference.parse(text, version_stage)


# --- Where somebody is typing ---------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Place:
    """Where the caret is in a text: in a secret's name, or behind `#` in a key of `secret_name`.

    `typed` is what stands there up to the caret. What is chosen in its place goes between `before` and `after`.
    """

    before: str
    typed: str
    after: str
    secret_name: str = ""
    is_key: bool = False
    in_template: bool = False


#: Where the reference ends that the caret is in.
_END = re.compile(r"[|}]|\$\{")


def place_of(before: str, after: str) -> Place | None:
    """Return the place between two halves of a text; None where no reference is: in a template's text, in a filter."""
    in_template = "${" in before + after
    kept, inside, rest = "", before.lstrip(), after
    if in_template:
        begun = [found.end() for found in _PIECE.finditer(before) if found[0] == "${"]
        if not begun:
            return None
        kept, inside = before[: begun[-1]], before[begun[-1] :]
        end = _END.search(after)
        rest = after[: end.start()] if end else after
    if in_template and "|" in inside:
        return None
    outside = after[len(rest) :]
    name, hash_mark, key = inside.partition("#")
    if hash_mark:
        return Place(kept + name + hash_mark, key, outside, name, is_key=True, in_template=in_template)
    _rest_of_name, hash_mark, key = rest.partition("#")
    return Place(kept, name, hash_mark + key + outside, in_template=in_template)


# --- What is wrong with what was written ----------------------------------------------------------------------------
def check(text: str) -> Written:
    """Return what was written. Raises ValidationError with a sentence for each part that is wrong."""
    written = parse(text)
    problems = _template_problems(written) if isinstance(written, Template) else _problems(written, text)
    if problems:
        raise ValidationError(problems)
    return written


def _template_problems(template: Template) -> list[str]:
    parts = [found for found in _PIECE.finditer(template.text) if found[0] != "$$"]
    if not parts:
        return [_("A template needs a reference, as ${database-credentials#password}.")]
    if len(parts) > MOST_PARTS:
        return [_("A template may have %(most)d references at most.") % {"most": MOST_PARTS}]
    problems = []
    for found in parts:
        where = {"part": found[0]}
        if found[1] is None:
            problems.append(_("A “${” has no “}” after it. Write “$${” for one that is no reference."))
        elif "{" in found[1] or found[1].count("|") > 1:
            problems.append(_("%(part)s: a JSON key in a template holds no “{”, “}” or “|”.") % where)
        else:
            written, bar, name = found[1].partition("|")
            if bar and name != "url":
                problems.append(_("%(part)s: after “|” only “url” can stand, which percent-encodes the value.") % where)
            problems += [f"{found[0]}: {one}" for one in _problems(Reference.parse(written), written)]
    return problems


def _problems(reference: Reference, text: str) -> list[str]:
    if not reference.secret_name:
        return [_("Name the secret to read.")]
    if not SECRET_NAME.match(reference.secret_name):
        return [_("A secret's name has letters, digits and /_+=.@-: only, before any “#”.")]
    if len(reference.json_key) > MOST_KEY:
        return [_("The JSON key after “#” may have 512 characters at most.")]
    if not reference.json_key and text.endswith("#"):
        return [_("Name the JSON key after “#”, or remove the “#”.")]
    return []


# --- What a key means in a secret -----------------------------------------------------------------------------------
class _Number(float):
    """A number with a fraction or an exponent, which remembers how it is written."""

    text: str

    def __new__(cls, text: str) -> Self:
        number = super().__new__(cls, text)
        number.text = text
        return number


def _field_of(text: str, key: str) -> str:
    content = _object_in(text)
    value = content[key] if key in content else _at_path(content, key)
    try:
        return value if isinstance(value, str) else _as_json(value)
    except RecursionError:  # writing goes less deep than reading
        raise ReferenceFailedError(FailureCode.NOT_JSON) from None


def _object_in(text: str) -> dict[str, Any]:
    """Return the JSON object that a secret's text is. Raises ReferenceFailedError."""
    try:
        content = _JSON.decode(text)
    except (ValueError, RecursionError):
        raise ReferenceFailedError(FailureCode.NOT_JSON) from None
    if not isinstance(content, dict):
        raise ReferenceFailedError(FailureCode.NOT_OBJECT)
    return content


def _no_json(constant: str) -> Any:
    """Refuse NaN and Infinity, which Python's reader takes and JSON does not know."""
    raise ValueError(constant)


# Made once: json.loads makes a decoder for every call that asks for other than its defaults.
_JSON = json.JSONDecoder(parse_float=_Number, parse_constant=_no_json)


def _at_path(content: Any, path: str) -> Any:
    """Return what stands at a path as `hosts.0.name`."""
    steps = path.split(".")
    for position, step in enumerate(steps):
        before = "".join(f"{earlier}." for earlier in steps[:position])
        if isinstance(content, dict) and step in content:
            content = content[step]
        elif isinstance(content, list) and _INDEX.fullmatch(step) and int(step) < len(content):
            content = content[int(step)]
        else:
            raise _missing(path, before, content)
    return content


def _missing(path: str, before: str, content: Any) -> ReferenceFailedError:
    names = map(str, range(len(content))) if isinstance(content, list) else content if isinstance(content, dict) else ()
    keys = tuple(sorted(before + name for name in names if fits_environment(name)))[:MOST_KEYS]
    nearest = get_close_matches(path, keys, n=1)
    return ReferenceFailedError(FailureCode.KEY_MISSING, keys, nearest[0] if nearest else "")


#: Keys that are named where one is missing.
MOST_KEYS = 100


def keys_in(value: Secret[str] | None) -> tuple[str, ...]:
    """Return what can stand after `#` for a secret's text (None: a binary one): its keys, then paths into them.

    Only what means exactly that place, and can be typed: a key that holds a dot is named as it is, and not the inside
    of it. Raises ReferenceFailedError where the secret has no keys.
    """
    if value is None:
        raise ReferenceFailedError(FailureCode.BINARY)
    found: dict[str, None] = {}
    level: list[tuple[str, Any]] = sorted(_object_in(value.reveal()).items(), key=itemgetter(0))
    for depth in range(MOST_DEEP):
        found |= dict.fromkeys(path for path, _inside in level if _can_be_typed(path))
        closed = {path for path, _inside in level if "." in path} if depth == 0 else set()
        level = [
            (f"{path}.{step}", inside)
            for path, content in level
            if path not in closed
            for step, inside in _steps_into(content)
        ]
    return tuple(found)[:MOST_NAMED]


#: Of the keys that are offered: how deep they lead, how many of one secret there are, and of one list.
MOST_DEEP, MOST_NAMED, MOST_OF_LIST = 4, 200, 10


def _steps_into(content: Any) -> list[tuple[str, Any]]:
    if isinstance(content, list):
        return [(str(position), inside) for position, inside in enumerate(content[:MOST_OF_LIST])]
    if isinstance(content, dict):
        return sorted((step, inside) for step, inside in content.items() if "." not in step)
    return []


def _can_be_typed(key: str) -> bool:
    """Whether a field of ours takes a key as it is, and `check` finds nothing wrong with it."""
    try:
        return 0 < len(key) <= MOST_KEY and "${" not in key and clean_text(key) == key
    except ValidationError:
        return False


def _as_json(value: Any) -> str:
    """Write a value without blanks, and each number as the secret has it: 1e999 would become Infinity."""
    if isinstance(value, _Number):
        return value.text
    if isinstance(value, list):
        return f"[{','.join(map(_as_json, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{_as_json(name)}:{_as_json(inside)}' for name, inside in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)


def _fitting(text: str) -> Secret[str]:
    if not fits_environment(text):
        raise ReferenceFailedError(FailureCode.BINARY)
    if len(text.encode()) > MOST_BYTES:
        raise ReferenceFailedError(FailureCode.VALUE_TOO_LARGE)
    return Secret(text)

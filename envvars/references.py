"""References to secrets as people write them, `secret-name#json_key`, and what they take out of a secret."""

import json
import re
from dataclasses import dataclass
from typing import Any

from credentials.providers.failures import FailureCode
from crewadmin.redaction import Secret

_UNFIT = re.compile("[\0\ud800-\udfff]")


def fits_environment(text: str) -> bool:
    """Return whether an environment variable can hold a text: no NUL and no lone surrogates, which have no UTF-8."""
    return not _UNFIT.search(text)


class ReferenceFailedError(Exception):
    """A secret was read but does not hold what the reference names. Its text never holds any of the secret.

    `keys` are the names of the keys that the secret does have, as far as they can be shown; for people who manage
    variables only.
    """

    def __init__(self, code: FailureCode, keys: tuple[str, ...] = ()) -> None:
        super().__init__(code.value)
        self.code = code
        self.keys = keys


@dataclass(frozen=True, slots=True)
class Reference:
    """A secret's name, and the key of its JSON object that is meant (empty: the whole text)."""

    secret_name: str
    json_key: str = ""

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Split at the first `#`: no vault allows one in a name, while a JSON key may hold anything."""
        name, _, key = text.partition("#")
        return cls(name, key)

    def __str__(self) -> str:
        return f"{self.secret_name}#{self.json_key}" if self.json_key else self.secret_name

    def extract(self, value: Secret[str] | None) -> Secret[str]:
        """Return what the reference means in a secret's text (None stands for a binary secret).

        Under a key, a text stands for itself; numbers, true, false, null, lists and objects stand as JSON.
        Raises ReferenceFailedError saying what is wrong.
        """
        if value is None:
            raise ReferenceFailedError(FailureCode.BINARY)
        text = self._field_of(value.reveal()) if self.json_key else value.reveal()
        if not fits_environment(text):
            raise ReferenceFailedError(FailureCode.BINARY)
        return Secret(text)

    def _field_of(self, text: str) -> str:
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            raise ReferenceFailedError(FailureCode.NOT_JSON) from None
        if not isinstance(content, dict):
            raise ReferenceFailedError(FailureCode.NOT_OBJECT)
        if self.json_key not in content:
            raise ReferenceFailedError(FailureCode.KEY_MISSING, tuple(sorted(filter(fits_environment, content))))
        return _as_text(content[self.json_key])


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

"""Answers of AWS, held against what the protocol promises: whatever stands between can answer anything."""

import re
from collections.abc import Mapping
from typing import Any

from crewadmin.redaction import Secret

from ..base import Fetched
from .errors import UnexpectedResponseError

ANY = re.compile(r".+", re.DOTALL)


def fetched(answer: Mapping[str, Any]) -> Fetched:
    """Return the secret that a GetSecretValue, or one entry of a batch, answers with."""
    version = text(answer, "VersionId", ANY)
    if isinstance(answer.get("SecretString"), str):
        return Fetched(Secret(answer["SecretString"]), version)
    if isinstance(answer.get("SecretBinary"), bytes | str):  # botocore decodes the Base64, which nobody needs
        return Fetched(None, version)
    raise UnexpectedResponseError


def text(answer: object, name: str, form: re.Pattern[str]) -> str:
    """Return a member of an answer. Raises UnexpectedResponseError if it is missing or not of the form AWS gives it."""
    value = answer.get(name) if isinstance(answer, Mapping) else None
    if not (isinstance(value, str) and form.fullmatch(value)):
        raise UnexpectedResponseError
    return value


def member(answer: object, name: str, kind: type) -> Any:
    """Return a member of an answer that is of `kind`. Raises UnexpectedResponseError if it is not, or is missing."""
    value = answer.get(name) if isinstance(answer, Mapping) else None
    if not isinstance(value, kind):
        raise UnexpectedResponseError
    return value

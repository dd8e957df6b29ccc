"""Check references that are typed, before they are saved: is every secret there, and the key in it.

A value that was read is dropped at once. The names of the keys in a secret are kept for a minute, for the person who
asked and that version of the credential: they are offered while somebody types.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from django.core.cache import cache

from credentials.models import Credential
from credentials.providers.base import ProviderError, SecretId
from credentials.testing import read_for_check
from crewadmin.sealing import SealError
from organizations.models import User

from .references import Read, Reference, ReferenceFailedError, Template, Written, keys_in
from .resolving import Answer, Problem, Reading, problem_of

#: Seconds for which the names of a secret's keys are kept, and why there are none: somebody is repairing that.
KEPT, PROBLEM_KEPT = 60, 10


@dataclass(frozen=True)
class Keys:
    """What can stand after `#` for one secret, or the problem: why nothing can."""

    names: tuple[str, ...] = ()
    problem: Problem | None = None


@dataclass(frozen=True)
class CheckedPart:
    """One reference that was checked: its problem, or None where it has a value, and the keys of its secret."""

    text: str
    problem: Problem | None
    keys: tuple[str, ...] = ()


def check_values(written: Written, credential: Credential | None, by: User) -> list[CheckedPart]:
    """Read what is written with a credential, each secret once, and say of each part whether it has a value.

    Without a credential (the provider has no default) that is what each part says. Raises TooManyError, and
    Credential.DoesNotExist if it was deleted meanwhile.
    """
    references = list(dict.fromkeys(written.references))
    answers = _answers(credential, by, {one.secret_id: None for one in references}) if credential else {}
    read = Reading(0 if credential else None, {(0, secret): answer for secret, answer in answers.items()})
    parts = []
    for one in references:
        keys = _keys_of(one.secret_id, answers[one.secret_id]).names if credential else ()
        parts.append(CheckedPart(str(one), _problem(one, one, read), keys))
    each_has_one = not any(part.problem for part in parts)
    # The text of them all may still be too long.
    if isinstance(written, Template) and each_has_one and (problem := _problem(written, None, read)):
        parts.append(CheckedPart(str(written), problem))
    return parts


def keys_for(secret: SecretId, credential: Credential, by: User) -> Keys:
    """Return the keys of a secret as they were read in the last minute, or read it. Raises as `check_values` does."""
    place = _place(secret, credential, by)
    known: Keys | None = cache.get(place)
    return known or _keys_of(secret, _answers(credential, by, [secret])[secret])


def _answers(credential: Credential, by: User, wanted: Iterable[SecretId]) -> dict[SecretId, Answer]:
    """Read secrets, and keep the names of their keys."""
    secrets = list(wanted)
    answers: dict[SecretId, Answer] = {}
    try:
        answers.update(read_for_check(credential, by, secrets))
    except SealError as error:
        return dict.fromkeys(secrets, error)
    for secret, answer in answers.items():
        keys = _keys_of(secret, answer)
        cache.set(_place(secret, credential, by), keys, PROBLEM_KEPT if keys.problem else KEPT)
    return answers


def _keys_of(secret: SecretId, answer: Answer) -> Keys:
    about = Reference(secret.secret_name)
    if isinstance(answer, Exception):
        return Keys(problem=problem_of("", about, answer))
    try:
        return Keys(keys_in(answer.value))
    except ReferenceFailedError as error:
        return Keys(problem=problem_of("", about, error))


def _problem(written: Written, reference: Reference | None, read: Read) -> Problem | None:
    try:
        written.value(read)
    except (SealError, ProviderError, ReferenceFailedError) as error:
        return problem_of("", reference, error)
    return None


def _place(secret: SecretId, credential: Credential, by: User) -> str:
    name = sha256("\n".join(secret).encode()).hexdigest()
    return f"secret-keys:{by.pk}:{credential.uuid}:{credential.version}:{name}"

"""What is offered while somebody types a reference: names of secrets, behind `#` the keys of one, or why nothing is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from credentials.listing import names_of
from credentials.models import Credential
from credentials.providers.base import MOST_LISTED, ProviderError, SecretId
from credentials.providers.failures import FailureCode, explain
from crewadmin.limits import TooManyError
from crewadmin.sealing import SealError
from organizations.models import User

from .checking import keys_for
from .references import SECRET_NAME, Place

#: Characters of a key in a template that would end its part.
_ENDS_PART = frozenset("{}|")


@dataclass(frozen=True)
class Suggestion:
    """One thing to choose: what it is called, and the text before and after the caret once it is chosen."""

    label: str
    before: str
    after: str
    deletes_at: datetime | None = None
    rotates_at: datetime | None = None


@dataclass(frozen=True)
class Suggestions:
    """What is offered, and what is said of it; `seconds` is how long to wait, where a limit is reached."""

    message: str = ""
    options: tuple[Suggestion, ...] = ()
    seconds: int = 0


def suggest(place: Place, credential: Credential | None, by: User, version_stage: str) -> Suggestions:
    """Return what can stand at a place, of what a credential that the person may use opens (None: there is none).

    Raises Credential.DoesNotExist if it was deleted meanwhile.
    """
    if credential is None:
        return _refused(FailureCode.NO_CREDENTIAL)
    try:
        if place.is_key:
            return _keys(place, credential, by, version_stage)
        return _names(place, credential, by)
    except TooManyError as error:
        text = ngettext(
            "Too many questions at once. Type on, or try again in %(seconds)d second.",
            "Too many questions at once. Type on, or try again in %(seconds)d seconds.",
            error.seconds,
        )
        return Suggestions(text % {"seconds": error.seconds}, seconds=error.seconds)
    except SealError:
        return _refused(FailureCode.CANNOT_BE_OPENED)
    except ProviderError as error:
        if error.code is FailureCode.LIST_DENIED:
            return Suggestions(_("This credential may not list secrets. Type the name; Check says if it is there."))
        return _refused(error.code, error.facts)


def _names(place: Place, credential: Credential, by: User) -> Suggestions:
    if place.typed.startswith("arn:"):
        return Suggestions(_("An ARN is taken as it is typed; Check says if it is there."))
    if place.typed and not SECRET_NAME.match(place.typed):
        return Suggestions(_("A secret's name has letters, digits and /_+=.@-: only, before any “#”."))
    listed = names_of(credential, by, place.typed)
    options = tuple(
        Suggestion(one.name, place.before + one.name, place.after, one.deletes_at, one.rotates_at) for one in listed
    )
    if len(listed) == MOST_LISTED:
        return Suggestions(_("The first %(most)d secrets. Type more of the name.") % {"most": MOST_LISTED}, options)
    if listed:
        count = len(listed)
        return Suggestions(ngettext("%(count)d secret", "%(count)d secrets", count) % {"count": count}, options)
    if not place.typed:
        return _refused(FailureCode.NO_SECRETS_IN_REGION, {"region": credential.config.get("region", "")})
    return Suggestions(_("No secret begins with “%(typed)s”. Capital letters count.") % {"typed": place.typed})


def _keys(place: Place, credential: Credential, by: User, version_stage: str) -> Suggestions:
    if not SECRET_NAME.match(place.secret_name):
        return Suggestions(_("Name the secret before “#”."))
    keys = keys_for(SecretId(place.secret_name, version_stage), credential, by)
    if keys.problem:
        return _refused(keys.problem.code, keys.problem.facts)
    fitting = [key for key in keys.names if not (place.in_template and _ENDS_PART & set(key))]
    options = tuple(_key_option(place, key) for key in _beginning(place.typed, fitting))
    if options:
        count = len(options)
        return Suggestions(ngettext("%(count)d key", "%(count)d keys", count) % {"count": count}, options)
    if not fitting:
        return Suggestions(_("This secret has no keys."))
    return Suggestions(_("No key begins with “%(typed)s”.") % {"typed": place.typed})


def _beginning(typed: str, keys: Iterable[str]) -> list[str]:
    """Return the keys that begin so, whatever the capital letters: these are shown, not searched for by a vault."""
    return [key for key in keys if key.casefold().startswith(typed.casefold())]


def _key_option(place: Place, key: str) -> Suggestion:
    """A part of a template is complete with its key: it is closed, if that is not done yet."""
    closing = "" if not place.in_template or place.after.startswith(("}", "|")) else "}"
    return Suggestion(key, place.before + key + closing, place.after)


def _refused(code: FailureCode, facts: Mapping[str, str] | None = None) -> Suggestions:
    """Say what is wrong; what to do about it is what Check says."""
    failure = explain(code, facts)
    return Suggestions(f"{failure.title}. {failure.cause}")

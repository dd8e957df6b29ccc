"""What a change of a credential would do to everything that is read with it, tried before anything of it is stored.

The secrets are read with the settings as they are and as they would be, at the same time, within the deadline and the
limits of a connection test. Values are looked into for the JSON keys that are meant, and dropped.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import ngettext

from crewadmin.limits import TooManyError
from crewadmin.redaction import Secret
from crewadmin.sealing import SealError
from organizations.audit import Target
from organizations.models import Membership, Organization
from organizations.sharing import with_shown

from .models import NOT_THE_CREDENTIALS_FAULT, Credential
from .providers import provider_class
from .providers.base import Fetched, Provider, ProviderError, SecretId
from .providers.failures import Failure, FailureCode, explain
from .services import changed_fields
from .testing import try_reading
from .usage import Use, Why, state_of, usage, uses_of

#: Uses that one preview looks at, and different secrets that it reads; beyond that it says how many it left out.
MOST_USES, MOST_SECRETS = 2_000, 200

#: A vault ready to be opened, or why there is none.
Opening = Provider | FailureCode
Answers = Mapping[SecretId, Fetched | ProviderError]


# --- What changes ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Shift:
    """Uses that would be read with something else than now."""

    uses: "QuerySet[Any]"
    before: Opening
    after: Opening


@dataclass(frozen=True)
class Change:
    """A change that is to be stored: what it is about, the state that it was thought up in, and what it shifts."""

    organization: Organization
    provider: str
    about: Target
    state: str
    shifts: tuple[Shift, ...]


def settings_change(
    organization: Organization,
    provider: str,
    credential: Credential | None,
    *,
    name: str,
    config: Mapping[str, str],
    secrets: Mapping[str, str],
    is_default: bool,
) -> Change:
    """Return what storing settings shifts; `credential` is the one that gets them, None for a new one."""
    state = state_of(organization, provider, *([credential] if credential else []))
    after = provider_class(provider)(config, Secret(dict(secrets)))
    default = _default_of(organization, provider)
    relying = usage().by_default(organization, provider)
    if credential is None:
        shifts = (Shift(relying, _opening(default), after),) if is_default else ()
        return Change(organization, provider, organization, state, shifts)
    changed = set(changed_fields(credential, name, config, secrets, is_default=is_default))
    opens_otherwise, before = bool(changed - {"name", "is_default"}), _opening(credential)
    found: list[Shift] = []
    if opens_otherwise:
        found.append(Shift(usage().by_name(credential), before, after))
    if credential.is_default and not is_default:
        found.append(Shift(relying, before, FailureCode.NO_CREDENTIAL))
    elif is_default and not credential.is_default:
        found.append(Shift(relying, _opening(default), after))
    elif is_default and opens_otherwise:
        found.append(Shift(relying, before, after))
    return Change(organization, provider, credential, state, tuple(found))


def default_change(credential: Credential) -> Change:
    """Return what making a credential the default shifts."""
    organization, provider = credential.organization, credential.provider
    relying = usage().by_default(organization, provider)
    shift = Shift(relying, _opening(_default_of(organization, provider)), _opening(credential))
    state = state_of(organization, provider, credential)
    return Change(organization, provider, credential, state, () if credential.is_default else (shift,))


def replacement(credential: Credential, to: Credential) -> Change:
    """Return what reading everything with another credential shifts."""
    organization, provider = credential.organization, credential.provider
    shift = Shift(uses_of(credential), _opening(credential), _opening(to))
    return Change(organization, provider, credential, state_of(organization, provider, credential, to), (shift,))


def _default_of(organization: Organization, provider: str) -> Credential | None:
    return Credential.objects.filter(organization=organization, provider=provider, is_default=True).first()


def _opening(credential: Credential | None) -> Opening:
    """Return a stored credential's provider, which keeps nothing for others: a preview reads what is there now."""
    if credential is None:
        return FailureCode.NO_CREDENTIAL
    try:
        return provider_class(credential.provider)(credential.config, credential.secrets)
    except SealError:
        return FailureCode.CANNOT_BE_OPENED


# --- What it would do -----------------------------------------------------------------------------------------------
class Verdict(StrEnum):
    """What becomes of a use, the worst first."""

    BREAKS = "breaks"
    UNKNOWN = "unknown"
    STAYS_BROKEN = "stays_broken"
    WORKS = "works"


@dataclass(frozen=True)
class Effect:
    """What becomes of one use, and why it would have no value."""

    use: Use
    verdict: Verdict
    failure: Failure | None


@dataclass(frozen=True)
class Move:
    """Whose secrets are read, and as whom: an account and an ARN each, blank where it could not be found out."""

    account_before: str
    account_after: str
    identity_before: str
    identity_after: str

    @property
    def changes_account(self) -> bool:
        """Whether another account is read; one that was never found out is not known to be another."""
        return bool(self.account_before and self.account_after) and self.account_before != self.account_after

    @property
    def changes_identity(self) -> bool:
        """Whether somebody else reads it."""
        return bool(self.identity_before and self.identity_after) and self.identity_before != self.identity_after


@dataclass(frozen=True)
class Preview:
    """What a change would do, in the `state` that it was tried in.

    `left_out` counts the uses that were not looked at: beyond the bounds, or all of them, where a limit of connection
    tests was reached; `seconds` is how long to wait then.
    """

    state: str
    effects: tuple[Effect, ...] = ()
    moves: tuple[Move, ...] = ()
    left_out: int = 0
    seconds: int = 0

    def count(self, verdict: Verdict) -> int:
        """Return how many uses have a verdict."""
        return sum(effect.verdict is verdict for effect in self.effects)

    @property
    def total(self) -> int:
        """How many uses the change is about."""
        return len(self.effects) + self.left_out

    @property
    def needs_name(self) -> bool:
        """Whether the credential's name must be typed: something would break, or nobody knows."""
        return bool(self.left_out or self.count(Verdict.BREAKS) or self.count(Verdict.UNKNOWN))

    @property
    def asks(self) -> bool:
        """Whether a person has to look at it before anything is stored."""
        return self.needs_name or any(move.changes_account for move in self.moves)

    @property
    def summary(self) -> str:
        """How many uses work with the change, in a sentence; blank where it is about none."""
        if not self.total:
            return ""
        works = {"works": self.count(Verdict.WORKS), "total": self.total}
        text = ngettext(
            "%(works)d of %(total)d variable works after this change.",
            "%(works)d of %(total)d variables work after this change.",
            self.total,
        )
        return text % works


def preview_of(change: Change, by: Membership) -> Preview:
    """Try a change; nothing is stored, and no transaction is open during the calls."""
    counts = [shift.uses.count() for shift in change.shifts]
    if not any(counts):
        return Preview(change.state)
    chosen = _chosen(change.shifts, by)
    left_out = sum(counts) - sum(len(uses) for _shift, uses in chosen)

    def read() -> tuple[Preview, FailureCode | None]:
        answers, identities = _read_all(chosen)
        judged = [_effect(use, shift, answers) for shift, uses in chosen for use in uses]
        judged.sort(key=lambda one: (list(Verdict).index(one[0].verdict), one[0].use.key))
        moves = dict.fromkeys(_move(shift, identities) for shift, uses in chosen if uses)
        effects = tuple(effect for effect, _code in judged)
        code = next((code for effect, code in judged if effect.verdict is not Verdict.WORKS), None)
        return Preview(change.state, effects, tuple(moves), left_out), code

    try:
        return try_reading(change.organization, by.user, change.provider, change.about, read)
    except TooManyError as error:
        return Preview(change.state, left_out=sum(counts), seconds=error.seconds)


def _chosen(shifts: Iterable[Shift], by: Membership) -> list[tuple[Shift, list[Any]]]:
    """Return of each shift the uses that are looked at, each with `shown`: whether the member may see it."""
    room, secrets, chosen = MOST_USES, set[SecretId](), []
    for shift in shifts:
        taken = []
        for use in with_shown(shift.uses, by)[:room]:
            if len(secrets | set(use.secret_ids)) <= MOST_SECRETS:
                secrets |= set(use.secret_ids)
                taken.append(use)
        room -= len(taken)
        chosen.append((shift, taken))
    return chosen


def _read_all(
    chosen: Iterable[tuple[Shift, list[Any]]],
) -> tuple[dict[Provider, Answers], dict[Provider, Mapping[str, str]]]:
    """Open each vault once, all at the same time: its secrets that are wanted, and who it is opened as."""
    wanted: defaultdict[Provider, dict[SecretId, None]] = defaultdict(dict)
    for shift, uses in chosen:
        for opening in (shift.before, shift.after):
            if isinstance(opening, Provider) and uses:
                wanted[opening] |= dict.fromkeys(secret for use in uses for secret in use.secret_ids)
    if not wanted:
        return {}, {}
    with ThreadPoolExecutor(2 * len(wanted), thread_name_prefix="preview") as threads:
        fetched = {provider: threads.submit(provider.fetch, list(secrets)) for provider, secrets in wanted.items()}
        identified = {provider: threads.submit(_identity, provider) for provider in wanted}
        answers = {provider: started.result() for provider, started in fetched.items()}
        return answers, {provider: started.result() for provider, started in identified.items()}


def _identity(provider: Provider) -> Mapping[str, str]:
    """Return the facts `account` and `arn`; nothing where they cannot be had."""
    try:
        return provider.identify()
    except ProviderError:
        return {}


def _effect(use: Any, shift: Shift, answers: Mapping[Provider, Answers]) -> tuple[Effect, FailureCode | None]:
    after = _why_not(use, shift.after, answers)
    if after is None:
        return Effect(use, Verdict.WORKS, None), None
    failure, before = explain(*after), _why_not(use, shift.before, answers)
    if failure.owner in NOT_THE_CREDENTIALS_FAULT:
        verdict = Verdict.UNKNOWN
    elif before and explain(*before).owner not in NOT_THE_CREDENTIALS_FAULT:
        verdict = Verdict.STAYS_BROKEN
    else:
        verdict = Verdict.BREAKS
    return Effect(use, verdict, failure), after.code


def _why_not(use: Any, opening: Opening, answers: Mapping[Provider, Answers]) -> Why | None:
    if isinstance(opening, FailureCode):
        return Why(opening, {})
    return usage().why_not(use, answers[opening])


def _move(shift: Shift, identities: Mapping[Provider, Mapping[str, str]]) -> Move:
    none: Mapping[str, str] = {}
    before, after = (
        identities[opening] if isinstance(opening, Provider) else none for opening in (shift.before, shift.after)
    )
    return Move(before.get("account", ""), after.get("account", ""), before.get("arn", ""), after.get("arn", ""))

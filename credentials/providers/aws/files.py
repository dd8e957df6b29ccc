"""AWS's own files of keys: the console's accessKeys.csv, and the shared `credentials` and `config` files.

https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-files.html
"""

import configparser
import re
from collections.abc import Iterator, Mapping, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crewadmin.importing.findings import BadFileError, Finding, Findings, Place
from crewadmin.importing.rows import Row, read_records
from crewadmin.importing.source import Limits, Source

#: Of the console's file, in lower case; older ones have more columns.
CONSOLE_COLUMNS = {
    "user name": "name",
    "access key id": "access_key_id",
    "secret access key": "secret_access_key",
}
_ROOT_KEYS = re.compile(r"\AAWSAccessKeyId=", re.IGNORECASE)

#: What a profile may hold that cannot be stored, and why.
_NOT_STORABLE = {
    "aws_session_token": gettext_lazy("It holds a session token, which ends within hours."),
    "credential_process": gettext_lazy("It runs a program (credential_process)."),
    "credential_source": gettext_lazy("It takes its keys from the machine it runs on (credential_source)."),
    "web_identity_token_file": gettext_lazy("It signs in with a web identity."),
    "mfa_serial": gettext_lazy("It asks for a code of a second factor (mfa_serial)."),
    "sso_session": gettext_lazy("It signs in through SSO."),
    "sso_start_url": gettext_lazy("It signs in through SSO."),
}
Profile = Mapping[str, str]


def read_console(source: Source, limits: Limits, findings: Findings) -> Iterator[Row]:
    """Yield the keys of the console's file: a header, then one row for each key. Raises BadFileError."""
    if _ROOT_KEYS.match(source.text):
        reason = _("These are keys of the root user, which may do anything in the account.")
        raise BadFileError(Finding(Place(source.name, 1), reason, _("Create an access key for an IAM user.")))
    records = read_records(source, limits)
    _line, header = next(records, (1, []))
    names = [CONSOLE_COLUMNS.get(name.strip().lower(), "") for name in header]
    columns = {name: number for number, name in enumerate(names, 1) if name}
    for line, cells in records:
        if len(cells) != len(header):
            reason = _("This row has another number of cells than the header.")
            findings.add(Finding(Place(source.name, line), reason, _("Download the file again.")))
        else:
            fields = {name: cells[number - 1].strip() for name, number in columns.items()}
            yield Row(source.name, line, {name: text for name, text in fields.items() if text}, columns=columns)


def read_profiles(
    sources: Sequence[Source], findings: Findings, notes: list[str], wanted: Sequence[str] = ()
) -> Iterator[Row]:
    """Yield a credential for each profile of the shared files (or each that is `wanted`), the first file's keys first.

    A profile that cannot be stored is a finding with the reason; one without keys and role is only noted.
    """
    profiles, places = _merged(sources)
    for name in sorted(set(wanted) - profiles.keys()):
        findings.add(
            Finding(
                Place(sources[0].name),
                _("There is no such profile."),
                _("Check the names of the profiles to take."),
                name,
            )
        )
    for name, profile in profiles.items():
        if wanted and name not in wanted:
            continue
        if not profile.keys() & {"aws_access_key_id", "role_arn", *_NOT_STORABLE}:
            notes.append(_("Profile %(name)s holds neither keys nor a role and is left out.") % {"name": name})
            continue
        reason = _why_not(name, profiles)
        if reason:
            advice = _("Name the profiles to take, without this one.")
            findings.add(Finding(places[name], reason, advice, f"[{name}]"))
        else:
            yield Row(places[name].file, places[name].line, _settings(name, profiles))


def _merged(sources: Sequence[Source]) -> tuple[dict[str, dict[str, str]], dict[str, Place]]:
    """Return all profiles with their settings, and where each begins. What an earlier file says wins."""
    profiles: dict[str, dict[str, str]] = {}
    places: dict[str, Place] = {}
    for source in sources:
        for section, settings in _parsed(source).items():
            name = _profile_name(section)
            if name:
                profiles[name] = {**settings, **profiles.get(name, {})}
                places.setdefault(name, Place(source.name, _line_of(source, section)))
    return profiles, places


def _parsed(source: Source) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(default_section="\0", delimiters=("=",), strict=True)
    try:
        parser.read_string(source.text)
    except configparser.Error as error:
        # Not the library's text, which quotes the line.
        lines = [line for line, _text in getattr(error, "errors", [])]
        line = int(getattr(error, "lineno", None) or (lines or [0])[0])
        reason = _("This line is none of a shared file, or something is there twice.")
        finding = Finding(Place(source.name, line), reason, _("Write [name], then lines of name = value."))
    else:
        return {section: dict(parser.items(section)) for section in parser.sections()}
    raise BadFileError(finding)


def _profile_name(section: str) -> str:
    """Return the profile that a section is of, "" for `[sso-session x]` and the like."""
    kind, _blank, rest = section.strip().partition(" ")
    if not rest:
        return kind
    return rest.strip().strip("\"'") if kind == "profile" else ""


def _line_of(source: Source, section: str) -> int:
    at = source.text.find(f"[{section}]")
    return source.text.count("\n", 0, max(at, 0)) + 1


def _why_not(name: str, profiles: Mapping[str, Profile]) -> str:
    """Return why a profile cannot be stored as a credential; "" if it can."""
    profile = profiles[name]
    for setting, reason in _NOT_STORABLE.items():
        if profile.get(setting):
            return str(reason)
    origin = profile.get("source_profile", name)
    if profile.get("role_arn") and origin != name:
        if origin not in profiles:
            return _("Its source_profile is in none of the files.")
        if profiles[origin].get("role_arn"):
            return _("Its role is assumed through another role (a chain), or through itself.")
        return _why_not(origin, profiles)
    return "" if profile.get("aws_access_key_id") else _("It holds no access key.")


def _settings(name: str, profiles: Mapping[str, Profile]) -> dict[str, str]:
    profile = profiles[name]
    keys = profiles[profile.get("source_profile", name)] if profile.get("role_arn") else profile
    found = {
        "name": name,
        "provider": "aws",
        "region": profile.get("region", ""),
        "access_key_id": keys.get("aws_access_key_id", ""),
        "secret_access_key": keys.get("aws_secret_access_key", ""),
        "role_arn": profile.get("role_arn", ""),
        "external_id": profile.get("external_id", ""),
    }
    return {field: text for field, text in found.items() if text}

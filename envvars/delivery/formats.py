"""Write resolved values for whoever receives them: one writer per format, each for its own reader.

docs/delivery.md says which reader each is for, and by which of its rules.
"""

import base64
import json
import re
import secrets
import shlex
from collections.abc import Callable, Mapping

from django.utils.translation import gettext as _

from crewadmin.redaction import Secret

Values = Mapping[str, Secret[str]]

#: The longest line, in bytes with its line break, that Docker's reader takes (Go's bufio.MaxScanTokenSize).
DOCKER_LINE = 64 * 1024
#: The most that a Kubernetes Secret may hold, in bytes (MaxSecretSize of its API).
KUBERNETES_BYTES = 1024 * 1024


class CannotBeWrittenError(Exception):
    """A format has no way to write some values; `reasons` says why for each key. Nothing of a value is in it."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__(", ".join(sorted(reasons)))
        self.reasons = reasons


def revealed(values: Values) -> dict[str, str]:
    """Return the plain values: what leaves here leaves on purpose."""
    return {key: value.reveal() for key, value in values.items()}


def write(name: str, values: Values, automation: str) -> str:
    """Write values in one of FORMATS; `automation` is the short name that a Kubernetes Secret is called by.

    Raises CannotBeWrittenError if the format cannot hold one of them.
    """
    if name == "kubernetes":
        return as_kubernetes_secret(values, automation)
    return _WRITERS[name](values)


def as_dotenv(values: Values) -> str:
    """Return the lines of a .env file, for readers that follow python-dotenv.

    Values stand in double quotes with backslash escapes. Readers expand `${NAME}` even there and know no escape for
    it, but do take a default for an unnamed variable: `${:-$}` is a dollar sign.
    """
    return "".join(f"{key}={_dotenv_quoted(value)}\n" for key, value in revealed(values).items())


def _dotenv_quoted(value: str) -> str:
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}
    return '"' + "".join(escapes.get(char, char) for char in value).replace("${", "${:-$}{") + '"'


def as_json(values: Values) -> str:
    """Return one JSON object."""
    return json.dumps(revealed(values), ensure_ascii=False, indent=2) + "\n"


def as_yaml(values: Values) -> str:
    """Return one YAML mapping of texts, for readers of YAML 1.1 and 1.2."""
    return "".join(f"{_yaml_quoted(key)}: {_yaml_quoted(value)}\n" for key, value in revealed(values).items()) or "{}\n"


def _yaml_quoted(text: str) -> str:
    """Return a text in double quotes: unquoted, YAML 1.1 reads NO as false and 1e3 as a number.

    Whatever is not plainly printable is escaped by its number: readers refuse control characters, fold the line breaks
    U+0085 and U+2028, and do not join the pairs of surrogates that JSON writes.
    """
    return '"' + "".join(map(_yaml_char, text)) + '"'


def _yaml_char(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return char if char.isprintable() else f"\\U{ord(char):08X}"


def as_shell(values: Values) -> str:
    """Return lines for `eval` in a POSIX shell: every value is one quoted word, in which nothing is expanded."""
    return "".join(f"export {key}={shlex.quote(value)}\n" for key, value in revealed(values).items())


def as_docker(values: Values) -> str:
    """Return the lines of a file for `docker run --env-file`, which knows neither quotes nor escapes.

    Raises CannotBeWrittenError for a value that such a line cannot carry.
    https://github.com/docker/cli/blob/master/pkg/kvfile/kvfile.go
    """
    lines = {key: f"{key}={value}\n" for key, value in revealed(values).items()}
    reasons = {key: reason for key, line in lines.items() if (reason := _docker_refuses(line, len(key) + 1))}
    if reasons:
        raise CannotBeWrittenError(reasons)
    return "".join(lines.values())


def _docker_refuses(line: str, start: int) -> str:
    """Return why Docker would read something else than what was written, or an empty text."""
    value = line[start:-1]
    if "\n" in value or "\r" in value:
        return _("a line of a Docker env file cannot hold a line break")
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return _("some releases of Docker remove the quotes around a value")
    if len(line.encode()) > DOCKER_LINE:
        return _("a line of a Docker env file may have 65,536 bytes at most")
    return ""


def as_github_masks(values: Values) -> str:
    """Return workflow commands that make the runner of GitHub Actions mask the values in the logs of the job.

    A value of several lines is masked as a whole and line by line, since logs are written by the line. The runner
    refuses to mask what is blank.
    https://docs.github.com/actions/reference/workflow-commands-for-github-actions#masking-a-value-in-a-log
    """
    texts = (text for value in revealed(values).values() for text in (value, *re.split(r"[\r\n]+", value)))
    return "".join(f"::add-mask::{_github_escaped(text)}\n" for text in dict.fromkeys(texts) if text.strip())


def _github_escaped(text: str) -> str:
    """Escape as the runner's own toolkit does; `%` first, because the other two bring one."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def as_github_env(values: Values) -> str:
    """Return what to append to the file $GITHUB_ENV, so that later steps of the job get the values.

    Every value stands between lines with a delimiter that nobody can guess; otherwise a value could end itself and set
    another variable.
    """
    return "".join(_heredoc(key, value) for key, value in revealed(values).items())


def _heredoc(key: str, value: str) -> str:
    delimiter = f"end_{secrets.token_hex(16)}"
    return f"{key}<<{delimiter}\n{value}\n{delimiter}\n"


def as_kubernetes_secret(values: Values, automation: str) -> str:
    """Return the manifest of a Secret for `kubectl apply -f -`, called like the automation.

    Raises CannotBeWrittenError if it would be larger than the cluster takes.
    """
    data = {key: value.encode() for key, value in revealed(values).items()}
    if sum(map(len, data.values())) > KUBERNETES_BYTES:
        longest = max(data, key=lambda key: len(data[key]))
        raise CannotBeWrittenError({longest: _("a Kubernetes Secret holds 1 MiB at most, and this is the longest")})
    lines = [f"  {_yaml_quoted(key)}: {_yaml_quoted(base64.b64encode(value).decode())}" for key, value in data.items()]
    return "\n".join(
        [
            "apiVersion: v1",
            "kind: Secret",
            "metadata:",
            f"  name: {_yaml_quoted(_kubernetes_name(automation))}",
            "type: Opaque",
            *(["data:", *lines] if lines else ["data: {}"]),
            "",
        ]
    )


def _kubernetes_name(automation: str) -> str:
    """Return a short name by the rules of Kubernetes (RFC 1123): lower case, hyphens inside only."""
    return automation.lower().replace("_", "-").strip("-") or "automation"


_WRITERS: Mapping[str, Callable[[Values], str]] = {
    "docker": as_docker,
    "dotenv": as_dotenv,
    "github-env": as_github_env,
    "github-masks": as_github_masks,
    "json": as_json,
    "shell": as_shell,
    "yaml": as_yaml,
}
#: What `--format` may say.
FORMATS = tuple(sorted([*_WRITERS, "kubernetes"]))

"""Names of environment variables that make programs do other things than run: which are refused, which need a tick.

A program's environment is not only data: a value of LD_PRELOAD or BASH_ENV is code that the next process executes, and
HTTPS_PROXY sends its traffic elsewhere. Whoever may write a variable must not thereby run code where the automation
runs. Names are compared without regard to case: Windows does so, and some tools read a name in either.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase, translate

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Family:
    """Names that do the same. A pattern is a name in upper case, in which `*` stands for anything."""

    reason: str | Promise
    patterns: tuple[str, ...]

    def has(self, name: str) -> bool:
        """Whether a name is one of these."""
        return any(fnmatchcase(name.upper(), pattern) for pattern in self.patterns)


#: Never stored and never delivered.
BLOCKED = (
    Family(
        _("It makes every program load other code when it starts."),
        ("LD_*", "DYLD_*", "GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH", "NLSPATH", "OPENSSL_ENGINES", "OPENSSL_MODULES"),
    ),
    Family(_("It decides which programs are found and started."), ("PATH", "PATHEXT", "COMSPEC", "SYSTEMROOT")),
    Family(
        _("It makes a shell execute its value."),
        (
            *("BASH_*", "BASHOPTS", "SHELLOPTS", "ENV", "IFS", "PS0", "PS1", "PS2", "PS4", "PROMPT_COMMAND"),
            *("ZDOTDIR", "FPATH", "LESSOPEN", "LESSCLOSE"),
        ),
    ),
    Family(
        _("Shells set it themselves; the value would not arrive, or end the script that exports it."),
        (
            *("_", "UID", "EUID", "PPID", "PWD", "OLDPWD", "SHLVL", "OPTIND", "OPTARG", "OPTERR", "LINENO", "RANDOM"),
            *("SRANDOM", "SECONDS", "EPOCHSECONDS", "EPOCHREALTIME", "FUNCNAME", "GROUPS", "DIRSTACK", "HISTCMD"),
            *("PIPESTATUS", "COMP_WORDBREAKS"),
        ),
    ),
    Family(
        _("It makes Python run other code."),
        (
            *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONBREAKPOINT", "PYTHONUSERBASE"),
            *("PYTHONINSPECT", "PYTHONPLATLIBDIR", "PYTHONPYCACHEPREFIX", "PYTHONEXECUTABLE", "PYTHONCASEOK"),
        ),
    ),
    Family(
        _("It makes a language's interpreter run other code."),
        (
            *("NODE_OPTIONS", "NODE_PATH", "PERL5*", "PERLLIB", "RUBYOPT", "RUBYLIB", "GEM_PATH", "GEM_HOME"),
            *("*JAVA*OPTIONS", "CLASSPATH", "PHPRC", "PHP_INI_SCAN_DIR", "LUA_INIT*", "LUA_PATH*", "LUA_CPATH*"),
            *("R_PROFILE*", "R_ENVIRON*", "DOTNET_STARTUP_HOOKS", "CORECLR_*", "COR_*PROFIL*"),
        ),
    ),
    Family(_("It makes git execute its value, or use other settings."), ("GIT_*",)),
    Family(_("It changes how Django applications start."), ("DJANGO_*",)),
    Family(_("It belongs to this application."), ("CREWADMIN_*",)),
)

#: Stored only for somebody who says that they know what it does.
WARNED = (
    Family(
        _("Programs send their network traffic, with keys in it, where this says."),
        ("*_PROXY", "AWS_ENDPOINT_URL*", "HOSTALIASES", "DOCKER_HOST", "KUBECONFIG"),
    ),
    Family(
        _("Programs decide by it whom they trust, or write down what they encrypt."),
        (
            *("SSL_CERT_*", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
            *("NODE_TLS_REJECT_UNAUTHORIZED", "SSLKEYLOGFILE", "OPENSSL_CONF", "PYTHONHTTPSVERIFY"),
        ),
    ),
    Family(
        _("Cloud libraries take who they are from where this says."),
        (
            *("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONTAINER_*", "AWS_WEB_IDENTITY_TOKEN_FILE"),
            *("GOOGLE_APPLICATION_CREDENTIALS",),
        ),
    ),
    Family(
        _("Packages are installed from where this says."),
        (
            *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONFIG_FILE", "PIP_TRUSTED_HOST"),
            *("UV_INDEX*", "UV_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_FIND_LINKS", "UV_CONFIG_FILE", "NPM_CONFIG_*"),
        ),
    ),
    Family(
        _("Programs start its value, or read their settings from there."),
        (
            *("EDITOR", "VISUAL", "PAGER", "MANPAGER", "BROWSER", "SHELL", "SSH_ASKPASS", "SUDO_ASKPASS", "HOME"),
            *("XDG_CONFIG_*", "TMPDIR", "MAKEFLAGS", "GOFLAGS", "RUSTC_WRAPPER", "JAVA_OPTS", "MAVEN_OPTS"),
        ),
    ),
)


def _any_of(families: tuple[Family, ...]) -> re.Pattern[str]:
    return re.compile("|".join(translate(pattern) for family in families for pattern in family.patterns))


# Each list as one expression: nearly every name is in neither, and deliveries and imports ask about very many.
_BLOCKED, _WARNED = _any_of(BLOCKED), _any_of(WARNED)


def reason_to_refuse(name: str) -> str | Promise | None:
    """Return why no variable may have this name, or None."""
    return _reason(BLOCKED, name) if _BLOCKED.match(name.upper()) else None


def reason_to_ask(name: str) -> str | Promise | None:
    """Return what somebody should know before a variable gets this name, or None."""
    return _reason(WARNED, name) if _WARNED.match(name.upper()) else None


def _reason(families: Iterable[Family], name: str) -> str | Promise:
    return next(family.reason for family in families if family.has(name))

"""Names that hijack the process they are given to: refused when stored and when delivered, or stored with a tick."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils.functional import Promise

from credentials.providers.failures import FailureCode
from envvars.models import Automation, EnvironmentVariable
from envvars.names import BLOCKED, WARNED, reason_to_ask, reason_to_refuse
from envvars.resolving import resolve
from envvars.services.variables import Value, add_variable, change_variable
from organizations.models import AuditEvent, Organization, User
from tests.builders import store_automation, store_direct
from tests.pages import errors_beside, html_of, text_of

SignIn = Callable[[User], Client]
DIRECT = Value(EnvironmentVariable.Source.DIRECT, text="made-up-value")


def names(text: str) -> list[str]:
    return text.split()


REFUSED = names("""
LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT DYLD_INSERT_LIBRARIES DYLD_LIBRARY_PATH GLIBC_TUNABLES GCONV_PATH LOCPATH NLSPATH
PATH Path path IFS ENV BASH_ENV BASH_FUNC_ls BASHOPTS SHELLOPTS PS4 PROMPT_COMMAND ZDOTDIR LESSOPEN
PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONWARNINGS PYTHONBREAKPOINT PYTHONUSERBASE PYTHONINSPECT
NODE_OPTIONS node_options NODE_PATH PERL5LIB PERL5OPT PERL5DB PERLLIB RUBYOPT RUBYLIB JAVA_TOOL_OPTIONS _JAVA_OPTIONS
JDK_JAVA_OPTIONS CLASSPATH LUA_INIT LUA_INIT_5_4 PHPRC DOTNET_STARTUP_HOOKS COR_PROFILER CORECLR_ENABLE_PROFILING
GIT_SSH_COMMAND GIT_EXEC_PATH GIT_CONFIG_COUNT GIT_ASKPASS DJANGO_SETTINGS_MODULE CREWADMIN_ANYTHING
_ UID EUID PPID RANDOM SECONDS LINENO OPTIND PWD SHLVL
""")
ASKED = names("""
HTTP_PROXY https_proxy ALL_PROXY no_proxy SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE SSLKEYLOGFILE OPENSSL_CONF
AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3 AWS_CONFIG_FILE AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_SHARED_CREDENTIALS_FILE
GOOGLE_APPLICATION_CREDENTIALS PIP_INDEX_URL PIP_EXTRA_INDEX_URL UV_INDEX_URL UV_INDEX UV_DEFAULT_INDEX
NODE_EXTRA_CA_CERTS EDITOR PAGER BROWSER HOME
""")
FREE = names("""
API_KEY DATABASE_URL OPENAI_API_KEY OPENAI_BASE_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION GITHUB_TOKEN
GITLAB_TOKEN MY_PATH LOG_PATH PATH_PREFIX LDAP_URL LD ENVIRONMENT APP_ENV NODE_ENV PYTHONUNBUFFERED PYTHON_VERSION
JAVA_HOME HOMEPAGE PROXY PROXY_URL SECRET_KEY LANG TZ PORT A a _a SSL_MODE PIP_NO_CACHE_DIR GITEA_URL
""")


# --- The lists ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_makes_programs_run_other_code_is_refused_with_a_reason(name: str) -> None:
    assert isinstance(reason_to_refuse(name), Promise)


@pytest.mark.parametrize("name", ASKED)
def test_a_name_that_redirects_programs_is_asked_about_and_not_refused(name: str) -> None:
    assert reason_to_refuse(name) is None
    assert isinstance(reason_to_ask(name), Promise)


@pytest.mark.parametrize("name", FREE)
def test_every_other_name_is_free(name: str) -> None:
    assert reason_to_refuse(name) is None
    assert reason_to_ask(name) is None


def test_patterns_are_names_with_a_star_for_anything() -> None:
    for family in BLOCKED + WARNED:
        assert str(family.reason).endswith(".")
        for pattern in family.patterns:
            assert pattern == pattern.upper()
            assert set(pattern) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_*")


def test_no_pattern_is_on_both_lists_or_twice_on_one() -> None:
    patterns = [pattern for family in BLOCKED + WARNED for pattern in family.patterns]
    assert len(patterns) == len(set(patterns))


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_shells_take_every_name_that_is_free(shell: str) -> None:
    """The names that they do not take are refused, so that an exported file is never cut short."""
    lines = [f"export {name}='x y'" for name in FREE + ASKED]
    checks = [f'test "${name}" = "x y" || echo {name}' for name in FREE + ASKED]
    answer = subprocess.run([shell, "-c", "\n".join([*lines, *checks])], capture_output=True, text=True, check=True)
    assert (answer.stdout, answer.stderr) == ("", "")


def test_the_danger_is_real(tmp_path: Any) -> None:
    """One line in PYTHONPATH's folder runs in every Python that is started."""
    (tmp_path / "sitecustomize.py").write_text("print('hijacked')")
    answer = subprocess.run(
        [sys.executable, "-c", ""], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert "hijacked" in answer.stdout


# --- Storing --------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
@pytest.mark.parametrize("name", ["LD_PRELOAD", "bash_env", "Path"])
def test_the_service_stores_no_refused_name_whoever_calls_it(acme: Organization, name: str) -> None:
    for acknowledged in (False, True):
        with pytest.raises(ValidationError) as refused:
            add_variable(acme, None, key=name, value=DIRECT, acknowledged=acknowledged)
        assert list(refused.value.message_dict) == ["key"]
    assert not EnvironmentVariable.objects.exists()


@pytest.mark.django_db
def test_the_service_stores_a_name_of_the_other_list_only_with_the_tick(acme: Organization) -> None:
    with pytest.raises(ValidationError) as refused:
        add_variable(acme, None, key="HTTPS_PROXY", value=DIRECT)
    assert list(refused.value.message_dict) == ["acknowledged"]
    assert add_variable(acme, None, key="HTTPS_PROXY", value=DIRECT, acknowledged=True).acknowledged
    assert not add_variable(acme, None, key="API_KEY", value=DIRECT, acknowledged=True).acknowledged


@pytest.mark.django_db
def test_a_variable_cannot_be_renamed_to_a_refused_name(acme: Organization) -> None:
    variable = store_direct(acme, "API_KEY", "x")
    with pytest.raises(ValidationError):
        change_variable(variable, None, key="NODE_OPTIONS", value=DIRECT, automations=[])
    assert EnvironmentVariable.objects.get().key == "API_KEY"


def form(**changes: Any) -> dict[str, Any]:
    return {"key": "API_KEY", "source": "direct", "value": "made-up-value", "secret_name": "", **changes}


@pytest.mark.django_db
def test_the_form_refuses_a_name_and_says_why_beside_it(acme: Organization, bob: User, sign_in: SignIn) -> None:
    page = sign_in(bob).post(reverse("variable_add", args=[acme.uuid]), form(key="BASH_ENV"))
    assert page.status_code == 422
    assert errors_beside(page, "key") == (
        "This name is refused. It makes a shell execute its value. Choose another name."
    )
    assert "made-up-value" not in html_of(page)


@pytest.mark.django_db
def test_the_form_asks_for_the_tick_and_stores_it(acme: Organization, bob: User, sign_in: SignIn) -> None:
    client, address = sign_in(bob), reverse("variable_add", args=[acme.uuid])
    assert "I know what this name does" not in text_of(client.get(address))
    page = client.post(address, form(key="HTTPS_PROXY"))
    assert page.status_code == 422
    assert "I know what this name does to programs" in text_of(page)
    assert errors_beside(page, "acknowledged").startswith("Programs send their network traffic")
    assert client.post(address, form(key="HTTPS_PROXY", acknowledged="on")).status_code == 302
    variable = EnvironmentVariable.objects.get()
    assert variable.acknowledged
    edit = client.get(reverse("variable_edit", args=[acme.uuid, variable.uuid]))
    assert "I know what this name does to programs" in text_of(edit)
    assert client.post(edit.wsgi_request.path, form(key="PROXY", acknowledged="on")).status_code == 302
    assert not EnvironmentVariable.objects.get().acknowledged


@pytest.mark.django_db
def test_ticking_alone_is_a_change_and_is_written_down(acme: Organization, bob: User) -> None:
    variable = store_direct(acme, "API_KEY", "x")
    EnvironmentVariable.objects.filter(pk=variable.pk).update(key="HTTPS_PROXY")  # stored by an earlier release
    value = Value(EnvironmentVariable.Source.DIRECT)
    change_variable(variable, bob, key="HTTPS_PROXY", value=value, automations=[], acknowledged=True)
    assert AuditEvent.objects.get(action="variable:changed").details == {"fields": ["acknowledged"]}


# --- Delivering -----------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_a_refused_name_that_was_stored_before_is_a_problem_and_not_delivered(
    acme: Organization, crew: Automation, bob: User, sign_in: SignIn
) -> None:
    variable = store_direct(acme, "API_KEY", "/tmp/evil.so", [crew])  # noqa: S108 - a value
    EnvironmentVariable.objects.filter(pk=variable.pk).update(key="LD_PRELOAD")
    resolution = resolve(crew)
    assert resolution.values == {}
    assert [(one.key, one.code) for one in resolution.problems] == [("LD_PRELOAD", FailureCode.NAME_REFUSED)]
    page = sign_in(bob).post(reverse("automation_check", args=[acme.uuid, crew.uuid]))
    assert "A variable of this name is not delivered" in text_of(page)


@pytest.mark.django_db
def test_a_name_that_is_only_asked_about_is_delivered(acme: Organization) -> None:
    crew = store_automation(acme)
    variable = store_direct(acme, "API_KEY", "http://proxy.example", [crew])
    EnvironmentVariable.objects.filter(pk=variable.pk).update(key="HTTPS_PROXY")
    assert resolve(crew).ok

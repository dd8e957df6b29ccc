"""`python -m sandbox.demo`: what `make run` does once everything is installed.

Writes the demo's .env on the first run, migrates, fills an empty database with an organization and three people, starts
the AWS sandbox and the web server, and prints where to go. Ctrl-C ends all of it.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from crewadmin.keys import ENV_FILE, write_env_file
from sandbox import seed

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
PASSWORD = "walk the whole path once"  # noqa: S105 - of the demo's people, printed at every start
OWNER, MEMBER, SUPPORT = "owner@example.com", "member@example.com", "support@example.com"
KEEPER, INVITED = "vaults@example.com", "invited@example.com"


def main() -> int:
    """Run the demo until it is interrupted; return the exit code."""
    port, sandbox_port = int(os.environ.get("PORT", "8000")), int(os.environ.get("SANDBOX_PORT", "4599"))
    os.environ.setdefault("PUBLIC_URL", f"http://{HOST}:{port}")
    settings = {"HTTPS": "off", "AWS_SANDBOX_URL": f"http://{HOST}:{sandbox_port}"}
    if write_env_file(ENV_FILE, settings):
        print(f"Wrote {ENV_FILE.name} with new keys (readable by you only).")
    (ROOT / "var").mkdir(exist_ok=True)
    sandbox_url = prepare()
    if not sandbox_url:
        print(f"{ENV_FILE.name} names no AWS_SANDBOX_URL: it belongs to an installation, not to the demo.")
        return 1
    sandbox_command = ["-m", "sandbox", "--port", str(urlsplit(sandbox_url).port)]
    server_command = ["-m", "gunicorn", "crewadmin.wsgi", "--bind", f"{HOST}:{port}", "--threads", "8", "--reload"]
    processes = [_start(*sandbox_command), _start(*server_command, "--log-level", "error")]
    print(_welcome(f"http://{HOST}:{port}", sandbox_url), flush=True)
    return _wait(processes)


def prepare() -> str | None:
    """Migrate, collect static files and fill an empty database; return the sandbox's address, if one is set."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crewadmin.settings")
    import django
    from django.conf import settings
    from django.core.management import call_command

    django.setup()
    url: str | None = settings.AWS_SANDBOX_URL
    if url:
        call_command("migrate", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        create_people()
    return url


def create_people() -> None:
    """Create the demo organization and its people, unless anybody is there already.

    An owner, a member, somebody with a role of the organization's own, somebody who is invited, and support staff.
    """
    from django.contrib.auth.models import Permission
    from django.db.models import Q

    from organizations.access import Feature, Level
    from organizations.models import Role, User
    from organizations.services.invitations import invite
    from organizations.services.members import add_member
    from organizations.services.organizations import create_organization
    from organizations.services.roles import add_role

    if User.objects.exists():
        return
    owner = User.objects.create_user(OWNER, PASSWORD, name="Olivia Owner")
    member = User.objects.create_user(MEMBER, PASSWORD, name="Max Member")
    support = User.objects.create_user(SUPPORT, PASSWORD, name="Sam Support", is_staff=True)
    organization = create_organization("Acme Robotics", "acme", owner)
    member_role = organization.roles.get(kind=Role.Kind.MEMBER)
    add_member(organization, member, member_role, by=owner)
    levels = {Feature.SECRET_PROVIDERS: Level.MANAGE, Feature.ENVIRONMENT_VARIABLES: Level.READ}
    vaults = add_role(organization, owner, name="Vault keepers", levels=levels)
    add_member(organization, User.objects.create_user(KEEPER, PASSWORD, name="Vera Vault"), vaults, by=owner)
    invite(organization, owner, email=INVITED, role=member_role)
    apps = ("organizations", "credentials", "envvars")
    may = Q(codename__startswith="view_") | Q(codename__in=("retest_credential", "suspend_membership", "end_sessions"))
    support.user_permissions.set(Permission.objects.filter(may, content_type__app_label__in=apps))


def _welcome(url: str, sandbox_url: str) -> str:
    user = seed.READER
    return f"""
crewadmin runs at {url}   (Ctrl-C ends it)

  Sign in as   {OWNER}     the owner of Acme Robotics
               {MEMBER}    a member: environment variables, no credentials
               {KEEPER}    a role of their own: credentials, and variables to look at
               {SUPPORT}   support staff: {url}/support/
  Password     {PASSWORD}

The AWS sandbox at {sandbox_url} knows this IAM user (made up, of no use anywhere else):

  Region             {seed.REGION}
  Access Key ID      {user.access_key_id}
  Secret Access Key  {user.secret_access_key}
  Role ARN           {seed.ROLE_ARN}
  External ID        {seed.EXTERNAL_ID}
  Secrets            crewai/openai-api-key, database-credentials#password, crewai/payments-key
"""


def _start(*arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, *arguments], cwd=ROOT)  # noqa: S603 - our own commands


def _wait(processes: list["subprocess.Popen[bytes]"]) -> int:
    """Wait for the first process to end or for a signal, then end the others."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = 0
    try:
        while all(process.poll() is None for process in processes):
            time.sleep(0.2)
        code = next(process.returncode for process in processes if process.returncode is not None)
    except KeyboardInterrupt:
        pass
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(10)
    return code


if __name__ == "__main__":
    sys.exit(main())

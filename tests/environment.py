"""The environment that tests run in, set before Django reads its settings; a developer's own .env plays no part.

As a pytest plugin (see pyproject.toml) it prepares the suite; `python -m tests.environment COMMAND ...` prepares any
other tool that imports the settings.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VARIABLES = {
    "SECRET_KEY": "of-the-tests-only-kzpq8v2mXw4nB7cR1tYj5hLs9dFg3aQe6uWi0o",
    "FERNET_KEYS": "Zk9xQ2hLd1R5cFZuM2JTYTdHZWpXcThEb0ltVXRYMHk=",
    "HTTPS": "off",
    "DEBUG": "off",
    "AWS_SANDBOX_URL": "",
    "ALLOWED_HOSTS": "127.0.0.1,localhost,testserver",
    "CACHE_URL": "locmemcache://",
    "EMAIL_URL": "memorymail://",
    "LOG_LEVEL": "INFO",
    # Playwright's synchronous driver keeps an event loop in the thread that also asks the database.
    "DJANGO_ALLOW_ASYNC_UNSAFE": "true",
}

os.environ.update(VARIABLES)
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL", f"sqlite:///{ROOT / 'var' / 'unused.sqlite3'}")
(ROOT / "var" / "static").mkdir(parents=True, exist_ok=True)

if __name__ == "__main__":
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - the Makefile's command

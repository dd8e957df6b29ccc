"""`python -m crewadmin.keys`: write a .env with new random keys, readable by its owner only, where there is none yet.

It never touches an existing file: losing FERNET_KEYS loses every stored secret.
"""

import base64
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

ENV_FILE = Path(__file__).resolve().parent.parent / ".env"


def write_env_file(path: Path, further: Mapping[str, str] | None = None) -> bool:
    """Write new keys and `further` settings to `path` with mode 0600; return False if the file exists already."""
    lines = {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "FERNET_KEYS": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        **(further or {}),
    }
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(file, "w") as handle:
        handle.writelines(f"{name}={value}\n" for name, value in lines.items())
    return True


if __name__ == "__main__":
    sys.stdout.write(f"{'Wrote' if write_env_file(ENV_FILE) else 'Kept'} {ENV_FILE.name}\n")

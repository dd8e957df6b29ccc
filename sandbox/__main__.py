"""`python -m sandbox [--port 4599]`: serve the sandbox on 127.0.0.1 until SIGTERM or SIGINT.

There is no option for another address, on purpose: whoever reaches it can read what is in it with published keys.
"""

import argparse
import signal
import sys
import threading

from sandbox.aws import Sandbox

_DEFAULT_PORT = 4599


def main() -> int:
    """Serve until a signal arrives; return the exit code (1: the port is taken)."""
    port: int = _parser().parse_args().port
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        sandbox = Sandbox.start(port)
    except OSError as error:
        print(f"Cannot serve on 127.0.0.1:{port}: {error.strerror}", file=sys.stderr, flush=True)
        return 1
    with sandbox:
        print(f"AWS sandbox ready at {sandbox.url}", flush=True)
        stopped.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="Serve a sandbox AWS on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=_DEFAULT_PORT, help="port to listen on (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())

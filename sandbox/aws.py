"""The sandbox as a server on 127.0.0.1: `Sandbox.start()` for tests, `python -m sandbox` for the demo."""

import contextlib
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from sandbox.account import Account
from sandbox.gate import Call, Gate
from sandbox.protocol import Request, Response

_HOST = "127.0.0.1"
_LARGEST_BODY = 1024 * 1024
_running = threading.Lock()


class Sandbox(Account):
    """An account served over HTTP. Its methods change it as an administrator would; `reset()` brings the seed back.

    One at a time per process: moto's state is global.
    """

    def __init__(self, port: int) -> None:
        if not _running.acquire(blocking=False):
            raise RuntimeError("A sandbox is already running in this process.")
        try:
            self._gate = Gate(self)
            super().__init__()
            self._server = _Server((_HOST, port), partial(_Handler, self._gate))
        except BaseException:
            _running.release()
            raise
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sandbox", daemon=True)
        self._thread.start()

    @classmethod
    def start(cls, port: int = 0) -> Self:
        """Serve on 127.0.0.1, on a free port unless one is given.

        Raises OSError if the port is taken and RuntimeError if a sandbox already runs in this process.
        """
        return cls(port)

    def stop(self) -> None:
        """Stop serving and cut the connections that are still open."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        _running.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The endpoint of both services."""
        return f"http://{_HOST}:{self._server.server_port}"

    @property
    def calls(self) -> list[Call]:
        """The calls received since the last reset, oldest first: service, action, secret id; no credential."""
        return self._gate.calls

    def set_clock_offset(self, offset: timedelta) -> None:
        """Put the server's clock ahead of the machine's (or behind it), as if the caller's clock were wrong."""
        self._gate.clock_offset = offset

    def reset(self) -> None:
        """Return to the seeded state, with the right time and no calls."""
        with self.lock:
            super().reset()
            self._gate.reset()


class _Server(ThreadingHTTPServer):
    """A thread per connection; knows its connections, so that stopping leaves none half open."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):  # the other side was faster
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 with keep-alive, as AWS: with moto's server every call would pay for a connection."""

    protocol_version = "HTTP/1.1"
    server_version = "crewadmin-sandbox"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave in one packet

    def __init__(self, gate: Gate, *arguments: Any) -> None:
        self._gate = gate
        super().__init__(*arguments)

    def do_POST(self) -> None:
        """Answer one request."""
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > _LARGEST_BODY:
            self.send_error(413)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._send(self._gate.answer(Request(self.command, self.path, headers, self.rfile.read(int(length)))))

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the Date header by the sandbox's clock, which a test may have put wrong."""
        return super().date_time_string(self._gate.now().timestamp() if timestamp is None else timestamp)

    def log_message(self, *_arguments: Any) -> None:
        """Keep silent: a request may carry anything."""

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        self.send_header("x-amzn-RequestId", response.request_id)
        self.end_headers()
        self.wfile.write(response.body)

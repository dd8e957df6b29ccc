"""An OpenID Connect provider on loopback: discovery, token and userinfo answer as the test wants."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

import jwt

CLIENT_ID, CLIENT_SECRET = "crewadmin-test", "oidc-client-secret-canary"
CODE = "authorization-code"


class Issuer:
    """What it says of the person who signed in (`claims`); `answers` replaces an answer: path -> (status, body)."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] | None = None
        self.answers: dict[str, tuple[int, str]] = {}
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def confirm(self, email: str, *, sub: str = "1001", verified: Any = True, **claims: Any) -> None:
        """Say from now on that this person signed in a minute ago."""
        self.claims = {"sub": sub, "email": email, "email_verified": verified, "auth_time": time.time() - 60} | claims
        self.userinfo = None

    def settings(self) -> dict[str, Any]:
        """SOCIALACCOUNT_PROVIDERS as crewadmin/settings.py makes it."""
        app = {
            "provider_id": "oidc",
            "name": "Example Login",
            "client_id": CLIENT_ID,
            "secret": CLIENT_SECRET,
            "settings": {"server_url": self.url},
        }
        return {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}

    def answer(self, path: str) -> tuple[int, str]:
        """Return status and body for a path."""
        if path in self.answers:
            return self.answers[path]
        known: dict[str, Callable[[], dict[str, Any]]] = {
            "/.well-known/openid-configuration": self._discovery,
            "/token": self._token,
            "/userinfo": lambda: self.userinfo or {"sub": self.claims["sub"]},
        }
        return (200, json.dumps(known[path]())) if path in known else (404, "{}")

    def _discovery(self) -> dict[str, Any]:
        names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "userinfo_endpoint": "userinfo"}
        return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"} | {
            name: f"{self.url}/{path}" for name, path in names.items()
        }

    def _token(self) -> dict[str, Any]:
        claims = {"iss": self.url, "aud": CLIENT_ID, "exp": time.time() + 300} | self.claims
        signed = jwt.encode(claims, "a key that nobody checks over TLS to the issuer")
        return {"access_token": "access-token-canary", "token_type": "Bearer", "id_token": signed}


def _handler_of(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            self._answer(parse_qs(body))

        def _answer(self, form: dict[str, list[str]]) -> None:
            issuer.asked.append((self.path, form))
            status, body = issuer.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            if status in (301, 302):
                self.send_header("Location", body)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: Any) -> None:
            """Stay quiet."""

    return Handler

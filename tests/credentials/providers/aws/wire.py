"""A server on loopback that says on the wire whatever a test wants said, and remembers what it was asked."""

import contextlib
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs

REQUEST_ID = "4ef3d2a6-1234-4c56-9abc-0123456789ab"


@dataclass(frozen=True)
class Request:
    head: str
    body: bytes

    @property
    def action(self) -> str:
        """The operation, as GetCallerIdentity: STS names it in the body, Secrets Manager in a header."""
        target = re.search(r"^x-amz-target: secretsmanager\.(\w+)", self.head, re.MULTILINE | re.IGNORECASE)
        return target[1] if target else self.form.get("Action", "")

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}

    @property
    def json(self) -> dict[str, object]:
        loaded: dict[str, object] = json.loads(self.body)
        return loaded

    @property
    def key_id(self) -> str:
        return self._scope()[0]

    @property
    def region(self) -> str:
        return self._scope()[2]

    def _scope(self) -> list[str]:
        scope = re.search(r"Credential=([^,]+)", self.head)
        assert scope, "an unsigned request"
        return scope[1].split("/")


Answer = Callable[[Request, socket.socket], bytes | None]


class Wire:
    """Calls `answer` for each request and sends the bytes it returns; None closes the connection."""

    def __init__(self, answer: Answer, certificate: Path | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self._answer = answer
        self._certificate = certificate
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"{'https' if self._certificate else 'http'}://127.0.0.1:{self.port}"

    @property
    def actions(self) -> list[str]:
        return [request.action for request in self.requests]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for connection in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for connection in (self._listener, *self._open):
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), self._secured(connection) as secured:
            while request := self._read(secured):
                self.requests.append(request)
                answer = self._answer(request, secured)
                if answer is None:
                    return
                secured.sendall(answer)

    def _secured(self, connection: socket.socket) -> socket.socket:
        if self._certificate is None:
            return connection
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate)
        secured = context.wrap_socket(connection, server_side=True)
        self._open.append(secured)
        return secured

    @staticmethod
    def _read(connection: socket.socket) -> Request | None:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return None
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        while length and len(body) < int(length[1]):
            body += connection.recv(65536)
        return Request(head.decode(), body)


def http(status: int, body: str | bytes, headers: dict[str, str] | None = None) -> bytes:
    """Return a whole HTTP answer."""
    body = body.encode() if isinstance(body, str) else body
    lines = {"x-amzn-RequestId": REQUEST_ID, "Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body


def sts_error(code: str, message: str, status: int = 403, headers: dict[str, str] | None = None) -> bytes:
    """Return an error as STS writes it (query protocol: XML)."""
    return http(
        status,
        f'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        f"<Code>{code}</Code><Message>{message}</Message></Error><RequestId>{REQUEST_ID}</RequestId></ErrorResponse>",
        {"Content-Type": "text/xml", **(headers or {})},
    )


def json_error(code: str, message: str, status: int = 400, headers: dict[str, str] | None = None) -> bytes:
    """Return an error as Secrets Manager writes it (JSON 1.1)."""
    return http(
        status,
        json.dumps({"__type": code, "Message": message}),
        {"Content-Type": "application/x-amz-json-1.1", **(headers or {})},
    )


IDENTITY = http(
    200,
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>arn:aws:iam::123456789012:user/crewai-secrets-reader</Arn><UserId>AIDAIOSFODNN7EXAMPLE</UserId>"
    "<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
)
ASSUMED = http(
    200,
    '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><AssumedRoleUser>'
    "<Arn>arn:aws:sts::123456789012:assumed-role/Reader/crewadmin</Arn><AssumedRoleId>AROAX:crewadmin</AssumedRoleId>"
    "</AssumedRoleUser><Credentials><AccessKeyId>ASIAIOSFODNN7SESSION</AccessKeyId>"
    "<SecretAccessKey>session-secret-canary</SecretAccessKey><SessionToken>session-token-canary</SessionToken>"
    "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>",
)
LISTED = http(200, json.dumps({"SecretList": [{"Name": "crewai/openai-api-key"}]}))
DESCRIBED = http(
    200,
    json.dumps(
        {
            "ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:crewai/openai-api-key-AbCdEf",
            "Name": "crewai/openai-api-key",
            "KmsKeyId": "alias/crew",
        }
    ),
)
VALUE = {
    "ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:crewai/openai-api-key-AbCdEf",
    "Name": "crewai/openai-api-key",
    "VersionId": "a1b2c3d4-5678-90ab-cdef-EXAMPLE11111",
    "SecretString": "value-canary",
}
READ = http(200, json.dumps(VALUE))
BATCHED = http(200, json.dumps({"SecretValues": [VALUE], "Errors": []}))
GOOD = {
    "GetCallerIdentity": IDENTITY,
    "AssumeRole": ASSUMED,
    "ListSecrets": LISTED,
    "DescribeSecret": DESCRIBED,
    "GetSecretValue": READ,
    "BatchGetSecretValue": BATCHED,
}


def scripted(**answers: bytes | None) -> Answer:
    """Return an `answer` that works like AWS for everything but the actions given."""
    script: dict[str, bytes | None] = {**GOOD, **answers}
    return lambda request, _: script[request.action]

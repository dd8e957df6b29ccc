"""Faults of networks and servers as answers of a `Wire`, each with the codes that it may be told as."""

import socket
import struct
import time

from credentials.providers.failures import FailureCode

from .wire import GOOD, Answer, Request, http, json_error, sts_error

F = FailureCode


def hang(request: Request, connection: socket.socket) -> None:
    connection.recv(1)


def drip(request: Request, connection: socket.socket) -> None:
    for byte in GOOD[request.action]:
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


def drip_body(request: Request, connection: socket.socket) -> None:
    head, _, body = GOOD[request.action].partition(b"\r\n\r\n")
    connection.sendall(head + b"\r\n\r\n")
    for byte in body:
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


def reset(request: Request, connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def close(request: Request, connection: socket.socket) -> None:
    return


def close_halfway(request: Request, connection: socket.socket) -> None:
    connection.sendall(GOOD[request.action][:-20])


def flood(request: Request, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 209715200\r\n\r\n")
    for _ in range(200):
        connection.sendall(b" " * 1024 * 1024)


def flood_in_chunks(request: Request, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(200):
        connection.sendall(b"100000\r\n" + b" " * 1024 * 1024 + b"\r\n")


def flood_of_headers(request: Request, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000)


def garbage(request: Request, connection: socket.socket) -> bytes:
    return b"SSH-2.0-OpenSSH_9.2\r\n\r\n"


def always(answer: bytes) -> Answer:
    return lambda request, connection: answer


FAULTS: dict[str, tuple[Answer, set[FailureCode]]] = {
    "reset": (reset, {F.CONNECTION_LOST}),
    "close": (close, {F.CONNECTION_LOST}),
    "close_halfway": (close_halfway, {F.CONNECTION_LOST, F.UNEXPECTED_RESPONSE}),
    "flood": (flood, {F.UNEXPECTED_RESPONSE}),
    "flood_in_chunks": (flood_in_chunks, {F.UNEXPECTED_RESPONSE}),
    "flood_of_headers": (flood_of_headers, {F.CONNECTION_LOST, F.UNEXPECTED_RESPONSE}),
    "garbage": (garbage, {F.CONNECTION_LOST, F.UNEXPECTED_RESPONSE}),
    "html": (always(http(200, "<html><body>Welcome to the hotel</body></html>")), {F.UNEXPECTED_RESPONSE}),
    "empty": (always(http(200, "")), {F.UNEXPECTED_RESPONSE}),
    "no_content": (always(b"HTTP/1.1 204 X\r\n\r\n"), {F.UNEXPECTED_RESPONSE}),
    "cut_json": (always(http(200, '{"SecretList": [{"Name": "a"')), {F.UNEXPECTED_RESPONSE}),
    "list": (always(http(200, "[1, 2]")), {F.UNEXPECTED_RESPONSE}),
    "null": (always(http(200, "null")), {F.UNEXPECTED_RESPONSE}),
    "number_for_text": (
        always(http(200, '{"SecretList": 1, "ARN": 1, "VersionId": 1, "SecretString": 1}')),
        {F.UNEXPECTED_RESPONSE},
    ),
    "binary": (always(http(200, b"\x00\xff\xfe\x80" * 100)), {F.UNEXPECTED_RESPONSE}),
    "redirect": (always(http(307, "", {"Location": "http://127.0.0.1:9/"})), {F.UNEXPECTED_RESPONSE}),
    "not_found": (always(http(404, "<html>404</html>")), {F.UNEXPECTED_RESPONSE}),
    "500": (always(http(500, "oops")), {F.AWS_UNAVAILABLE, F.UNEXPECTED_RESPONSE}),  # STS never speaks like this
    "503": (always(http(503, "")), {F.AWS_UNAVAILABLE}),
    "bad_gateway": (always(http(502, "<html>Bad Gateway</html>")), {F.AWS_UNAVAILABLE}),
    "proxy_sign_in": (always(http(407, "<html>Proxy Authentication Required</html>")), {F.PROXY_REFUSED}),
    "proxy_block": (always(http(403, "<html>Blocked by policy</html>")), {F.UNEXPECTED_RESPONSE}),
    "wrong_content_type": (
        always(http(200, "SecretList: none", {"Content-Type": "application/x-yaml"})),
        {F.UNEXPECTED_RESPONSE},
    ),
    "throttle": (
        lambda request, connection: (
            sts_error("Throttling", "Rate exceeded", 400)
            if request.action == "GetCallerIdentity"
            else json_error("ThrottlingException", "Rate exceeded")
        ),
        {F.THROTTLED},
    ),
}

#: Faults that never end by themselves: the deadline does.
ENDLESS: dict[str, Answer] = {"hang": hang, "drip": drip, "drip_body": drip_body}


def only_at(action: str, fault: Answer) -> Answer:
    """Answer one action with a fault, all others as AWS does."""
    return lambda request, connection: fault(request, connection) if request.action == action else GOOD[request.action]

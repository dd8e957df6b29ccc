"""`python -m bench.stub MILLISECONDS`: a Secrets Manager on loopback that answers each request after that long.

For measuring only: it checks no signature. It does enforce 20 ids a batch, refuses batches while told to, and counts
what it is asked. Prints its port. A process of its own, so that its work is not counted as ours.

    GET /count      the requests since the last time, by operation, as JSON
    GET /batch/on   allow BatchGetSecretValue; /batch/off: deny it
"""

import asyncio
import json
import re
import sys
from collections import Counter
from typing import Any

BATCH_SIZE = 20
DENIED = {
    "__type": "AccessDeniedException",
    "Message": "User: arn:aws:iam::123456789012:user/bench is not authorized to perform:"
    " secretsmanager:BatchGetSecretValue because no identity-based policy allows the"
    " secretsmanager:BatchGetSecretValue action",
}
TOO_MANY = {"__type": "ValidationException", "Message": "Member must have length less than or equal to 20"}


class Stub:
    """What is answered, and how often each operation was asked for."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.batch_allowed = True
        self.count: Counter[str] = Counter()

    def answer(self, head: str, body: bytes) -> tuple[int, Any]:
        """Return the status and the content that a request is answered with."""
        path = head.split(" ", 2)[1]
        if path == "/count":
            counted, self.count = self.count, Counter()
            return 200, counted
        if path.startswith("/batch/"):
            self.batch_allowed = path.endswith("/on")
            return 200, {}
        operation = re.search(r"x-amz-target: secretsmanager\.(\w+)", head, re.IGNORECASE)
        name = operation[1] if operation else "?"
        self.count[name] += 1
        asked = json.loads(body)
        if name == "BatchGetSecretValue":
            return self.batch(asked["SecretIdList"])
        return 200, secret(asked["SecretId"])

    def batch(self, names: list[str]) -> tuple[int, Any]:
        """Return the answer to a batch."""
        if not self.batch_allowed:
            return 400, DENIED
        if len(names) > BATCH_SIZE:
            return 400, TOO_MANY
        return 200, {"SecretValues": [secret(name) for name in names], "Errors": []}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1])) if length else b""
                if head.startswith("POST"):
                    await asyncio.sleep(self.delay)
                status, content = self.answer(head, body)
                text = json.dumps(content).encode()
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def secret(name: str) -> dict[str, str]:
    """A JSON secret with a few keys, about 200 bytes long."""
    value = json.dumps({"username": "app", "password": f"value-of-{name}", "host": "db.internal", "port": 5432})
    return {
        "ARN": f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{name}-AbCdEf",
        "Name": name,
        "VersionId": "a1b2c3d4-5678-90ab-cdef-EXAMPLE11111",
        "SecretString": value,
    }


async def main() -> None:
    """Serve until the process is ended."""
    server = await asyncio.start_server(Stub(float(sys.argv[1]) / 1000).serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

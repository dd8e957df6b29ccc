"""Find a secret in a text: all of it or a piece of eight characters, as it is or in one of the usual encodings."""

import base64
import html
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from random import Random
from urllib.parse import quote, quote_plus

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
HEX_DIGITS = "0123456789abcdef"
#: The shortest piece that counts. Of random letters it occurs nowhere by chance; of digits it takes more of them.
PIECE, PIECE_OF_DIGITS = 8, 12

Value = str | bytes | list[str]


def made_up(name: str, length: int = 40, letters: str = LETTERS) -> str:
    """Return a canary: random, and the same in every run."""
    return "".join(Random(name).choices(letters, k=length))  # noqa: S311 - opens nothing


class Search:
    """Looks for secrets, given by name as texts, bytes or several texts."""

    def __init__(self, secrets: Mapping[str, Value]) -> None:
        self._patterns: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for name, value in secrets.items():
            for secret in value if isinstance(value, list) else [value]:
                for pattern in (form for piece in _pieces(secret) for form in forms_of(piece)):
                    self._patterns[pattern[:PIECE]].append((pattern, name))

    def found(self, text: str) -> set[str]:
        """Return the names of the secrets of which something is in a text."""
        starts = {text[at : at + PIECE] for at in range(len(text) - PIECE + 1)} & self._patterns.keys()
        return {name for start in starts for pattern, name in self._patterns[start] if pattern in text}


def _pieces(secret: str | bytes) -> Iterator[bytes]:
    size = PIECE_OF_DIGITS if isinstance(secret, str) and set(secret) <= set(HEX_DIGITS) else PIECE
    pieces = (secret[at : at + size] for at in range(len(secret) - size + 1))
    return (piece.encode() if isinstance(piece, str) else piece for piece in pieces)


def forms_of(piece: bytes) -> set[str]:
    """Return every way in which a piece of a secret may be written."""
    plain = piece.decode(errors="surrogateescape") if piece.isascii() else piece.decode("utf-8", errors="replace")
    written = {plain, piece.decode("latin-1"), json.dumps(plain)[1:-1], html.escape(plain), repr(plain)[1:-1]}
    urls = {quote(piece, safe=""), quote(piece), quote_plus(piece)}
    return written | urls | {piece.hex(), piece.hex().upper()} | set(_in_base64(piece))


def _in_base64(piece: bytes) -> Iterator[str]:
    """Yield what a piece looks like inside of base64, wherever in the encoded text it begins."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + piece)
        first, last = -(-before * 8 // 6), (before + len(piece)) * 8 // 6  # the characters that are the piece's alone
        text = encoded[first:last].decode()
        yield text
        yield text.replace("+", "-").replace("/", "_")

"""Fetch a crew's values before it is built: Environment(address, token).refresh(), then Crew(...).kickoff()."""

import json
import os
import time
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_arguments):
        """Follow none: the token is for one address only."""


class Environment:
    """The values of one automation; `address` ends in /api/v1/automations/UUID/environment."""

    def __init__(self, address, token, seconds=60):
        self._address, self._seconds, self._etag = address, seconds, ""
        self._headers, self._opener = {"Authorization": f"Bearer {token}"}, build_opener(_NoRedirects)

    def refresh(self):
        """Put the values into os.environ; return whether there were new ones. Raises OSError or RuntimeError."""
        ends, body = time.monotonic() + self._seconds, b""
        request = Request(self._address, headers=self._headers | {"If-None-Match": self._etag})
        try:
            with self._opener.open(request, timeout=self._seconds) as answer:
                while part := answer.read1(65536):
                    body += part
                    if time.monotonic() > ends:
                        raise TimeoutError("crewadmin did not answer in time")
        except HTTPError as error:
            if error.code == 304:
                return False
            raise RuntimeError(f"crewadmin answered {error.code}: {error.read(100_000).decode()}") from None
        os.environ.update(json.loads(body)["variables"])
        self._etag = answer.headers["ETag"]
        return True

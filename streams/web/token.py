"""Who knows the token: a program says it in a header, a person once in a form, from then on a cookie says it.

The cookie isn't the token: it says until when it holds, signed with the token. So it outlives a restart of the dashboard, ends
with another token, and nothing is kept here.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable
from urllib.parse import parse_qs

from aiohttp import web

from streams.web.errors import Handler, Refused
from streams.web.static import Static

COOKIE = "cloutstream"
HOLDS_S = 7 * 86400
LONGEST_FORM_BYTES = 4096
WRONG_PAUSE_S = 1.0  # for all together: who guesses has one try a second
OPEN = ("/login", "/static/")  # what needs no token: the form and what it looks like


def signed(token: str, until_s: int) -> str:
    """Return the cookie that holds until `until_s`, epoch s."""
    return f"{until_s}.{hmac.digest(token.encode(), b'dashboard until %d' % until_s, 'sha256').hex()}"


def is_signed(token: str, cookie: str, now_s: float) -> bool:
    """Return whether a cookie was signed with the token and holds at `now_s`, epoch s."""
    text = cookie.partition(".")[0]
    if not (text.isascii() and text.isdigit() and len(text) <= 12) or int(text) <= now_s:
        return False
    return _is_equal(cookie, signed(token, int(text)))


class TokenCheck:
    """Asks every request for the token.

    Args:
        token: not empty.
        static: has the form.
        wall: the clock that cookies end by, epoch s.
    """

    def __init__(self, token: str, static: Static, wall: Callable[[], float] = time.time) -> None:
        self._token, self._static, self._wall = token, static, wall
        self._guessing = asyncio.Lock()

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let through who knows the token; lead a person to the form, and tell a program what is missing."""
        if request.path.startswith(OPEN) or self._knows(request):
            return await handler(request)
        if request.path.startswith("/api/"):
            said = "expected the header `Authorization: Bearer TOKEN`, or the cookie that /login gives"
            raise Refused(401, said, headers={"WWW-Authenticate": "Bearer"})
        return web.Response(status=303, headers={"Location": "/login"})

    async def form(self, _request: web.Request) -> web.Response:
        """Show the form."""
        return self._static.login(is_wrong=False)

    async def login(self, request: web.Request) -> web.Response:
        """Give the cookie to who filled in the token."""
        try:
            form = parse_qs((await request.read()).decode(errors="replace"), max_num_fields=4)
        except ValueError:
            raise Refused(400, "the form has more than 4 fields; expected one, the token") from None
        given = form.get("token", [""])[0]
        if not _is_equal(given, self._token):
            async with self._guessing:
                await asyncio.sleep(WRONG_PAUSE_S)
            return self._static.login(is_wrong=True)
        response = web.Response(status=303, headers={"Location": "/"})
        cookie = signed(self._token, int(self._wall()) + HOLDS_S)
        is_tls = request.headers["Origin"].startswith("https:")  # also when a proxy speaks it
        response.set_cookie(COOKIE, cookie, max_age=HOLDS_S, path="/", httponly=True, samesite="Strict", secure=is_tls)
        return response

    def _knows(self, request: web.Request) -> bool:
        authorization = request.headers.get("Authorization")
        if authorization is not None:
            return _is_equal(authorization, f"Bearer {self._token}")
        return is_signed(self._token, request.cookies.get(COOKIE, ""), self._wall())


def _is_equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogateescape"), expected.encode())

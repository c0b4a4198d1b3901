"""Errors as the API answers them: JSON that says what was wrong and what is valid."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from streams.errors import CloutstreamError, ConfigurationError, ServiceUnavailable

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
REDIS_AWAY = "Redis can't be reached; it is tried again"
RETRY_AFTER_S = 2
SHOWN_CHARACTERS = 100  # of a wrong value
_log = logging.getLogger("cloutstream")


class Refused(CloutstreamError):
    """A request that isn't answered.

    Args:
        status: HTTP's.
        error: what was wrong and what is valid.
        parameter: the one that was wrong, if it was one.
        headers: of the answer.
    """

    def __init__(self, status: int, error: str, *, parameter: str | None = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(error)
        self.status, self.parameter, self.headers = status, parameter, headers or {}


def wrong(parameter: str, value: str, expected: str) -> Refused:
    """Return the error of a parameter that isn't valid."""
    shown = value if len(value) <= SHOWN_CHARACTERS else value[: SHOWN_CHARACTERS - 1] + "…"
    return Refused(400, f"{parameter} is {shown!r}; expected {expected}", parameter=parameter)


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return a JSON answer that nobody keeps: it is old in a second."""
    return web.Response(
        body=orjson.dumps(value),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer an error that was raised on purpose; a bug is logged by aiohttp and answered with 500."""
    try:
        return await handler(request)
    except Refused as e:
        named = {} if e.parameter is None else {"parameter": e.parameter}
        return json_response({"error": str(e), **named}, e.status, e.headers)
    except (ServiceUnavailable, ConfigurationError) as e:
        # Where Redis is, and which user it refused, is the operator's to know, not the reader's.
        _log.warning("a request can't be answered: %s", e)
        return json_response({"error": REDIS_AWAY}, 503, {"Retry-After": str(RETRY_AFTER_S)})
    except web.HTTPMethodNotAllowed as e:
        error = f"{e.method} {request.path!r}: expected the method {' or '.join(sorted(e.allowed_methods))}"
        return json_response({"error": error}, e.status, {"Allow": e.headers["Allow"]})
    except web.HTTPNotFound:
        error = f"nothing is at {request.path[:SHOWN_CHARACTERS]!r}; /api/v1/openapi.json says what there is"
        return json_response({"error": error}, 404)
    except web.HTTPRequestEntityTooLarge as e:
        return json_response({"error": "the body is too large; expected a form with a token"}, e.status)

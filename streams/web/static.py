"""The files of the page: part of the package, read once, and nothing else is served."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import web

TYPES = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "json": "application/json",
}
WRONG = b"<!-- wrong -->"
_SAID = b'<p class="problem" role="alert">That is not the token.</p>'


class Static:
    """The files by path, with the header that lets a browser keep what hasn't changed."""

    def __init__(self) -> None:
        self._files = dict(_walk(files("streams.web").joinpath("static"), ""))

    @property
    def paths(self) -> list[str]:
        """The paths of all files, below `/static/`."""
        return sorted(self._files)

    async def file(self, request: web.Request) -> web.Response:
        """Answer with a file below `/static/`."""
        return self._answer(request, request.match_info["path"])

    async def page(self, request: web.Request) -> web.Response:
        """Answer with the page."""
        return self._answer(request, "page.html")

    async def openapi(self, request: web.Request) -> web.Response:
        """Answer with the description of the API."""
        return self._answer(request, "openapi.json")

    def login(self, *, is_wrong: bool) -> web.Response:
        """Return the form that asks for the token; `is_wrong` says that another was given."""
        body = self._files["login.html"].replace(WRONG, _SAID if is_wrong else b"")
        return web.Response(body=body, status=401 if is_wrong else 200, content_type="text/html", charset="utf-8")

    def _answer(self, request: web.Request, path: str) -> web.Response:
        body = self._files.get(path)
        if body is None:
            raise web.HTTPNotFound
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}  # ask each time: a new release shows at once
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, content_type=TYPES[path.rpartition(".")[2]], charset="utf-8", headers=headers)


def _walk(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for found in folder.iterdir():
        if found.is_dir():
            yield from _walk(found, f"{path}{found.name}/")
        elif found.name.rpartition(".")[2] in TYPES:
            yield path + found.name, found.read_bytes()

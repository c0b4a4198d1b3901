"""Who may ask the dashboard, by host name and by page; and what every answer forbids a browser.

Two attacks come through the browser of somebody who may ask. DNS rebinding: a name of the attacker's resolves to this machine, so
that the page there may read ours; the Host header then has that name. And requests that another site's page sends here: what they
carry tells on them, `Origin` or `Sec-Fetch-Site`.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web

from streams.plaintext import hosts_of, is_loopback
from streams.settings import PREFIX, Settings
from streams.web.errors import Handler, Refused

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with none at all a browser says of the form's origin that it is null
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Add what every answer says, errors and streams too."""
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.pop("Server", None)  # whose version is nobody's business


def host_of(header: str) -> str:
    """Return the host in a Host header, in lower case, without port and brackets.

    >>> host_of("Localhost:8420"), host_of("[::1]:8420"), host_of("dash.example")
    ('localhost', '::1', 'dash.example')
    """
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()


def is_served(host: str, names: Collection[str], *, only_here: bool) -> bool:
    """Return whether the dashboard answers to a host: a name it was given, localhost, or an address, which nobody can rebind.

    Args:
        host: as from `host_of`.
        names: those given, in lower case.
        only_here: it listens on loopback, so another address in the header is made up.
    """
    if is_loopback(host) or host in names:
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return not only_here


class Gate:
    """Lets requests through by their Host, Origin and fetch metadata headers."""

    def __init__(self, settings: Settings) -> None:
        listens_at = hosts_of(settings.dashboard)[0].lower()
        self._only_here = is_loopback(listens_at)
        self._names = frozenset([*settings.dashboard_names, listens_at])

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer only to hosts it is served under, and to no page of another origin."""
        host = request.headers.get("Host", "")
        if not is_served(host_of(host), self._names, only_here=self._only_here):
            raise Refused(
                421, f"the dashboard isn't served as {host[:100]!r}; expected localhost, or a name in {PREFIX}DASHBOARD_HOSTS"
            )
        origin = request.headers.get("Origin")
        if origin is None and request.method not in ("GET", "HEAD"):
            raise Refused(403, f"a {request.method} without the header Origin; expected that of this page")
        if origin is not None and not _is_same(origin, host):
            raise Refused(403, f"the origin is {origin[:100]!r}; expected that of this page")
        site = request.headers.get("Sec-Fetch-Site", "none")
        # A link from elsewhere may lead here; a page from elsewhere may not load anything from here.
        is_link = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
        if site not in ("same-origin", "none") and not is_link:
            raise Refused(403, f"the request comes from another site ({site[:100]!r}); expected one of this page")
        return await handler(request)


def _is_same(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()

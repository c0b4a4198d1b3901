"""Tokens, from a file or the environment: never from the command line, where every user of the machine can read them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from streams.errors import ConfigurationError
from streams.plaintext import is_loopback
from streams.secret import Secret

NO_TOKEN = Secret("")


def read_token(variable: str, file: Path | None) -> Secret:
    """Return the token in a file, or else in an environment variable; empty when there is neither.

    Raises:
        ConfigurationError: the file can't be read, or holds no token.
    """
    if file is None:
        text, where = os.environ.get(variable, ""), variable
    else:
        where = str(file)
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeError) as e:
            raise ConfigurationError(f"{where!r} can't be read: {getattr(e, 'strerror', None) or e}; expected a token") from None
    token = text.strip()
    if (file is not None and not token) or not re.fullmatch(r"[!-~]*", token):
        raise ConfigurationError(f"{where!r} holds no token; expected one line of printable ASCII without spaces")
    return Secret(token)


def bearer(url: str, token: Secret) -> dict[str, str]:
    """Return the header that shows a token to a URL; none when the token is empty.

    Raises:
        ConfigurationError: the token would cross the network in the clear.
    """
    parts = urlsplit(url)
    if not token:
        return {}
    if parts.scheme not in ("https", "wss") and not is_loopback(parts.hostname or ""):
        raise ConfigurationError(f"the URL is {url!r}: the token would cross the network in the clear; expected https://")
    return {"Authorization": f"Bearer {token.reveal()}"}

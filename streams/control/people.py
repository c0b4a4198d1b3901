"""Forgetting, hiding and showing accounts: what commands and sources write."""

from __future__ import annotations

from streams import entities
from streams.control import forgetting, hiding
from streams.control.campaigns import MOST_ID_CHARS
from streams.control.forgetting import Forgetting
from streams.control.reading import read_control
from streams.control.writing import write
from streams.errors import UsageError
from streams.settings import Settings


def forget_account(settings: Settings, account: str) -> tuple[Forgetting, bool]:
    """Have an account forgotten for ever; return from when on, and whether it wasn't before.

    Raises:
        UsageError: no account has such an id.
        ServiceUnavailable: Kafka can't be reached.
        ConfigurationError: there is no control topic.
        DurabilityError: Kafka didn't take it.
    """
    _check(account)
    state, name = read_control(settings), forgetting.id_of(account)
    if account in state.hidden:
        write(settings, "hide", account, None, hiding.encode)
    held = state.forgotten.get(name)
    if held is not None:
        return held, False
    found: Forgetting = write(settings, "forget", name, forgetting.encode(Forgetting()), forgetting.encode)
    return found, True


def hide_account(settings: Settings, account: str, *, show: bool = False) -> bool:
    """Have an account left out of all boards, or shown again; return whether that is a change.

    Raises:
        UsageError: no account has such an id.
        ServiceUnavailable, ConfigurationError, DurabilityError: as `forget_account`.
    """
    _check(account)
    if (account in read_control(settings).hidden) is not show:
        return False
    write(settings, "hide", account, None if show else hiding.encode(), hiding.encode)
    return True


def _check(account: str) -> None:
    if not 0 < len(account) <= MOST_ID_CHARS or entities.CONTROL.search(account):
        raise UsageError(
            f"account is {account[:80]!r}; expected 1 to {MOST_ID_CHARS} characters without control characters, as in the events"
        )

"""Forgetting, hiding and showing accounts: what commands and sources write."""

from __future__ import annotations

from collections.abc import Iterable

from streams import entities
from streams.control import forgetting, hiding
from streams.control.campaigns import MOST_ID_CHARS
from streams.control.forgetting import Forgetting
from streams.control.reading import read_control
from streams.control.writing import write, write_all
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
    if not _is_id(account):
        raise UsageError(
            f"account is {account[:80]!r}; expected 1 to {MOST_ID_CHARS} characters without control characters, as in the events"
        )
    is_new = bool(forget_accounts(settings, [account]))
    return read_control(settings).forgotten[forgetting.id_of(account)], is_new


def forget_accounts(settings: Settings, accounts: Iterable[str]) -> int:
    """Have accounts forgotten; return how many weren't before. Ids that no account can have are left out.

    Raises:
        ServiceUnavailable, ConfigurationError, DurabilityError: as `forget_account`.
    """
    state, wanted = read_control(settings), {account for account in accounts if _is_id(account)}
    hidden = {account: None for account in wanted & state.hidden}
    if hidden:
        write_all(settings, "hide", hidden, hiding.encode)
    # Not those that are: the record that says since when must stay the last one.
    new = {forgetting.id_of(account) for account in wanted} - state.forgotten.keys()
    if new:
        write_all(settings, "forget", dict.fromkeys(sorted(new), forgetting.encode(Forgetting())), forgetting.encode)
    return len(new)


def hide_account(settings: Settings, account: str, *, show: bool = False) -> bool:
    """Have an account left out of all boards, or shown again; return whether that is a change.

    Raises:
        ServiceUnavailable, ConfigurationError, DurabilityError: as `forget_account`.
    """
    if (account in read_control(settings).hidden) is not show:
        return False
    write(settings, "hide", account, None if show else hiding.encode(), hiding.encode)
    return True


def _is_id(account: str) -> bool:
    return 0 < len(account) <= MOST_ID_CHARS and not entities.CONTROL.search(account)

"""What is defined while workers run: each worker follows the control topic, and intake takes no event before it knows enough."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from streams.alerts.rules import Rules
from streams.control.state import ControlState
from streams.intake.campaigns import Watchlist
from streams.tables.forgotten import NOBODY, Forgotten

if TYPE_CHECKING:
    from agents.host import Host

READ_INTERVAL_S = 0.1


class Control:
    """What the control topic says, laid out for those who go by it.

    `is_waited_for`: events wait for it to be read further.
    """

    def __init__(self) -> None:
        self.state = ControlState()
        self.is_waited_for = False
        self._watchlist, self._rules, self._forgotten, self._of = Watchlist(), Rules({}), NOBODY, 0

    @property
    def takes_until_ms(self) -> float:
        """The broker's time up to which events may be taken, epoch ms."""
        return self.state.takes_until_s * 1000

    async def read(self) -> None:
        """Return when the topic was read to its end once: before that, what isn't defined may only not be known."""
        while not self.state.is_read:
            await asyncio.sleep(READ_INTERVAL_S)

    @property
    def campaigns(self) -> Watchlist:
        """All campaigns as they are known now."""
        self._lay_out()
        return self._watchlist

    @property
    def rules(self) -> Rules:
        """All alert rules as they are known now; the same object until something changes."""
        self._lay_out()
        return self._rules

    @property
    def forgotten(self) -> Forgotten:
        """Who is forgotten as is known now; the same object until somebody else is."""
        self._lay_out()
        return self._forgotten

    def _lay_out(self) -> None:
        if self._of != self.state.revision:
            self._watchlist, self._rules, self._of = Watchlist(self.state.campaigns), self.state.rules, self.state.revision
            forgotten = Forgotten(self.state.forgotten)
            if forgotten.fingerprint != self._forgotten.fingerprint:
                self._forgotten = forgotten


def add_control(app: Host) -> None:
    """Add the following of the control topic to an app."""

    async def follow() -> None:
        async for fetched in app.follow_control():
            app.control.state.apply(fetched)
            if app.control.is_waited_for:
                app.has_work.set()

    app.endless("following the control topic", follow)

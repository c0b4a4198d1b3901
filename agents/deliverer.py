"""Deliverer: alerts out of the feed to the webhooks of their rules. Sign, post, try again, give up.

Each alert goes out at least once, and once unless a worker ends between a call and its note of it. What a webhook refuses, or
doesn't take in `ATTEMPTS`, is put aside with the reason. A webhook that hangs holds up nothing but its own alerts.
"""

from __future__ import annotations

import asyncio
import logging
import random

import orjson
import redis

from agents.host import Host
from streams.alerts.addresses import private_hosts_of
from streams.alerts.webhook import Caller, Outcome, key_of
from streams.errors import ConfigurationError
from streams.redis.deliveries import Deliveries, Delivery, parts_of

_log = logging.getLogger("cloutstream")
ATTEMPTS = 8
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 120.0
MOST_AT_ONCE = 100  # alerts under way; more wait in Redis
CLAIM_INTERVAL_S = 30.0
REDIS_PAUSE_S = 2.0
RULE_WITHIN_S = 5.0  # a worker may hear of a rule later than the one that alerted by it


class Deliverer:
    """Delivers what this worker takes from the feed.

    Args:
        app: the worker.
        deliveries: what is to be delivered.
        caller: what calls webhooks.
        first_pause_s: before the second attempt; doubled before each later one, with jitter.
    """

    def __init__(self, app: Host, deliveries: Deliveries, caller: Caller, first_pause_s: float = FIRST_PAUSE_S) -> None:
        self._app, self._deliveries, self._caller = app, deliveries, caller
        self._first_pause_s = first_pause_s
        self._under_way: set[asyncio.Task[None]] = set()
        self._claimed_at_s = float("-inf")

    async def run(self) -> None:
        """Deliver for ever."""
        try:
            # Before that no alert has a rule, and would be taken for one whose rule is gone.
            await self._app.control.read()
            while True:
                try:
                    await self.step()
                except (redis.RedisError, OSError):  # the alerter says so
                    await asyncio.sleep(REDIS_PAUSE_S)
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)
            await self._deliveries.close()
            await self._caller.close()

    async def step(self) -> None:
        """Take what is there, as far as there is room, and begin to deliver it."""
        room = MOST_AT_ONCE - len(self._under_way)
        if room <= 0:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            return
        found = await self._deliveries.new(room)
        now_s = self._app.clock.monotonic()
        if now_s - self._claimed_at_s >= CLAIM_INTERVAL_S:
            self._claimed_at_s = now_s
            found += await self._deliveries.left_behind(room - len(found)) if room > len(found) else []
        for delivery in found:
            task = asyncio.create_task(self._deliver(delivery))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            await self._try(delivery)
        except (redis.RedisError, OSError) as e:
            # It stays taken, and is claimed again.
            _log.warning("an alert's delivery could not be noted: %s; it may go out once more", e)

    async def _try(self, delivery: Delivery) -> None:
        alert_id, rule_id = parts_of(delivery.body)
        if rule_id not in self._app.control.rules.by_id:
            await asyncio.sleep(RULE_WITHIN_S)
        rule = self._app.control.rules.by_id.get(rule_id)
        if rule is None or not rule.webhook:
            await self._deliveries.done(delivery)
            return
        outcome, attempt = Outcome(), 0
        while attempt < ATTEMPTS and not self._names_somebody_forgotten(delivery):
            attempt += 1
            try:
                key = key_of(self._app.settings, rule.secret)
                outcome = await self._caller.call(rule.webhook, key, alert_id, delivery.body, int(self._app.clock.time()))
            except ConfigurationError as e:
                outcome = Outcome(str(e), is_final=True)
            if not outcome.why:
                await self._deliveries.done(delivery)
                self._app.counters.deliveries["delivered"] += 1
                return
            if outcome.is_final:
                break
            self._app.counters.deliveries["failed"] += 1
            await self._deliveries.touch(delivery)
            if attempt < ATTEMPTS:
                pause_s = min(LONGEST_PAUSE_S, self._first_pause_s * 2 ** (attempt - 1))
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
        if self._names_somebody_forgotten(delivery):
            await self._deliveries.done(delivery)
            return
        await self._deliveries.give_up(delivery, outcome.why, attempt)
        self._app.counters.deliveries["undelivered"] += 1
        _log.warning("alert %s of rule %s is not delivered after %d attempts: %s", alert_id, rule_id, attempt, outcome.why)

    def _names_somebody_forgotten(self, delivery: Delivery) -> bool:
        """Return whether an alert may be told to nobody any more: out of the feed, it is still here while it is tried again."""
        forgotten = self._app.control.forgotten
        return bool(forgotten) and forgotten.is_named_in(orjson.loads(delivery.body))


def add_deliverer(app: Host) -> None:
    """Add the deliverer to an app."""

    async def deliver() -> None:
        private_hosts = private_hosts_of(app.settings)
        await Deliverer(app, Deliveries(app.settings), Caller(private_hosts)).run()

    app.endless("delivering alerts", deliver)

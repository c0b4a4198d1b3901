"""What is defined in a schedule, as commands write it to the control topic.

Alert rules before it begins; campaigns, and who is forgotten, meanwhile.
"""

from __future__ import annotations

import random
from dataclasses import replace

from faust.types import TP

from streams.alerts import rules
from streams.control import forgetting
from streams.control.campaigns import Campaign, encode
from streams.control.forgetting import Forgetting
from streams.control.state import ControlRecord, ControlState, Fetched

from .log import Log
from .plan import Plan
from .rules import RULES
from .world import EPOCH_S, World


class Definitions:
    """Has rules made, and campaigns made and ended in their time."""

    def __init__(self, world: World, plan: Plan, log: Log) -> None:
        self._world, self._plan, self._log = world, plan, log
        self._tp = TP(plan.settings().control_topic, 0)

    def arrange(self) -> None:
        """Have all that the plan says happen."""
        for rule in RULES:
            self._write(f"rule:{rule.id}", rules.encode(rule))
        for at_s, person in self._plan.forgets:
            key, value = f"forget:{forgetting.id_of(person)}", forgetting.encode(Forgetting())
            self._world.at(max(0.0, at_s), lambda key=key, value=value: self._write(key, value))
            self._world.at(max(0.0, at_s) + 0.01, lambda key=key: self._forget_again(key))
        rng = random.Random(self._world.seed)
        for number, (made_s, ended_s) in enumerate(self._plan.campaigns_s):
            campaign = Campaign(
                name=f"c@{number}",
                tags=rng.choice([(), ("x",), ("y@z", "x")]),
                accounts=rng.choice([("p0",), ("p1", "p2", "nobody"), ("p3",)]),
                from_s=rng.choice([None, None, 1.0, EPOCH_S + rng.uniform(0, self._plan.span_s)]),
                to_s=rng.choice([None, None, EPOCH_S + rng.uniform(self._plan.span_s, 2 * self._plan.span_s)]),
            )
            self._world.at(max(0.0, made_s), lambda campaign=campaign: self._write(f"campaign:{campaign.name}", encode(campaign)))
            self._world.at(max(0.0, made_s) + 0.01, lambda campaign=campaign: self._again(campaign))
            self._world.at(ended_s, lambda campaign=campaign: self._end(campaign.name))

    def _write(self, key: str, value: bytes) -> None:
        offset = self._log.append(self._tp, [key.encode()], [value])
        self._world.note("control %s[%d]@%d: %s", *self._tp, offset, value)

    def _forget_again(self, key: str) -> None:
        """Another command did so at the same time, and puts the log right."""
        self._write(key, forgetting.encode(Forgetting()))
        self._write(key, forgetting.encode(defined(self._log, self._plan).forgotten[key.partition(":")[2]]))

    def _again(self, campaign: Campaign) -> None:
        """Another command made it at the same time, and puts the log right."""
        self._write(f"campaign:{campaign.name}", encode(replace(campaign, tags=("x",), accounts=())))
        held = defined(self._log, self._plan).campaign(campaign.name)
        assert held is not None
        self._write(f"campaign:{campaign.name}", encode(held))

    def _end(self, name: str) -> None:
        held = defined(self._log, self._plan).campaign(name)
        assert held is not None
        self._write(f"campaign:{name}", encode(held, ends=True))


def defined(log: Log, plan: Plan) -> ControlState:
    """Return what the control topic says."""
    state = ControlState()
    records = log[TP(plan.settings().control_topic, 0)].records
    state.apply(Fetched([ControlRecord(r.offset, r.timestamp, r.key, r.value) for r in records], None))
    return state

"""Writing campaigns: bad ones are refused, and what is written is read again.

Two commands may write the same campaign at once. The first record counts, as `campaigns.fold` says; but only the last one
outlives compaction. So each writer looks afterwards whether the last record alone says what all say together, and else writes
that. An hour passes before compaction.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace

from kafka.errors import KafkaError

from streams.control.campaigns import Campaign, checked, encode
from streams.control.reading import control_records, read_control
from streams.control.state import ControlRecord, ControlState, Fetched
from streams.errors import DurabilityError, UsageError
from streams.kafka.clients import REQUEST_TIMEOUT_MS, producer
from streams.settings import Settings

MOST_RUNNING = 100
_ATTEMPTS = 5


def add_campaign(settings: Settings, campaign: Campaign) -> Campaign:
    """Make a campaign, and return it as it counts: with `since_ms`.

    Raises:
        UsageError: it can't be one, its name was used before, or `MOST_RUNNING` run already.
        ServiceUnavailable: Kafka can't be reached.
        ConfigurationError: there is no control topic.
        DurabilityError: Kafka didn't take it.
    """
    now_s = time.time()
    wanted = replace(checked(campaign), since_ms=0, ended_ms=None)
    if settings.clock == "event":  # recorded events: their times may be long past, so only when the broker took them bounds them
        wanted = replace(wanted, from_s=wanted.from_s or 0.0)
    else:
        _check_times(wanted, now_s)
    state = read_control(settings)
    if state.campaign(wanted.name) is not None:
        raise UsageError(f"campaign {wanted.name!r} is there already; names are used once: expected another")
    running = sum(not held.is_over(now_s) for held in state.campaigns)
    if running >= MOST_RUNNING:
        raise UsageError(f"{running} campaigns run already; expected fewer than {MOST_RUNNING}: end one with `campaign end NAME`")
    found = _write(settings, wanted.name, encode(wanted))
    if replace(found, since_ms=0, ended_ms=None) != wanted:
        raise UsageError(f"campaign {wanted.name!r} was made by somebody else just now; expected another name")
    return found


def end_campaign(settings: Settings, name: str) -> Campaign:
    """End a campaign, and return it as it counts: with `ended_ms`.

    Raises:
        UsageError: there is none of that name, or it has ended.
        ServiceUnavailable: Kafka can't be reached.
        ConfigurationError: there is no control topic.
        DurabilityError: Kafka didn't take it.
    """
    held = read_control(settings).campaign(name)
    if held is None:
        raise UsageError(f"there is no campaign {name!r}; `cloutstream campaign list` names them")
    if held.ended_ms is not None:
        raise UsageError(f"campaign {name!r} has ended already")
    return _write(settings, name, encode(held, ends=True))


def _check_times(campaign: Campaign, now_s: float) -> None:
    """Refuse times at which nothing could count."""
    if campaign.from_s is not None and campaign.from_s < now_s:
        raise UsageError(
            f"--from is {campaign.from_s:.0f}, {now_s - campaign.from_s:.0f} s ago; expected a time to come: what was before a "
            "campaign was made isn't counted"
        )
    if campaign.to_s is not None and campaign.to_s <= now_s:
        raise UsageError(f"--to is {campaign.to_s:.0f}, {now_s - campaign.to_s:.0f} s ago; expected a time to come")


def _write(settings: Settings, name: str, value: bytes) -> Campaign:
    key = f"campaign:{name}".encode()
    with contextlib.closing(producer(settings)) as client:
        for _ in range(_ATTEMPTS):
            try:
                client.send(settings.control_topic, key=key, value=value, partition=0).get(timeout=REQUEST_TIMEOUT_MS / 1000)
            except KafkaError as e:
                raise DurabilityError(f"Kafka didn't take the campaign {name!r}: {e!r}; look with `campaign list`") from e
            records = [record for record in control_records(settings) if record.key == key]
            together, alone = _told(name, records), _told(name, records[-1:])
            if together is None:
                raise DurabilityError(f"the campaign {name!r} was acknowledged and isn't there; look with `campaign list`")
            if alone == together:
                return together
            value = encode(together)
    raise DurabilityError(f"the campaign {name!r} is being written by others; look with `campaign list`")


def _told(name: str, records: list[ControlRecord]) -> Campaign | None:
    state = ControlState()
    state.apply(Fetched(records, None))
    return state.campaign(name)

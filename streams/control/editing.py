"""Making and ending campaigns, and adding rules: what can't be is refused, with the reason."""

from __future__ import annotations

import time
from dataclasses import replace

from streams.alerts import rules
from streams.control.campaigns import Campaign, checked, encode
from streams.control.reading import read_control
from streams.control.writing import write
from streams.errors import UsageError
from streams.settings import Settings

MOST_RUNNING = 100


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
    found: Campaign = write(settings, "campaign", wanted.name, encode(wanted), encode)
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
    ended: Campaign = write(settings, "campaign", name, encode(held, ends=True), encode)
    return ended


def add_rule(settings: Settings, rule: rules.Rule) -> rules.Rule:
    """Add a rule, and return it as it counts; one with its id is replaced.

    Raises:
        UsageError: it can't work.
        ServiceUnavailable: Kafka can't be reached.
        ConfigurationError: there is no control topic.
        DurabilityError: Kafka didn't take it.
    """
    added: rules.Rule = write(settings, "rule", rule.id, rules.encode(rules.checked(rule)), rules.encode)
    return added


def _check_times(campaign: Campaign, now_s: float) -> None:
    """Refuse times at which nothing could count."""
    if campaign.from_s is not None and campaign.from_s < now_s:
        raise UsageError(
            f"--from is {campaign.from_s:.0f}, {now_s - campaign.from_s:.0f} s ago; expected a time to come: what was before a "
            "campaign was made isn't counted"
        )
    if campaign.to_s is not None and campaign.to_s <= now_s:
        raise UsageError(f"--to is {campaign.to_s:.0f}, {now_s - campaign.to_s:.0f} s ago; expected a time to come")

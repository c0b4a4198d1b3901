"""Who there is: honest accounts with heavy-tailed followings and activity, and the named ones who play the system."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.simulation.names import account_names

TAGS = (
    "music", "football", "ai", "climate", "cooking", "books", "chess", "space", "politics", "film", "gardening", "cycling",
    "python", "history", "fashion", "travel",
)  # fmt: skip
NETWORKS = ("x", "bluesky", "mastodon")
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Population:
    """Columns by account number; honest accounts come first, the named ones after them."""

    names: list[str]
    since: list[float]  # epoch s at which the account was made
    networks: list[str]
    tag_choices: list[list[str]]  # what a post can be tagged with
    usual_tags: NDArray[np.int64]  # index into tag_choices, shape (accounts, 4): what an account posts about
    followers: NDArray[np.float64]
    activity: NDArray[np.float64]  # cumulative share of all activity of the honest accounts, ending at 1
    honest: range
    viral: range
    bots: range
    client_of_bots: int
    services: range
    clients_of_service: range
    ring: range


def populate(accounts: int, start_time: float, rng: np.random.Generator) -> Population:
    """Draw a network of `accounts` honest accounts, and named ones in proportion, as it is at `start_time` (epoch s)."""
    names = account_names(accounts)
    groups: list[range] = []
    for prefix, count in (
        ("viral-", _in_proportion(accounts, 2500, 3, 12)),
        ("bot-", _in_proportion(accounts, 40, 10, 400)),
        ("service-", _in_proportion(accounts, 200, 5, 100)),
        ("client-of-service-", _in_proportion(accounts, 1000, 3, 20)),
        ("ring-", _in_proportion(accounts, 500, 4, 20)),
    ):
        groups.append(range(len(names), len(names) + count))
        suffixes = account_names(count) if prefix == "viral-" else [str(i) for i in range(1, count + 1)]
        names += [prefix + suffix for suffix in suffixes]
    viral, bots, services, clients_of_service, ring = groups
    names.append("client-of-bots")
    total = len(names)

    # Pareto with exponent 1.15: of 20,000 accounts half have fewer than 19 followers and a handful have thousands.
    followers = np.minimum(10.0 * rng.random(total) ** (-1 / 1.15), max(accounts * 0.4, 10.0))
    followers[viral.start : viral.stop] = np.maximum(followers[viral.start : viral.stop], 50.0)
    followers[viral.stop :] = 5.0  # whoever buys attention has little of their own
    activity = np.cumsum(rng.lognormal(0.0, 1.2, accounts))
    age_s = np.minimum(rng.lognormal(6.8, 0.8, total), 6000.0) * _DAY_S  # median 2.5 years, at most 16
    age_s[bots.start : bots.stop] = 0.0
    age_s[services.start : services.stop] = rng.uniform(20, 90, len(services)) * _DAY_S
    tag_choices = [[], *([tag] for tag in TAGS), *([a, b] for a in TAGS for b in TAGS if a < b)]
    usual_tags = rng.integers(0, len(tag_choices), (total, 4))
    usual_tags[:, 0] = 0  # a quarter of the posts, and more by chance, has no tag
    return Population(
        names=names,
        since=np.round(start_time - age_s, 0).tolist(),
        networks=[NETWORKS[i] for i in rng.choice(len(NETWORKS), total, p=(0.5, 0.3, 0.2)).tolist()],
        tag_choices=tag_choices,
        usual_tags=usual_tags,
        followers=followers,
        activity=activity / activity[-1],
        honest=range(accounts),
        viral=viral,
        bots=bots,
        client_of_bots=total - 1,
        services=services,
        clients_of_service=clients_of_service,
        ring=ring,
    )


def _in_proportion(accounts: int, per: int, least: int, most: int) -> int:
    return max(least, min(most, accounts // per))

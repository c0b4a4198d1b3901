"""Who does what to gain points: the attacks of `model.md` 7 on accounts of a reach of 50, as events, and what each may buy.

The table there counts whole people; here everybody shares, which counts most of what an account can do. All of an attack happens
at one moment: nothing has faded, and nothing damps it that takes time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

FANS = 82  # of old, active accounts that share once: a reach of 50
RING_DAYS = 20
FANS_BEFORE_RING = 130  # faded by 20 days, a reach of 50
YOUNG_FANS = 80  # where nobody's age is known everybody counts in full
SQUARE = "square"  # whom ordinary days are about
_CLIENTS = 500  # of a retweet service, a day


class Act(NamedTuple):
    """An engagement, or a post, or one that is taken back; `is_old` says how old the actor is, None that nobody tells."""

    kind: str
    actor: str
    author: str
    is_old: bool | None = True
    undo: bool = False


Acts = Iterator[Act]


@dataclass(frozen=True)
class Attack:
    """What is done to the target of one repetition, and before that.

    Attributes:
        name: of the attack; its targets are called after it.
        most: points it may gain: the table's last column, or what is said openly of a weak spot.
        strike: gives its acts for a target in a repetition.
        fans: shares that the target has from old accounts.
        posts: posts that the target has made.
        is_weak: whether it is a weak spot and no row of the table.
        is_told: whether the age of its fans is told.
    """

    name: str
    most: float
    strike: Callable[[str, int], Acts]
    fans: int = FANS
    posts: int = 0
    is_weak: bool = False
    is_told: bool = True

    def target(self, k: int) -> str:
        """Return the account that repetition `k` is about."""
        return f"{self.name}-{k}"

    def audience(self, k: int) -> Acts:
        """Yield the posts of the target and the shares of its fans."""
        target = self.target(k)
        yield from [Act("tweet", target, target)] * self.posts
        for i in range(self.fans):
            yield Act("share", f"fan-{k}-{i}", target, is_old=self.is_told or None)


def _fakes(target: str, k: int) -> Acts:
    for i in range(100):
        yield from [Act("share", f"fake-{target}-{i}", target, is_old=False)] * 10


def _fakes_of_unknown_age(target: str, k: int) -> Acts:
    return (act._replace(is_old=None) for act in _fakes(target, k))


def _service(target: str, k: int) -> Acts:
    """Yield the last of a service's shares: `service_day` has those for its other clients."""
    return (Act("share", f"fake-service-{i}", target, is_old=False) for i in range(100))


def service_day(targets: int) -> Acts:
    """Yield what a retweet service does for its other clients, before its targets."""
    for client in range(_CLIENTS - targets):
        for i in range(100):
            yield Act("share", f"fake-service-{i}", f"client-{client}", is_old=False)


def _old_fan(target: str, k: int) -> Acts:
    return iter([Act("share", f"lover-{k}", target)] * 1000)


def _first_favours(target: str, k: int) -> Acts:
    for i in range(20):
        yield from [Act("share", f"early-{k}-{i}", target)] * 20


def _sleepers(target: str, k: int) -> Acts:
    return (Act("share", f"sleeper-{k}-{i}", target) for i in range(100))


def _none(target: str, k: int) -> Acts:
    return iter(())


def ring_day(k: int) -> Acts:
    """Yield a day of a ring in which the target and 20 others do each other a favour; the target gets all of its own first."""
    target, members = RING.target(k), [f"member-{k}-{i}" for i in range(20)]
    for member in members:
        yield Act("share", member, target)
    for member in members:
        yield Act("share", target, member)
        yield from (Act("share", member, other) for other in members if other != member)


def smear(target: str) -> Acts:
    """Yield all that fakes can do to a rival: shares and likes, those taken back, and others taken back that never were."""
    for i in range(100):
        fake = f"fake-{target}-{i}"
        for kind in ("like", "share", "reply"):
            yield from [Act(kind, fake, target, is_old=False)] * 3
        yield Act("share", fake, target, is_old=False, undo=True)
        yield from [Act("like", fake, target, is_old=False, undo=True)] * 2
        yield Act("reply", f"fake-other-{target}-{i}", target, is_old=False, undo=True)


RING = Attack("ring", 1.29, _none, fans=FANS_BEFORE_RING)  # takes days: `ring_day`
YOUNG = Attack(
    "young_log", 5.8, _fakes_of_unknown_age, fans=YOUNG_FANS, is_weak=True, is_told=False
)  # on the first day of the log
AT_ONCE = (
    Attack("fresh_fakes", 1.29, _fakes),
    Attack("fresh_fakes_posts", 1.41, _fakes, posts=10),
    Attack("retweet_service", 0.08, _service),
    Attack("old_fan", 0.14, _old_fan),
    Attack("empty_account", 17.3, _fakes, fans=0, is_weak=True),
    Attack("favours_not_returned", 2.39, _first_favours, is_weak=True),
    Attack("old_sleepers", 5.8, _sleepers, is_weak=True),
)
ATTACKS = (*AT_ONCE, RING, YOUNG)
RIVALS = (Attack("rival", 0.0, _none), Attack("rival_posts", 0.0, _none, fans=20, posts=10))  # of the second, A is below 0


def old_accounts(k: int) -> Iterator[str]:
    """Yield the accounts of a repetition that are active on all ordinary days."""
    yield from (f"fan-{k}-{i}" for i in range(FANS_BEFORE_RING))
    yield from (f"member-{k}-{i}" for i in range(20))
    yield from (RING.target(k), f"lover-{k}")
    yield from (f"early-{k}-{i}" for i in range(20))
    yield from (f"sleeper-{k}-{i}" for i in range(100))

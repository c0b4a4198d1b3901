"""The reader: boards, scores and what moved them, as they stand now, from what the workers keep in Redis.

Nothing in Redis is rewritten as time passes: a board's sort key is constant while an account is idle, and a reader turns
it into today's score. "Now" is the wall clock, or for recorded data the newest event time (`cs:clock`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any, Self, TypeVar

import redis
from redis.exceptions import NoScriptError

from streams.control.campaigns import Campaign as Definition
from streams.errors import ServiceUnavailable
from streams.reader.campaigns import Campaign
from streams.reader.changes import ScoreChange
from streams.reader.cursor import Start
from streams.reader.feed import Feed
from streams.reader.plan import Command, Plan, script
from streams.reader.queries import Queries
from streams.reader.records import Page, Point, Rank, Score, Stats
from streams.reader.weights import Weights
from streams.redis.client import connect, reaching_redis, require_bytes
from streams.settings import Settings

T = TypeVar("T")


class Reader:
    """Reads through a client whose replies are bytes; may be used from several threads.

    `scope` is the board's: `all`, `topics`, `campaigns`, `topic:TAG` or `campaign:ID`, encoded as in entity names; `board` is
    `standing` or `trending`. An `account` is a raw id; an `entity` is a name such as `account:ID` or `account:ID@topic:TAG`,
    which `streams.entities` makes. Hidden accounts stand on no board; their scores can be read.

    Every method raises `ServiceUnavailable` when Redis can't be reached, and `ConfigurationError` when it refused the password.

    Args:
        settings: of the deployment: half-lives, prefix, partitions.
        client: left open by `close` when it is given here; one that follows must wait longer than a second for a reply.
        wall: the clock used when readers go by the wall clock, epoch s.

    Raises:
        ValueError: the client decodes its replies.
    """

    def __init__(self, settings: Settings, client: redis.Redis, wall: Callable[[], float] = time.time) -> None:
        require_bytes(client)
        self.settings = settings
        self._client = client
        self._owns_client = False
        self._queries = Queries(settings, wall)

    @classmethod
    def connect(cls, settings: Settings | None = None) -> Self:
        """Return a reader with a connection of its own; settings are those of the environment where none are given.

        Raises:
            ConfigurationError: a setting isn't valid, or Redis refused the user or password.
            ServiceUnavailable: no Redis answers.
        """
        settings = settings or Settings.from_environ(os.environ)
        reader = cls(settings, connect(settings))
        reader._owns_client = True
        return reader

    def close(self) -> None:
        """Disconnect."""
        if self._owns_client:
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def now(self) -> float:
        """Return what readers take as now, epoch s."""
        return self._run(self._queries.now())

    def is_complete(self) -> bool:
        """Return whether everything has been published; False before the first publish and while a rebuild runs."""
        return self._run(self._queries.is_complete())

    def size(self, scope: str = "all", board: str = "standing") -> int:
        """Return how many members a board shows."""
        return self._run(self._queries.size(scope, board))

    def top(
        self, scope: str = "all", board: str = "standing", n: int = 10, offset: int = 0, weights: Weights | None = None
    ) -> Page:
        """Return `n` places of a board, leaving out the first `offset`, best first.

        With `weights` the standing board is ranked anew. Its order says little about the new one, so candidates are read from
        its top until nobody further down can belong on the page: A is within ±10 points, and R and G are bounded by the
        standing score. The page's `is_exact` is False when 5,000 candidates (or four times `n + offset`) were not enough for
        this proof; then the page is the best of those.

        Raises:
            ValueError: no such board, a number below 0, or weights for the trending board.
        """
        return self._run(self._queries.top(scope, board, n, offset, weights))

    def around(self, account: str, n: int = 5, scope: str = "all", board: str = "standing") -> Page:
        """Return an account's place with up to `n` above and `n` below; nothing when it isn't on the board."""
        return self._run(self._queries.around(account, n, scope, board))

    def rank(self, account: str, scope: str = "all", board: str = "standing") -> Rank | None:
        """Return where an account (on `topics` a tag, on `campaigns` a campaign) stands, or None when it isn't on the board."""
        return self._run(self._queries.rank(account, scope, board))

    def score(self, entity: str, weights: Weights | None = None) -> Score | None:
        """Return the score of an entity now, or None when none is kept: R and G have faded since `at`, A stands.

        With `weights` the score, its parts and `plus_minus` are by these; R, G and A are what they are.

        Raises:
            ValueError: not an entity name.
        """
        return self._run(self._queries.score(entity, weights))

    def outranks(self, a: str, b: str) -> float | None:
        """Return the probability that entity `a` really has more influence than entity `b`; None when a score isn't kept.

        `phi((score_a - score_b) / sqrt(plus_minus_a^2 + plus_minus_b^2))`, phi the standard normal distribution: 0.5 says that
        nobody can tell, and the rank is noise.
        """
        return self._run(self._queries.outranks(a, b))

    def why(self, entity: str, n: int | None = 10) -> list[dict[str, Any]]:
        """Return the last `n` statements of why a score moved, newest first; None for all that are kept."""
        return self._run(self._queries.why(entity, n))

    def history(self, entity: str, n: int | None = None) -> list[Point]:
        """Return the last `n` points of an entity's chart, newest first; None for all that are kept."""
        return self._run(self._queries.history(entity, n))

    def campaigns(self, defined: Iterable[Definition] | None = None) -> list[Campaign]:
        """Return all campaigns by id, each with what it has gathered.

        `defined` are all definitions, where the caller knows better than Redis; None for those that workers have published.
        """
        return self._run(self._queries.campaigns(defined))

    def alerts(self, n: int = 10) -> list[dict[str, Any]]:
        """Return the last `n` alerts, newest first."""
        return self._run(self._queries.alerts(n))

    def follow(
        self, scope: str | None = None, accounts: Collection[str] | None = None, position: Start = "newest"
    ) -> Feed[ScoreChange]:
        """Return a feed of score changes: of all entities, of the members of one board, of some accounts.

        Nothing comes twice, and nothing is left out that Redis still has (`CLOUTSTREAM_CHANGES_MAXLEN`), also when it was away or
        the position is taken up later; the feed's `is_gapless` is False where it may have lost some. Changes of one entity come
        in order.

        Args:
            scope: of a board; None for all.
            accounts: raw ids; None for all.
            position: `newest` for changes from the first look on, `oldest` for all that are kept, or what `position` was.

        Raises:
            ValueError: not a position.
        """
        return Feed(self._queries.changes(scope, accounts, position), self._run)

    def follow_alerts(self, position: Start = "newest") -> Feed[dict[str, Any]]:
        """Return a feed of alerts; `position` as in `follow`."""
        return Feed(self._queries.alerts_from(position), self._run)

    def hidden(self) -> set[str]:
        """Return the accounts that are left out of all boards."""
        return self._run(self._queries.hidden())

    def partition_stats(self) -> dict[int, dict[str, str]]:
        """Return `cs:stats:<p>` of every partition that has one, as published."""
        return self._run(self._queries.partition_stats())

    def stats(self) -> Stats:
        """Return the counts of all partitions together."""
        return self._run(self._queries.stats())

    def _run(self, plan: Plan[T]) -> T:
        try:
            wanted = next(plan)
            while True:
                if isinstance(wanted, float):
                    time.sleep(wanted)
                    wanted = plan.send([])
                    continue
                try:
                    replies = self._ask(wanted)
                except ServiceUnavailable as e:
                    wanted = plan.throw(e)
                else:
                    wanted = plan.send(replies)
        except StopIteration as done:
            answer: T = done.value
            return answer

    def _ask(self, commands: list[Command]) -> list[Any]:
        """Return the replies to commands sent in one go."""
        with reaching_redis(self.settings):
            try:
                return self._pipelined(commands)
            except NoScriptError:  # a server that was started anew; asking again changes nothing
                self._client.script_load(script())
                return self._pipelined(commands)

    def _pipelined(self, commands: list[Command]) -> list[Any]:
        pipe: Any = self._client.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        return list(pipe.execute())

"""What runs, in the order an event meets it.

    events      -> intake    decode, refuse, weigh, fan out          -> engagements
    engagements -> scorer    fold, score, decide what changed        -> scores
    scores      -> publisher coalesce, write                         -> Redis
                -> alerter   judge by rules                          -> Redis: the alert feed
    alert feed  -> deliverer sign, post, try again                   -> webhooks

`control` follows what is defined meanwhile, which intake counts by. `flusher` makes what intake and scorer hold durable on a
tick, rows and scores of entities by `entity_writer`; `guard` asks again for what got lost on the way to an agent; `rebuilder`
fills a Redis that was wiped, `noter` tells it how the work stands; `ownership` has the life of a partition. `host` is what agents
need of the process they run in, `app` that process with Faust.
`worker` is the process around it: `health` and `metrics` read how it is, `operations` tells it over HTTP, and `watchdog` ends it
when it stands still.
"""

from __future__ import annotations

from agents.alerter import add_alerter
from agents.app import CloutstreamApp, create_app
from agents.control import add_control
from agents.deliverer import add_deliverer
from agents.flusher import add_flusher
from agents.guard import add_guard
from agents.host import Host
from agents.intake import add_intake
from agents.metrics import add_metrics
from agents.publisher import Publisher, add_publisher
from agents.scorer import add_scorer
from streams.settings import Settings


def build(settings: Settings) -> CloutstreamApp:
    """Return a worker's app with all its agents."""
    app = create_app(settings)
    publisher = add_agents(app)
    add_deliverer(app)
    add_metrics(app, publisher)
    return app


def add_agents(app: Host) -> Publisher:
    """Add all agents to a host, connected as the flow is; return the last of them."""
    add_control(app)
    intake = add_intake(app)
    scorer = add_scorer(app)
    add_flusher(app, intake, scorer)
    alerter = add_alerter(app)
    publisher = add_publisher(app, intake, scorer, alerter)
    add_guard(app, publisher)
    return publisher

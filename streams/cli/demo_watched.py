"""What the demo watches: a campaign and two rules, made as the commands make them, and the lines that show how they do."""

from __future__ import annotations

from rich.text import Text

from streams import entities
from streams.alerts.rules import Rule
from streams.alerts.telling import told
from streams.cli.output import at_utc, printable
from streams.control.campaigns import Campaign, Goal
from streams.control.editing import add_campaign, add_rule
from streams.reader import Campaign as Standing
from streams.reader import Reader
from streams.settings import Settings

CAMPAIGN = Campaign("launch", tags=("ai",), goal=Goal("engagements", 20_000))
RULES = (
    Rule(id="jump", kind="jump", scope="all", points=2.0),
    Rule(id="first-three", kind="top", scope="all", n=3),
)
ALERTS = 3
_BAR_COLUMNS = 20


def define(settings: Settings) -> None:
    """Make the campaign and the rules; raises as `add_campaign` does."""
    add_campaign(settings, CAMPAIGN)
    for rule in RULES:
        add_rule(settings, rule)


def watched(reader: Reader) -> list[Text]:
    """Return what stands below the board, always as many lines: the campaign, and the last alerts, newest first."""
    alerts = [_alert_line(alert) for alert in reader.alerts(ALERTS)]
    (campaign,) = reader.campaigns([CAMPAIGN])
    lines = [_campaign_line(campaign), *(alerts or [Text("alerts    none yet", style="dim")])]
    return lines + [Text("")] * (1 + ALERTS - len(lines))


def _campaign_line(campaign: Standing) -> Text:
    progress = campaign.progress
    assert progress is not None  # it has a goal
    full = round(_BAR_COLUMNS * min(1.0, progress.ratio))
    tags = " ".join(f"#{tag}" for tag in campaign.definition.tags)
    return Text.assemble(
        ("campaign  ", "dim"), (f"{campaign.id} {tags}  ", "bold"), ("█" * full, "cyan"), ("░" * (_BAR_COLUMNS - full), "dim"),
        f"  {progress.value:,.0f} of {progress.goal.value:,.0f} {progress.goal.of}",
        (f", {campaign.totals.people:,} people", "dim"),
        no_wrap=True, overflow="ellipsis",
    )  # fmt: skip


def _alert_line(alert: dict[str, object]) -> Text:
    time_of_day = at_utc(float(str(alert["at"])))[-8:]
    who = entities.id_of(str(alert["entity"]))
    said = told(alert).removeprefix(f"{alert['entity']} ")
    return Text.assemble(
        ("alert     ", "dim"),
        f"{time_of_day}  ",
        (printable(who), "bold"),
        f" {printable(said)}",
        no_wrap=True,
        overflow="ellipsis",
    )

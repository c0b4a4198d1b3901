"""An alert as one line for people."""

from __future__ import annotations

from typing import Any


def told(alert: dict[str, Any]) -> str:
    """Return an alert's body as one line, ids as they are."""
    score = "" if alert["score"] is None else f"{alert['score']:.1f}"  # who left a board may have none any more
    what = {
        "jump": lambda: f"jumped by {alert['moved']:.1f} points to {score}",
        "drop": lambda: f"dropped by {-alert['moved']:.1f} points to {score}",
        "crosses": lambda: f"went {'over' if alert['up'] else 'under'} {alert['value']:g}, to {score}",
        "goal": lambda: f"reached {alert['reached']:g} {alert['measure']}, the goal was {alert['value']:g}",
        "top": lambda: (
            f"entered the first {alert['n']} at {alert['rank']}, with {score}"
            if alert["entered"]
            else f"left the first {alert['n']}"
        ),
    }[alert["kind"]]()
    why = ", ".join(f"{cause['actor']} ({cause['kind']})" for cause in alert["causes"] if "actor" in cause)
    if alert["behind"]:
        who = alert["behind"]
        many = f"{who['people']}{' or more' if who['people'] >= 32 else ''} people"
        why += f"{'; ' if why else ''}{many}, {who['likes']} likes, {who['shares']} shares, {who['replies']} replies"
        if who["low_trust_ratio"] >= 0.01:
            why += f", {100 * who['low_trust_ratio']:.0f} % from accounts that look new"
    return f"{alert['entity']} {what}" + (f": {why}" if why else "")

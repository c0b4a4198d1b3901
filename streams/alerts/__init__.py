"""Alerts: rules over score changes, what they say, and webhooks that are told."""

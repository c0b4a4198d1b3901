"""Mastodon, and servers that speak as it does, by the streaming API."""

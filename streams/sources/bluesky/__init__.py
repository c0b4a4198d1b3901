"""Bluesky, by way of Jetstream: no key is needed."""

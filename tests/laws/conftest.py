"""Laws run the same examples every time, so that a failure in one place can be had in another."""

from hypothesis import HealthCheck, settings

settings.register_profile("laws", derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("laws")

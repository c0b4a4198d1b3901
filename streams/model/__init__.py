"""The arithmetic of the score: pure functions of their arguments; time is always a parameter."""

"""Pronounceable account names from syllables, distinct by construction."""

from __future__ import annotations

from math import gcd

_ONSETS = ("b", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z")
_VOWELS = ("a", "e", "i", "o", "u")
_ENDINGS = ("", "", "n", "r", "s", "l")
_SYLLABLES = tuple(onset + vowel for onset in _ONSETS for vowel in _VOWELS)


def account_names(count: int) -> list[str]:
    """Return `count` distinct names such as `kiravo` or `meladus`.

    The i-th name writes a number in base 80 with syllables for digits. Stepping through the numbers by a stride that has
    no common divisor with their count visits each once, so neighbours look unlike each other and none repeats.
    """
    length = 3
    while (space := len(_SYLLABLES) ** length) < count:
        length += 1
    stride = int(space * 0.6180339887)
    while gcd(stride, space) != 1:
        stride += 1
    return [_spell(i * stride % space, length) for i in range(1, count + 1)]


def _spell(number: int, length: int) -> str:
    # Every syllable ends in a vowel, so an ending can't be mistaken for one: names that differ before it stay different.
    ending = _ENDINGS[number % 7 % len(_ENDINGS)]
    parts = []
    for _ in range(length):
        number, digit = divmod(number, len(_SYLLABLES))
        parts.append(_SYLLABLES[digit])
    return "".join(parts) + ending

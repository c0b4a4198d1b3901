"""Scores by weights of one's own: `I = (w_r R + w_g G) * 2^(w_a A/5)`, from what Redis holds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import exp2, inf, isfinite

MOST_AMPLIFICATION = 10.0  # points: A is between this and its negative (`model.md` 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How much each part counts; the standing score has 1, the setting `network_weight`, and 1.

    Raises:
        ValueError: a weight is below 0 or not a number, or neither reach nor network counts.
    """

    reach: float = 1.0
    network: float = 1.0
    amplification: float = 1.0

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if not (isfinite(value) and 0 <= value <= 1000):
                raise ValueError(f"the weight of {f.name} is {value!r}; expected a number from 0 to 1000")
        if not self.reach and not self.network:
            raise ValueError("the weights of reach and network are both 0; expected one above 0, or every score is 1")

    @classmethod
    def parse(cls, text: str) -> Weights:
        """Return the weights in `reach=1,network=0,amplification=2`; what isn't named counts 1.

        >>> Weights.parse("network=0,amplification=2")
        Weights(reach=1.0, network=0.0, amplification=2.0)

        Raises:
            ValueError: the text names another part, names one twice, or a weight isn't valid.
        """
        known, given = [f.name for f in fields(cls)], dict[str, float]()
        for part in text.split(","):
            name, equals, number = part.partition("=")
            name = name.strip()
            if not equals or name not in known or name in given:
                raise ValueError(f"{part!r} isn't a weight; expected {', '.join(known)}, each once, as in reach=1,network=0")
            try:
                given[name] = float(number)
            except ValueError:
                raise ValueError(f"the weight of {name} is {number!r}; expected a number from 0 to 1000") from None
        return cls(**given)

    def influence(self, reach: float, network: float, amplification: float) -> float:
        """Return I of R, G and A.

        >>> Weights(network=0.0, amplification=2.0).influence(reach=3.0, network=9.0, amplification=5.0)
        12.0
        """
        base = max(0.0, self.reach * reach + self.network * network)
        return base * exp2(max(-1000.0, min(1000.0, self.amplification * amplification / 5)))

    def most(self, standing: float, network_weight: float) -> float:
        """Return the most influence that anybody can have by these weights whose standing influence is at most `standing`.

        `(w_r R + w_g G) / (R + b G)` is at most the greater of `w_r` and `w_g/b`, and A is within ±10 points:
        `I_w <= I * max(w_r, w_g/b) * 4^|w_a - 1|`.

        >>> Weights(network=0.0, amplification=2.0).most(10.0, network_weight=1.0)
        40.0
        """
        per_network = self.network / network_weight if network_weight > 0 else inf if self.network else 0.0
        ratio = max(self.reach, per_network)
        spread = abs(self.amplification - 1) * MOST_AMPLIFICATION / 5
        return ratio if ratio == inf else standing * ratio * exp2(min(1000.0, spread))

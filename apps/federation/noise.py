"""Counts with noise: what is shown of all agents together says almost nothing about any one of them. Pure.

Source: the Gaussian mechanism, Dwork and Roth, The Algorithmic Foundations of Differential Privacy (2014), A.1. With
an agent's counts of at most `bound` in Euclidean length, to add or take out one agent changes the sums by no more than
that, so one publication is (epsilon, delta)-differentially private for each agent, and publications add up.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

DELTA = 1e-5
LEAST_EPSILON, MOST_EPSILON = 1e-6, 1.0
"""The mechanism is proven up to there. With less than the least every count would be noise alone."""
GREATEST = 2**63 - 1


def deviation(epsilon: float, bound: int) -> float:
    """The standard deviation of the noise on each sum."""
    return bound * math.sqrt(2 * math.log(1.25 / DELTA)) / epsilon


def noisy_sums(
    parts: Iterable[Mapping[str, int]], *, epsilon: float, bound: int, gauss: Callable[[float, float], float]
) -> dict[str, int]:
    """The sum of all agents' counts for each topic, with noise, as whole numbers from 0. Sorted by topic.

    `gauss` draws from a normal distribution with the mean and the standard deviation that it is given.
    """
    sums: defaultdict[str, float] = defaultdict(float)
    for part in parts:
        length = math.hypot(*part.values())
        share = min(1.0, bound / length) if length else 1.0
        for topic, count in part.items():
            sums[topic] += count * share
    spread = deviation(epsilon, bound)
    return {topic: min(max(0, round(total + gauss(0.0, spread))), GREATEST) for topic, total in sorted(sums.items())}


def may_publish(*, spent: float, epsilon: float, budget: float) -> bool:
    """Whether one more publication stays within the budget. Forgives what adding up tenths loses."""
    return spent + epsilon <= budget * (1 + 1e-9)

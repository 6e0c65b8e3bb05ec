"""Subscription frequency: which of the seven costs a customer least, given how sure we are of the interval."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from models.subscriptions import FREQUENCY_DAYS

FREQUENCIES = tuple(FREQUENCY_DAYS)
DAYS = np.array([float(days) for days in FREQUENCY_DAYS.values()])
# too much stock at home is the top reason to cancel
TOO_FREQUENT_COSTS = 2.0


def losses(mean: np.ndarray | float, sd: np.ndarray | float) -> np.ndarray:
    """Expected loss (..., 7) of each frequency f for a log-normal gap G of `mean` and `sd` (> 0) of ln days.

    2 E(G - f)+ + E(f - G)+, in days: a delivery that comes too early costs twice one that comes too late. With
    M = exp(mean + sd^2 / 2), E(G - f)+ = M Phi(d + sd) - f Phi(d), d = (mean - ln f) / sd (Black & Scholes, JPE 81, 1973), and
    E(f - G)+ = E(G - f)+ - M + f.
    """
    mean, sd = np.asarray(mean)[..., None], np.asarray(sd)[..., None]
    expected = np.exp(mean + sd**2 / 2)
    distance = (mean - np.log(DAYS)) / sd
    early = expected * ndtr(distance + sd) - DAYS * ndtr(distance)
    return np.asarray(TOO_FREQUENT_COSTS * early + (early - expected + DAYS))


def best(mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Position in FREQUENCIES (n,) of the least expected loss; the rarer one of equals."""
    return np.asarray(len(DAYS) - 1 - losses(mean, sd)[..., ::-1].argmin(axis=-1))


def frequency_of(mean: float, sd: float) -> str:
    """The frequency of least expected loss for one log-normal gap; raises ValueError for an sd that is not above 0."""
    if not sd > 0:
        raise ValueError(f"A gap's standard deviation {sd} is not above 0: give that of ln days.")
    return FREQUENCIES[int(best(np.array([mean]), np.array([sd]))[0])]


def nearest(days: np.ndarray) -> np.ndarray:
    """Position in FREQUENCIES (n,) of the one that is nearest in ratio to `days` (> 0)."""
    return np.asarray(np.abs(np.log(np.asarray(days)[..., None] / DAYS)).argmin(axis=-1))

"""The permanent holdout: what offers earned."""

from __future__ import annotations

from models.holdout import EXPERIMENT, HOLDOUT, OFFERS, WEIGHTS, experiment_id, exposure_id, incremental, variant_of


def test_incremental_revenue_is_the_difference_times_the_sessions() -> None:
    """0.50 more in each of 200 sessions, between -0.25 and 1.25, are 100.00, between -50.00 and 250.00."""
    record = {"interval": {"reading": [-0.25, 1.25]}, "difference": 0.5, "n": 200, "nulls": {}}
    assert incremental(record) == {
        "revenuePerSession": 0.5,
        "interval": [-0.25, 1.25],
        "sessions": 200,
        "revenue": 100.0,
        "revenueInterval": [-50.0, 250.0],
        "reason": None,
    }


def test_what_cannot_be_compared_has_a_reason() -> None:
    """Nulls stay nulls and say why."""
    found = incremental({"interval": {"reading": None}, "difference": None, "n": 3, "nulls": {"difference": "no units"}})
    assert (found["revenue"], found["revenueInterval"], found["reason"]) == (None, None, "no units")


def test_it_is_one_experiment_per_company() -> None:
    """Its id holds the company's, and its two variants share all sessions."""
    assert experiment_id("shop") == f"shop:{EXPERIMENT}"
    assert set(WEIGHTS) == {HOLDOUT, OFFERS} and sum(WEIGHTS.values()) == 1


def test_a_session_is_held_out_for_good() -> None:
    """About as many as the percentage says, none at 0, and those of a lower percentage at a higher one too."""
    sessions = [f"s{number}" for number in range(2_000)]
    held = {session for session in sessions if variant_of("shop", session, 5) == HOLDOUT}
    assert 60 < len(held) < 140
    assert held <= {session for session in sessions if variant_of("shop", session, 20) == HOLDOUT}
    assert {variant_of("shop", session, 0) for session in sessions} == {OFFERS}


def test_an_exposure_is_noted_once_a_day() -> None:
    """The same session and day have the same id, any other another one."""
    ids = {exposure_id(company, session, day) for company in "ab" for session in "st" for day in ("2026-05-01", "2026-05-02")}
    assert len(ids) == 8
    assert exposure_id("a", "s", "2026-05-01") in ids

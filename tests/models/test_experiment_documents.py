"""Documents of experiments: strict JSON, every null with its reason."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.decision import decide
from models.experiment_documents import NO_DECISION, NO_END, NO_GUARDRAIL, camel, documents
from models.experiment_frames import DECISIONS, SPLITS
from models.inference import MOMENTS, infer, sample_ratios, unit_counts
from models.metrics import METRICS
from tests.models.experiments import designs, drawn, moments, shares
from tests.models.invented import QUICK

NUMBERS = [name for name, dtype in MOMENTS.items() if dtype == pl.Float64]
GARBAGE = st.one_of(st.none(), st.floats(), st.sampled_from([0.0, -0.0, 1e308, -1e308, 5e-324, float("inf")]))


def made(seen: pl.DataFrame, planned: pl.DataFrame, **context: Any) -> dict[str, Any]:
    """The whole way from moments to documents, through text and back."""
    results = infer(seen, planned, METRICS)
    whole = documents(results, decide(results, planned), sample_ratios(unit_counts(results), planned), METRICS, context)
    return dict(json.loads(json.dumps(whole, allow_nan=False)))


def nulls(record: dict[str, Any]) -> set[str]:
    """Keys that are null, those within an object with its name before a dot."""
    inner = {f"{key}.{name}" for key in ("p", "interval") for name, value in record[key].items() if value is None}
    return {key for key, value in record.items() if value is None} | inner


def test_a_record_by_hand() -> None:
    """Figures under the keys of the contract, and what does not apply is null with why."""
    found = made(shares({"a": (5000, 500), "b": (5000, 700)}), designs("a", "b"), windowDays=7)
    control, treatment = found["results"]
    assert (treatment["experiment"], treatment["variant"], treatment["metric"], treatment["n"]) == ("e", "b", "conversion", 5000)
    assert treatment["difference"] == pytest.approx(0.04)
    assert treatment["interval"]["fixed"][0] < 0.04 < treatment["interval"]["fixed"][1]
    assert treatment["interval"]["alwaysValid"] == treatment["interval"]["reading"]
    assert treatment["p"]["fixed"] < treatment["p"]["alwaysValid"] == treatment["p"]["adjusted"]
    assert (treatment["decision"], treatment["srmP"], treatment["reasons"]) == ("SHIP", 1.0, [])
    assert (treatment["method"], treatment["alpha"], treatment["nStar"], treatment["prior"]) == ("pooled z", 0.05, 5000, 0.3)
    assert (treatment["cap"], treatment["windowDays"], treatment["scale"], treatment["unit"]) == (None, 7, 1.0, "rate")
    assert "segment" not in treatment
    assert treatment["nulls"]["interval.groupSequential"] == NO_END
    assert treatment["nulls"]["margin"] == NO_GUARDRAIL
    assert control["nulls"]["difference"] == "this is the control"
    experiment = found["experiments"][0]
    assert (experiment["winner"], experiment["srm"]["df"], experiment["srm"]["p"]) == ("b", 1, 1.0)
    assert experiment["srm"]["arms"] == [
        {"variant": "a", "n": 5000, "expected": 5000.0},
        {"variant": "b", "n": 5000, "expected": 5000.0},
    ]


def test_a_segment_is_named() -> None:
    """A record of a segment says which."""
    seen = shares({"a": (500, 50), "b": (500, 70)}).with_columns(segment=pl.lit("placement"), segment_value=pl.lit("cart"))
    assert {(row["segment"], row["segmentValue"]) for row in made(seen, designs("a", "b"))["results"]} == {("placement", "cart")}


def test_moments_without_a_design_have_documents() -> None:
    """Nothing was planned: no decision, and the record says so."""
    none = pl.DataFrame(schema=DECISIONS), pl.DataFrame(schema=SPLITS)
    found = documents(infer(shares({"a": (50, 5)}), designs("a")[:0], METRICS), *none, METRICS)
    assert found["experiments"] == []
    assert found["results"][0]["nulls"]["decision"] == NO_DECISION
    assert documents(infer(moments([]), designs("a")[:0], METRICS), *none, METRICS) == {"experiments": [], "results": []}


@QUICK
@given(seed=st.integers(0, 1000), garbage=st.lists(st.tuples(st.sampled_from(NUMBERS), st.integers(0, 29), GARBAGE), max_size=40))
def test_garbage_is_strict_json_too(seed: int, garbage: list[tuple[str, int, float | None]]) -> None:
    """Moments of any numbers, negative variances and infinities among them: a value, or null with its reason."""
    rows = drawn({"a": 60, "b": 50, "c": 1}, seed).to_dicts()
    for name, place, value in garbage:
        rows[place][name] = value
    planned = designs("a", "b", "c", "d", planned_units=1000, looks=[0.1])
    found = made(moments(rows), planned)
    assert len(found["results"]) == 4 * len(METRICS)
    for record in found["results"]:
        assert set(record["nulls"]) == nulls(record)
        assert all(record["nulls"].values())


@pytest.mark.parametrize(("name", "key"), [("n", "n"), ("is_non_inferior", "isNonInferior")])
def test_keys_are_camel_case(name: str, key: str) -> None:
    """As in every document of ours."""
    assert camel(name) == key

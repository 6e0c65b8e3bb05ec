"""Evaluation: every kind of the registry and its rivals on held-out days, and what of it goes live."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from math import isfinite
from typing import Any

import polars as pl

from models.features import Features
from models.judging import Comparison, Figures, best_rival, compare, figures
from models.recommenders import RECOMMENDERS, Judged, Recommender
from models.tasks import HeldOut

BEST_SELLERS = "best sellers"
HELD_OUT_SHARE = 0.1
LEAST_DAYS, MOST_DAYS = 1.0, 14.0
# choosing among many needs more than judging one
MOST_DAYS_TO_CHOOSE_BY = 28.0


@dataclass(frozen=True)
class Verdict:
    """One kind on one task. `ours` is None where there was nothing to judge by; then `rivals` and `against` are empty.

    wins: True where our hit rate is at least `gate` times that of best sellers, False where the whole interval of that ratio lies
    below, None where it is not decided: the ratio is below but its interval is not, or there are fewer than `enough` queries.
    """

    kind: str
    task: str
    n_queries: int
    enough: int
    unit: str
    gate: float
    ours: Figures | None = None
    rivals: dict[str, Figures] = field(default_factory=dict)
    against: dict[str, Comparison] = field(default_factory=dict)

    @property
    def wins(self) -> bool | None:
        """Whether the kind wins; None where the held-out days do not say."""
        if self.ours is None or self.n_queries < self.enough:
            return None
        ratio = self.against[BEST_SELLERS].ratio
        if ratio.value >= self.gate:
            return True
        return None if ratio.high >= self.gate else False

    @property
    def best_rival(self) -> str | None:
        """The rival with the highest hit rate."""
        return best_rival(self.rivals) if self.rivals else None

    def to_json(self) -> dict[str, Any]:
        """As `upsell evaluate --json` prints it."""
        return {
            "kind": self.kind,
            "task": self.task,
            "nQueries": self.n_queries,
            "enough": self.enough,
            "unit": self.unit,
            "gate": self.gate,
            "wins": self.wins,
            "bestRival": self.best_rival,
            "ours": self.ours.to_json() if self.ours else None,
            "rivals": {name: row.to_json() for name, row in self.rivals.items()},
            "against": {name: _finite(asdict(row)) for name, row in self.against.items()},
        }


@dataclass(frozen=True)
class Evaluation:
    """What the held-out days said: the first verdict of a kind decides whether it goes live, the others are for reading.

    choices: what each kind chose, on days before the ones that judged it.
    """

    split_at: datetime | None = None
    verdicts: tuple[Verdict, ...] = ()
    choices: dict[str, dict[str, Any]] = field(default_factory=dict)

    def withheld(self) -> dict[str, str]:
        """Kind -> why it does not go live: it loses to best sellers, or may not be trusted before it has won."""
        verdicts = ((row, self.deciding(row.kind)) for row in RECOMMENDERS)
        return {row.kind: _sentence(verdict) for row, verdict in verdicts if verdict and not _goes_live(row.judged[0], verdict)}

    def readiness(self, without_lists: Collection[str] = ()) -> dict[str, str]:
        """Kind -> one line: how much there is to judge by, how much it takes, and what is shown. without_lists: kinds of which
        training made none."""
        verdicts = ((row, self.deciding(row.kind)) for row in RECOMMENDERS)
        return {row.kind: _line(row, verdict, row.kind not in without_lists) for row, verdict in verdicts if verdict}

    def deciding(self, kind: str) -> Verdict | None:
        """The verdict that the gate looks at."""
        return next((row for row in self.verdicts if row.kind == kind), None)

    def to_json(self) -> dict[str, Any]:
        """As `upsell evaluate --json` prints it and a generation's evaluation.json keeps it."""
        return {
            "splitAt": self.split_at.isoformat() if self.split_at else None,
            "choices": self.choices,
            "readiness": self.readiness(),
            "verdicts": [row.to_json() for row in self.verdicts],
        }


def held_out_from(features: Features, most_days: float = MOST_DAYS) -> datetime:
    """Where a split lies: the last tenth of the history is held out, at least one day and at most `most_days`."""
    firsts = [features.baskets["ordered_at"].min(), features.views["viewed_at"].min()]
    first = min((moment for moment in firsts if isinstance(moment, datetime)), default=features.window_end)
    span_days = (features.window_end - first).total_seconds() / 86_400
    days = min(max(HELD_OUT_SHARE * span_days, LEAST_DAYS), most_days, span_days / 2)
    return features.window_end - timedelta(days=days)


def evaluate(
    features: Features, split_at: datetime, gate: float, progress: Callable[[str, int, int], None], *, gate_only: bool = False
) -> Evaluation:
    """Train every judged kind on what came before `split_at`, judge it and its rivals on what came after.

    What a kind chooses, it chooses on the last days before the split, so the judged days have no say in it. gate: least ratio
    of hit rates over best sellers with which a kind goes live. gate_only: no more than what decides.
    """
    before = features.before(split_at)
    inner_at = held_out_from(before, MOST_DAYS_TO_CHOOSE_BY)
    rows = [row for row in RECOMMENDERS if row.judged]
    made = {row.kind: row.choose(before, inner_at) for row in rows if row.choose}
    choices = {kind: choice for kind, choice in made.items() if choice}
    verdicts: list[Verdict] = []
    for done, row in enumerate(rows, start=1):
        for judged in row.judged[: 1 if gate_only else None]:
            verdicts.append(_judge(row, judged, features, split_at, gate, choices, gate_only=gate_only))
        progress(f"evaluate {features.company}", done, len(rows))
    return Evaluation(split_at, tuple(verdicts), choices)


def _judge(
    row: Recommender,
    judged: Judged,
    features: Features,
    split_at: datetime,
    gate: float,
    choices: dict[str, dict[str, Any]],
    *,
    gate_only: bool,
) -> Verdict:
    held_out = judged.task(features, split_at)
    # a shop whose events share one instant has nothing before the split to learn from
    learnt = held_out.train.baskets.height + held_out.train.views.height
    n_queries = held_out.queries.height if learnt else 0
    verdict = Verdict(row.kind, judged.name, n_queries, judged.enough, judged.unit, gate)
    if not n_queries:
        return verdict
    # all of them, as in the night: what stands behind one kind's own lists follows another's choice
    held_out = replace(held_out, train=replace(held_out.train, choices=choices))
    ours = judged.answer(held_out, judged.k) if judged.answer else by_anchor(row.recommend(held_out.train), held_out)
    names = [BEST_SELLERS] if gate_only else judged.rivals
    answers = {name: judged.rivals[name](held_out, judged.k) for name in names}
    return replace(
        verdict,
        ours=figures(ours, held_out, judged.k),
        rivals={name: figures(rows, held_out, judged.k) for name, rows in answers.items()},
        against={name: compare(ours, rows, held_out, judged.k) for name, rows in answers.items()},
    )


def _finite(comparison: dict[str, dict[str, float]]) -> dict[str, dict[str, float | None]]:
    """A comparison as JSON can hold it: the ratio over a rival that never hits is no number."""
    return {name: {key: value if isfinite(value) else None for key, value in row.items()} for name, row in comparison.items()}


def by_anchor(frame: pl.DataFrame, held_out: HeldOut) -> pl.DataFrame:
    """The answers of published lists: query_id, rank, product_id."""
    return held_out.queries.join(frame, on="anchor_id").select("query_id", "rank", "product_id")


def _goes_live(judged: Judged, verdict: Verdict) -> bool:
    if not judged.gated:
        return True
    return judged.trusted if verdict.wins is None else verdict.wins


def _sentence(verdict: Verdict) -> str:
    if verdict.ours is None or verdict.n_queries < verdict.enough:
        return f"{verdict.n_queries:,} of the {verdict.enough:,} {verdict.unit} that it takes to judge it"
    ratio = verdict.against[BEST_SELLERS].ratio
    return (
        f"hit rate {ratio.value:.2f} times that of best sellers ({ratio.low:.2f} to {ratio.high:.2f}) "
        f"on {verdict.n_queries:,} {verdict.unit}, {verdict.gate:g} wanted"
    )


def _line(row: Recommender, verdict: Verdict, has_lists: bool) -> str:
    judged = row.judged[0]
    told, shown = _sentence(verdict), "its own lists are shown" if _goes_live(judged, verdict) and has_lists else judged.until
    if verdict.ours is None or verdict.n_queries < verdict.enough:
        return f"{told}: until then {shown}"
    hit = verdict.ours.hit_rate
    outcome = {True: "live", False: f"loses, {shown}", None: f"not decided, {shown}"}[verdict.wins]
    return f"hit rate at {verdict.ours.k} {hit.value:.3f} ({hit.low:.3f} to {hit.high:.3f}), {told}: {outcome}"

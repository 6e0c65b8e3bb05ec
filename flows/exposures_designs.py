"""How each experiment of a file was planned, as far as the file and the options tell: DESIGNS, one row per arm."""

from __future__ import annotations

from typing import Any

import polars as pl

from flows.errors import SettingsError
from flows.exposures_options import FileOptions, named_numbers, rising_shares
from models.experiment_frames import DESIGNS

CONTROL = "control"


def designs(
    arms: pl.DataFrame, days: pl.DataFrame, primary: str, options: FileOptions, stated_weights: pl.DataFrame | None = None
) -> pl.DataFrame:
    """DESIGNS of the experiments of a file.

    arms: experiment_id, variant, of every arm with units. days: experiment_id, days (since the first exposure, null where not
    known), n_units (at each look so far: a list). Weights are those of the options, else `stated_weights` (experiment_id,
    variant, weight), else equal over the arms that were seen. Raises SettingsError where no experiment has the named control.
    """
    weights = named_numbers(options.weights, "--weights")
    if weights and sum(weight > 0 for weight in weights.values()) == 0:
        raise SettingsError(f"--weights has {weights}: at least one arm needs a weight above 0.")
    rows = arms.select("experiment_id", "variant").unique().sort(pl.all())
    if weights:
        planned = pl.DataFrame({"variant": list(weights)})
        rows = rows.select("experiment_id").unique().join(planned, how="cross")
    rows = rows.with_columns(weight=_weights(rows, weights, stated_weights))
    rows = _with_control(rows, options).join(days, on="experiment_id", how="left")
    looks = _looks(rows, options)
    made = rows.with_columns(
        alpha=pl.lit(options.alpha),
        primary_metric=pl.lit(primary),
        planned_units=pl.lit(options.planned_units),
        looks=looks,
        days=pl.lit(options.days) if options.days is not None else pl.col("days"),
        is_ended=pl.lit(options.ended) | (looks.list.last() >= 1).fill_null(False),
    )
    dtypes: dict[str, Any] = DESIGNS
    return made.select(pl.col(name).cast(dtype) for name, dtype in dtypes.items()).sort("experiment_id", "variant")


def control_of(variants: list[str], named: str | None) -> str:
    """The control among the variants of one experiment: the named one, else `control` in any case, else the first by name, in
    which 2 comes before 10."""
    if named is not None:
        return named
    spelled = sorted(variant for variant in variants if variant.lower() == CONTROL)
    return spelled[0] if spelled else min(variants, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name))


def _weights(rows: pl.DataFrame, weights: dict[str, float], stated: pl.DataFrame | None) -> pl.Series:
    if weights:
        return rows["variant"].replace_strict(weights, return_dtype=pl.Float64)
    if stated is None or stated.is_empty():
        return pl.repeat(1.0, rows.height, eager=True)
    joined = rows.join(stated, on=["experiment_id", "variant"], how="left", maintain_order="left")
    return joined["weight"].fill_null(0.0)


def _with_control(rows: pl.DataFrame, options: FileOptions) -> pl.DataFrame:
    chosen = {
        str(experiment): control_of(group["variant"].to_list(), options.control)
        for (experiment,), group in rows.group_by("experiment_id")
    }
    control = rows["experiment_id"].replace_strict(chosen, return_dtype=pl.String)
    is_control = rows["variant"] == control
    if options.control is not None and rows.height and not is_control.any():
        seen = ", ".join(sorted(rows["variant"].unique().to_list())[:10])
        raise SettingsError(f"--control names {options.control!r}: the variants are {seen}.")
    return rows.with_columns(is_control=is_control)


def _looks(rows: pl.DataFrame, options: FileOptions) -> pl.Expr:
    """Rising shares of the planned units: those of --looks, else the units at each look over those planned, at most 1."""
    if options.planned_units is None:
        return pl.lit(None, dtype=pl.List(pl.Float64))
    if stated := rising_shares(options.looks):
        return pl.lit(pl.Series([stated] * rows.height, dtype=pl.List(pl.Float64)))
    counts = rows["n_units"].to_list()
    return pl.lit(pl.Series([_shares(units or [], options.planned_units) for units in counts], dtype=pl.List(pl.Float64)))


def _shares(units: list[float], planned: int) -> list[float]:
    shares: list[float] = []
    for share in (min(count / planned, 1.0) for count in units):
        if share > (shares[-1] if shares else 0.0):
            shares.append(share)
    return shares

"""Reading a file of exposures: its layout, and columns of text made into ids, instants and numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from flows.exposures_columns import Layout, recognise
from flows.exposures_options import FileOptions, named_words
from flows.load_columns import ID, INSTANT, parsed
from flows.load_read import UNREADABLE, scanned, unreadable

SEPARATORS = ",\t;|"
MISSING_WORDS = ("", "na", "n/a", "null", "none")
TRUE_WORDS, FALSE_WORDS = ("true", "t", "yes", "y"), ("false", "f", "no", "n")
LARGEST = 1e100  # squares of larger numbers, and sums of them, are no finite numbers any more
EPOCH_MILLISECONDS = 100_000_000_000  # as seconds, this lies beyond the year 5000


@dataclass(frozen=True)
class OpenFile:
    """A file whose columns are known, nothing of it read yet. `values`: the columns that have no role."""

    path: Path
    lines: pl.LazyFrame
    layout: Layout
    values: tuple[str, ...]

    def read(self, columns: Iterable[str]) -> pl.DataFrame:
        """The named columns of all rows. Raises LoadError when the file turns out to be damaged."""
        try:
            return self.lines.select(list(dict.fromkeys(columns))).collect()
        except UNREADABLE as error:
            raise unreadable("exposures", self.path, error) from error


def open_file(path: Path, options: FileOptions) -> OpenFile:
    """Find out what a file holds. Raises LoadError where it is not there, cannot be read, or has no form that is known."""
    lines, schema = scanned("exposures", path, SEPARATORS)
    layout = recognise(schema.names(), named_words(options.columns, "--columns"))
    roles = set(layout.columns.values())
    scalar = [name for name, dtype in schema.items() if not dtype.is_nested() and dtype not in (pl.Binary, pl.Object)]
    return OpenFile(path, lines, layout, tuple(name for name in scalar if name not in roles))


def ids(raw: pl.Series) -> pl.Series:
    """Text, null where there is none: whole numbers as their digits, true and false in lower case."""
    return parsed(ID, raw)[0].rename(raw.name)


def instants(raw: pl.Series) -> tuple[pl.Series, pl.Series]:
    """UTC instants, and a mask of what was given but is none; whole numbers are seconds or milliseconds since 1970."""
    if raw.dtype == pl.String and not (at := parsed(INSTANT, raw))[1].all():
        return at
    if raw.dtype.is_numeric() or raw.dtype == pl.String:
        seconds = raw.cast(pl.Float64, strict=False)
        milliseconds = pl.select(pl.when(seconds.abs() < EPOCH_MILLISECONDS).then(seconds * 1000).otherwise(seconds)).to_series()
        found = milliseconds.cast(pl.Int64, strict=False).cast(pl.Datetime("ms")).rename(raw.name)
        return parsed(INSTANT, found)[0], found.is_null() & raw.is_not_null()
    if raw.dtype.is_nested() or not INSTANT.accepts(raw.dtype):
        return pl.Series(raw.name, [None] * len(raw), dtype=pl.Datetime("ms")), raw.is_not_null()
    return parsed(INSTANT, raw)


def numbers(raw: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Numbers up to LARGEST (Float64), and a mask of what was given but is none; true is 1, false is 0, `NA` is missing."""
    if raw.dtype in (pl.Categorical, pl.Enum):
        raw = raw.cast(pl.String)
    if raw.dtype == pl.String:
        text = raw.str.strip_chars().str.to_lowercase()
        raw = pl.select(pl.when(~text.is_in(MISSING_WORDS)).then(text)).to_series()
        words = pl.when(text.is_in(TRUE_WORDS)).then(1.0).when(text.is_in(FALSE_WORDS)).then(0.0)
        found = pl.select(words.otherwise(raw.cast(pl.Float64, strict=False))).to_series()
    else:
        found = raw.cast(pl.Float64, strict=False)
    finite = pl.select(pl.when(found.abs() <= LARGEST).then(found)).to_series().rename(raw.name)
    return finite, finite.is_null() & raw.is_not_null()


def holds_numbers(raw: pl.Series) -> bool:
    """Whether a column holds numbers, and nothing else beside missing values."""
    if raw.dtype.is_temporal():
        return False
    found, wrong = numbers(raw)
    return found.null_count() < len(found) and not wrong.any()

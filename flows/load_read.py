"""Reading a file that `load` takes: refusing what is no such file, parsing its columns, setting aside the rows that cannot be."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from flows.errors import LoadError
from flows.load_columns import parsed
from flows.load_files import FILES, Column

ROW = "row_of_file"
UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, UnicodeError)


@dataclass(frozen=True)
class Source:
    """A file whose columns have been checked; `lines` has the row number in column ROW, and nothing is read yet."""

    kind: str
    path: Path
    lines: pl.LazyFrame
    columns: tuple[Column, ...]
    ignored: list[str]


@dataclass
class Rows:
    """The rows of a file that are still good, with their row number in column ROW, and those rejected so far with their reason."""

    frame: pl.DataFrame
    n_read: int
    rejected: list[pl.DataFrame] = field(default_factory=list)

    def reject(self, condition: pl.Expr | pl.Series, reason: str) -> None:
        """Set aside the rows for which `condition` is true."""
        mask = self.frame.select(condition).to_series().fill_null(False)
        if mask.any():
            self.set_aside(self.frame.filter(mask), reason)
            self.frame = self.frame.filter(~mask)

    def set_aside(self, rows: pl.DataFrame, reason: str) -> None:
        """Count `rows` as rejected; for rows that a caller has already taken out of `frame`."""
        if rows.height:
            self.rejected.append(rows.select(ROW, pl.lit(reason).alias("reason")))

    def by_reason(self) -> dict[str, int]:
        """Number of rejected rows by reason, the most frequent first."""
        counted = [(part["reason"][0], part.height) for part in self.rejected]
        total: dict[str, int] = {}
        for reason, n_rows in counted:
            total[reason] = total.get(reason, 0) + n_rows
        return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def open_source(kind: str, path: Path) -> Source:
    """Check that a file is there, can be read and has the columns of its kind, in types that can be them.

    Raises LoadError, naming the file, the column and what was expected.
    """
    lines, schema = scanned(kind, path)
    for column in FILES[kind]:
        _check(kind, path, column, schema)
    known = {column.name for column in FILES[kind]}
    return Source(kind, path, lines.with_row_index(ROW), FILES[kind], [name for name in schema if name not in known])


def scanned(kind: str, path: Path, separators: str = ",") -> tuple[pl.LazyFrame, pl.Schema]:
    """The lines of a Parquet or CSV file, nothing of them read yet, and its columns; those of a CSV are text.

    separators: characters of which the most frequent one in the header separates a CSV's columns, the first of equals. Raises
    LoadError where the file is not there, is empty or cannot be read.
    """
    if not path.is_file() or path.stat().st_size == 0:
        problem = "is empty" if path.is_file() else "is not there"
        raise LoadError(f"The {kind} file {path} {problem}: give a Parquet file, or a CSV file with a header.")
    try:
        lines = _scan(path, separators)
        return lines, lines.collect_schema()
    except UNREADABLE as error:
        raise unreadable(kind, path, error) from error


def read(source: Source) -> Rows:
    """Read and parse a whole file; rows with a value that is missing or cannot be are rejected.

    Raises LoadError when the file turns out to be damaged.
    """
    present = set(source.lines.collect_schema())
    try:
        raw = source.lines.select(ROW, *(column.name for column in source.columns if column.name in present)).collect()
    except UNREADABLE as error:
        raise unreadable(source.kind, source.path, error) from error
    values, wrong = [raw[ROW]], []
    for column in source.columns:
        given = raw[column.name] if column.name in present else pl.Series(column.name, [None] * raw.height, dtype=pl.Null)
        value, bad = parsed(column.kind, given)
        if column.required:
            wrong.append((value.is_null() & ~bad, f"{column.name} is missing"))
        wrong.append((bad, column.wrong))
        values.append(value if column.default is None else value.fill_null(column.default))
    return _without(pl.DataFrame(values), wrong)


def quarantine(source: Source, rows: Rows, folder: Path) -> Path | None:
    """Write the rejected rows as they stood in the file, with their reason; returns the path, None where there are none.

    The name comes from the file's content, so the same file replaces its own quarantine.
    """
    with source.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    path = folder / f"{source.kind}-{digest}.parquet"
    path.unlink(missing_ok=True)
    if not rows.rejected:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    reasons = pl.concat(rows.rejected)
    lines = source.lines.join(reasons.lazy(), on=ROW, suffix="_of_quarantine").sort(ROW).drop(ROW)
    half_made = path.with_suffix(".part")
    lines.collect().write_parquet(half_made, compression="zstd")
    half_made.rename(path)
    return path


def unreadable(kind: str, path: Path, error: BaseException) -> LoadError:
    """The sentence for a file that is damaged or of another format."""
    first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return LoadError(f"The {kind} file {path} cannot be read as Parquet or CSV ({first_line}): write it again.")


def _scan(path: Path, separators: str) -> pl.LazyFrame:
    with path.open("rb") as file:
        head = file.read(4)
        header = (head + file.readline()).decode("utf-8", "replace")
    if head == b"PAR1" or path.suffix in (".parquet", ".pq"):
        return pl.scan_parquet(path)
    # every column as text: what a column is taken for decides what is a number, not its first rows
    return pl.scan_csv(path, infer_schema=False, separator=max(separators, key=header.count))


def _check(kind: str, path: Path, column: Column, schema: pl.Schema) -> None:
    if column.name not in schema:
        if column.required:
            has = ", ".join(schema) or "no columns"
            raise LoadError(f"The {kind} file {path} lacks the column {column.name} ({column.kind.expected}): it has {has}.")
    elif schema[column.name] != pl.Null and not column.kind.accepts(schema[column.name]):
        raise LoadError(
            f"The {kind} file {path} has the column {column.name} as {schema[column.name]}: {column.kind.expected} was expected."
        )


def _without(frame: pl.DataFrame, wrong: list[tuple[pl.Series, str]]) -> Rows:
    rows = Rows(frame, frame.height)
    good = pl.repeat(True, frame.height, eager=True)
    for mask, reason in wrong:
        rows.set_aside(frame.filter(mask & good), reason)
        good = good & ~mask
    if rows.rejected:
        rows.frame = frame.filter(good)
    return rows

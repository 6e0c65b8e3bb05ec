"""Questions: one query per file, addressed by its path without `.sql`."""

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent


@cache
def load(name: str) -> str:
    """Return the text of one query, for instance `load("extract/order_lines")`.

    Raises FileNotFoundError when there is no such file.
    """
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8")

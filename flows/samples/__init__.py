"""The sample shops: real data of third parties (see NOTICE beside this), in the files that `load` takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flows.load_files import CompanyRow, LoadFiles

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Sample:
    """One sample shop: its id as a company, its row, and its files."""

    company: str
    row: CompanyRow
    files: LoadFiles


def _sample(company: str, row: CompanyRow, *kinds: str) -> Sample:
    return Sample(company, row, LoadFiles(**{kind: FOLDER / company / f"{kind}.parquet" for kind in kinds}))


SAMPLES: dict[str, Sample] = {
    sample.company: sample
    for sample in (
        _sample("online-retail", CompanyRow("Online Retail", "GBP", "Europe/London"), "products", "orders"),
        _sample("clothing", CompanyRow("Clothing", "USD", "UTC"), "products", "views"),
    )
}

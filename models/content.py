"""Content: which products are described alike, for products that nobody has bought or viewed yet."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import sparse

from models import item_knn

NEIGHBOURS = 20
# words of a price band and of a category cannot be words of a text
BAND, CATEGORY = "\N{MIDDLE DOT}price{}", "\N{MIDDLE DOT}category{}"


def neighbours(products: pl.DataFrame, allowed: np.ndarray, top_n: int = NEIGHBOURS) -> sparse.csr_matrix:
    """Products x products: the cosine (0..1] of the `top_n` products that are `allowed` and most alike; in the order of rows.

    TF-IDF with logarithmic term frequencies (Salton & Buckley 1988) over the words of name, category and description, the
    category itself and the price band: a band is as wide as its lowest price. What is missing counts for nothing.
    """
    texts = _texts(products)
    if not any(texts):
        return sparse.csr_matrix((len(texts), len(texts)), dtype=np.float32)
    # two seconds to import: commands that train nothing do not wait for it
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(analyzer=str.split, sublinear_tf=True, dtype=np.float32).fit_transform(texts)
    return item_knn.nearest(vectors, allowed, top_n)


def _texts(products: pl.DataFrame) -> list[str]:
    words = pl.concat_str("name", "category", "description", separator=" ", ignore_nulls=True).str.to_lowercase()
    parts = [
        words.str.extract_all(r"[\p{L}\p{N}]+").list.join(" "),
        pl.format(CATEGORY, pl.coalesce("category_id", "category").str.replace_all(r"\s", "")),
        pl.format(BAND, pl.col("price_cents").clip(1).log(2).floor().cast(pl.Int64)),
    ]
    return products.select(pl.concat_str(parts, separator=" ", ignore_nulls=True).str.strip_chars()).to_series().to_list()

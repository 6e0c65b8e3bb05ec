"""Similar titles: how much two product names have in common, weighted by how rare the words are."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import sparse
from sparse_dot_topn import sp_matmul_topn

# words of two letters and more; sizes and numbers say nothing of what goes together
WORD = r"\w*\p{L}\w*\p{L}\w*"
MOST_PRODUCTS = 0.05
FEW_PRODUCTS = 20
MANY_PRODUCTS = 1_000
LEAST_SIMILAR = 0.2
BLOCK = 200_000


class Titles:
    """TF-IDF vectors of the names in `products` (product_id, name), one row per product by id, cosine between them.

    tf is 0 or 1, idf ln(N / n) over N products (Salton & Buckley 1988): a word in every name weighs nothing. Words in more than
    MOST_PRODUCTS (share) of the names, and more than FEW_PRODUCTS of them, are left out: they cost most and say least. So are
    words in more than MANY_PRODUCTS names: work grows with the square of a word's names, in a large shop it grows with the names.
    """

    def __init__(self, products: pl.DataFrame) -> None:
        named = products.select("product_id", "name").sort("product_id").with_row_index("row")
        words = pl.col("name").fill_null("").str.to_lowercase().str.extract_all(WORD).list.unique().list.sort()
        self.ids = named["product_id"]
        self.words = named.select("product_id", words.alias("words"))
        occurrences = self.words.with_row_index("row").explode("words").drop_nulls()
        limit = min(MANY_PRODUCTS, max(FEW_PRODUCTS, MOST_PRODUCTS * named.height))
        kept = occurrences.group_by("words").agg(pl.len().alias("n")).filter(pl.col("n") <= limit).sort("words")
        idf = np.log(named.height / kept["n"].to_numpy())
        placed = occurrences.join(kept.with_row_index("column"), on="words").sort("row", "column")
        columns = placed["column"].to_numpy()
        vectors = sparse.csr_matrix((idf[columns], (placed["row"].to_numpy(), columns)), (named.height, kept.height))
        length = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel())
        scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
        self.vectors = sparse.csr_matrix(sparse.diags(scale) @ vectors)

    def similarity(self, pairs: pl.DataFrame) -> pl.Series:
        """Cosine (0..1, rounded 6) of the names of each row's anchor_id and product_id; 0 where one of them is unknown."""
        rows = pl.DataFrame({"id": self.ids}).with_row_index("row", offset=0)
        asked = pairs.select("anchor_id", "product_id").with_row_index("place")
        both = (
            asked.join(rows, left_on="anchor_id", right_on="id")
            .join(rows, left_on="product_id", right_on="id", suffix="_y")
            .sort("place")
        )
        found = np.zeros(pairs.height)
        place, x, y = (both[name].to_numpy() for name in ("place", "row", "row_y"))
        for start in range(0, len(place), BLOCK):
            part = slice(start, start + BLOCK)
            found[place[part]] = np.asarray(self.vectors[x[part]].multiply(self.vectors[y[part]]).sum(axis=1)).ravel()
        return pl.Series("similarity", found).clip(0, 1).round(6)

    def nearest(self, anchors: pl.Series, candidates: pl.Series, top_n: int) -> pl.DataFrame:
        """anchor_id, product_id, similarity (LEAST_SIMILAR..1): the `top_n` candidates most like each anchor, best first, equal
        ones by id."""
        x = np.flatnonzero(self.ids.is_in(anchors.implode()).to_numpy())
        y = np.flatnonzero(self.ids.is_in(candidates.implode()).to_numpy())
        found = sp_matmul_topn(self.vectors[x], self.vectors[y].T.tocsr(), top_n=top_n + 1, threshold=LEAST_SIMILAR, sort=True)
        entries = found.tocoo()
        pairs = {
            "anchor_id": self.ids.gather(x[entries.row]),
            "product_id": self.ids.gather(y[entries.col]),
            "similarity": pl.Series(entries.data, dtype=pl.Float64).clip(0, 1).round(6),
        }
        return (
            pl.DataFrame(pairs)
            .filter(pl.col("anchor_id") != pl.col("product_id"))
            .sort(["anchor_id", "similarity", "product_id"], descending=[False, True, False])
            .filter(pl.int_range(pl.len()).over("anchor_id") < top_n)
        )

    def in_common(self, pairs: pl.DataFrame) -> pl.Series:
        """The words that the names of each row's anchor_id and product_id share, in alphabetical order, as one text."""
        joined = (
            pairs.select("anchor_id", "product_id")
            .join(self.words, left_on="anchor_id", right_on="product_id", how="left", maintain_order="left")
            .join(self.words, on="product_id", how="left", maintain_order="left", suffix="_y")
        )
        return joined.select(pl.col("words").list.set_intersection("words_y").list.sort().list.join(", "))["words"]

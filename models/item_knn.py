"""Item-kNN: the nearest products of each product by cosine, and what a customer's own products score by them."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sparse_dot_topn import sp_matmul_topn

NEIGHBOURS = 20
MAX_PRODUCTS = 500
# below so many entries threads cost more than they save
SMALL = 100_000


def neighbours(events: sparse.csr_matrix, allowed: np.ndarray, top_n: int = NEIGHBOURS) -> sparse.csr_matrix:
    """Products x products: the cosine (0..1] of the `top_n` nearest products that are `allowed`, never a product itself.

    events: units (customers, visits) x products; only whether there is an entry counts (Sarwar et al., WWW 2001). allowed: one
    boolean per product. Units of more than MAX_PRODUCTS products (wholesalers, robots) make no pairs: their pairs grow with the
    square of their size and say little of what goes together.
    """
    sizes = np.diff(events.indptr)
    incidence = events[np.flatnonzero((sizes > 1) & (sizes <= MAX_PRODUCTS))].astype(np.float32)
    incidence.data[:] = 1
    counts = np.asarray(incidence.sum(axis=0)).ravel()
    unit = incidence @ sparse.diags(1 / np.sqrt(np.maximum(counts, 1)))
    return nearest(unit.T.tocsr(), allowed, top_n)


def nearest(vectors: sparse.csr_matrix, allowed: np.ndarray, top_n: int) -> sparse.csr_matrix:
    """Products x products: the `top_n` largest dot products of the rows of `vectors` with those of `allowed` rows; no diagonal."""
    targets = (sparse.diags(allowed.astype(np.float32)) @ vectors).T.tocsr().astype(np.float32)
    targets.eliminate_zeros()
    n_threads = 1 if vectors.nnz < SMALL else 2
    # one more than asked for, since a product is nearest to itself
    found = sp_matmul_topn(vectors.tocsr().astype(np.float32), targets, top_n=top_n + 1, sort=True, n_threads=n_threads).tocoo()
    other = found.row != found.col
    row, column, value = found.row[other], found.col[other], np.minimum(found.data[other], 1)
    place = np.arange(len(row)) - np.searchsorted(row, row)
    kept = place < top_n
    return sparse.csr_matrix((value[kept], (row[kept], column[kept])), shape=found.shape)


def scores(history: sparse.csr_matrix, near: sparse.csr_matrix) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Customers x products: the sum of the weights of a customer's products times their similarity, and how many of them it
    is that have the product among their neighbours; the entries of both stand in the same order."""
    ones = [sparse.csr_matrix((np.ones_like(m.data), m.indices, m.indptr), m.shape) for m in (history, near)]
    return history @ near, ones[0] @ ones[1]

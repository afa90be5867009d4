"""Near neighbours among the codes of training samples."""

import numpy as np
from scipy.spatial import KDTree
from sklearn.neighbors import NearestNeighbors

# Components up to which a tree is searched, among all points. With more, matrix
# products are faster, and a sample of many points stands for all of them.
MAX_TREE_COMPONENTS = 5
MAX_SAMPLED = 2_000


class NeighborSearch:
    """Search for the nearest of some points.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_components), of float64
        The points.
    n_neighbors : int
        Neighbours to find; all points, if there are fewer.
    """

    def __init__(self, points, n_neighbors):
        n_neighbors = min(n_neighbors, len(points))
        self._ranks = np.arange(1, n_neighbors + 1)
        if points.shape[1] <= MAX_TREE_COMPONENTS:
            self._tree = KDTree(points)
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
        return self._tree.query(points, k=self._ranks)


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
    if points.shape[1] <= MAX_TREE_COMPONENTS or len(points) <= MAX_SAMPLED:
        return points
    rng = np.random.RandomState(0)  # the same points, the same sample
    return points[np.sort(rng.choice(len(points), MAX_SAMPLED, replace=False))]

"""The nearest points are found exactly, whatever the lengths of points and queries."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from skae._outliers._neighbors import NeighborSearch


def make_points(kind, n_components):
    rng = np.random.RandomState(0)
    points = rng.normal(size=(507, n_components))
    if kind == "few":
        return points[:3]
    if kind == "repeated":
        return points[rng.randint(12, size=507)]
    if kind == "far":
        points[::50] *= np.logspace(1, 80, 11)[:, np.newaxis]
    if kind == "shifted":
        points += 1000
    if kind == "close":
        points *= 1e-4
    return points


@pytest.mark.parametrize("n_components", [2, 6, 40])
@pytest.mark.parametrize(
    "kind", ["normal", "few", "repeated", "far", "shifted", "close"]
)
def test_neighbors_are_those_of_all_distances(kind, n_components):
    points = make_points(kind, n_components)
    near = points[:100] + 1e-3 * np.random.RandomState(1).normal(
        size=points[:100].shape
    )
    far = np.outer([0, 30, 1e8, 1e20, 1e99], np.ones(n_components))
    queries = np.vstack([points[:100], near, far])
    for n_neighbors in (1, 4, 6):
        distances, indices = NeighborSearch(points, n_neighbors).query(queries)
        expected = np.sort(cdist(queries, points), axis=1)[:, :n_neighbors]
        np.testing.assert_allclose(distances, expected, rtol=1e-12, atol=1e-9)
        found = cdist(queries, points)[np.arange(len(queries))[:, None], indices]
        np.testing.assert_allclose(found, distances, rtol=1e-12, atol=1e-9)
        assert all(len(set(row)) == len(row) for row in indices)


def test_a_query_finds_alone_what_it_finds_among_others():
    points = make_points("normal", 8)
    search = NeighborSearch(points, 4)
    queries = np.random.RandomState(2).normal(size=(300, 8))
    distances, indices = search.query(queries)
    for i in (0, 150, 299):
        alone = search.query(queries[i : i + 1])
        np.testing.assert_array_equal(alone[1][0], indices[i])
        np.testing.assert_allclose(alone[0][0], distances[i], rtol=1e-14)

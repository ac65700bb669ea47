"""Graph cuts, against enumeration of all labels and of all moves."""

import itertools
import tracemalloc

import numpy as np
import pytest

from kseg.graph_cut import (
    alpha_beta_swap,
    alpha_expansion,
    contrast_weights,
    energy,
    grid_edges,
)

SOLVERS = [alpha_expansion, alpha_beta_swap]


def problem(seed, nodes=9, num_labels=2, edges=14, forbidden=0.0, strength=1.0):
    """A random graph: unaries, edges (some of them twice) and weights."""
    rng = np.random.default_rng(seed)
    unary = rng.normal(size=(nodes, num_labels))
    forbid = rng.random(unary.shape) < forbidden
    forbid[np.arange(nodes), rng.integers(num_labels, size=nodes)] = False
    unary[forbid] = np.inf
    first = rng.integers(nodes, size=edges)
    second = (first + rng.integers(1, nodes, size=edges)) % nodes
    weights = strength * rng.random(edges) * (rng.random(edges) < 0.9)
    return unary, np.stack([first, second], axis=1), weights


def energy_by_loops(labels, unary, edges, weights, costs):
    total = sum(unary[i, label] for i, label in enumerate(labels))
    for (i, j), weight in zip(edges.tolist(), weights.tolist(), strict=True):
        total += weight * costs[labels[i]][labels[j]]
    return total


def least(choices, *parts):
    """The least energy among the products of each node's choices."""
    return min(energy_by_loops(y, *parts) for y in itertools.product(*choices))


def potts(num_labels):
    return 1.0 - np.eye(num_labels)


def metric(seed, num_labels):
    """Distances of random points of a plane."""
    points = np.random.default_rng(seed).normal(size=(num_labels, 2))
    return np.linalg.norm(points[:, None] - points[None], axis=-1)


# The minimum


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("seed", range(12))
def test_two_labels_are_exact(solver, seed):
    strength = [0.1, 1.0, 5.0][seed % 3]
    parts = *problem(seed, forbidden=0.2 * (seed % 2), strength=strength), potts(2)
    labels = solver(*parts)
    assert labels.dtype == np.int32 and labels.shape == (9,)
    assert energy(labels, *parts) == pytest.approx(least([(0, 1)] * 9, *parts))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("costs", [potts(3), metric(5, 3)])
def test_no_expansion_lowers_the_energy(seed, costs):
    parts = *problem(seed, 7, 3, 12, forbidden=0.2 * (seed % 2)), costs
    labels = alpha_expansion(*parts)
    reached = energy(labels, *parts)
    for label in range(3):
        moves = least([(old, label) for old in labels], *parts)
        assert reached <= moves + 1e-6
    # Boykov et al., theorem 6.1: 2 c times the least, for energies of 0 or more.
    shift = np.where(np.isfinite(parts[0]), parts[0], np.inf).min(axis=1).sum()
    optimum = least([range(3)] * 7, *parts)
    spread = costs.max() / costs[costs > 0].min()
    assert optimum - 1e-6 <= reached
    assert reached - shift <= 2 * spread * (optimum - shift) + 1e-6


@pytest.mark.parametrize("seed", range(8))
def test_no_swap_lowers_the_energy(seed):
    squares = np.subtract.outer(range(3), range(3)) ** 2.0
    parts = *problem(seed, 7, 3, 12, forbidden=0.2 * (seed % 2)), squares
    labels = alpha_beta_swap(*parts)
    for pair in itertools.combinations(range(3), 2):
        choices = [pair if old in pair else (old,) for old in labels]
        assert energy(labels, *parts) <= least(choices, *parts) + 1e-6


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_scale_stands_large_and_infinite_costs(solver):
    unary, edges, weights = problem(3, forbidden=0.3)
    unary[:3] *= 1e12
    unary[3] += [0, 1e15]
    labels = solver(unary, edges, weights)
    # Up to a constant the fixed nodes' own costs do not count.
    rest = unary.copy()
    fixed = [0, 1, 2, 3]
    for node in fixed:
        other = rest[node].argmax()
        assert labels[node] == rest[node].argmin()
        rest[node] = 0
        rest[node, other] = np.inf
    parts = rest, edges, weights, potts(2)
    expected = least([(0, 1)] * 9, *parts)
    assert energy(labels, *parts) == pytest.approx(expected, rel=1e-9)


def least_of_chain(unary, weights):
    """The least energy of Potts costs along a chain, by dynamic programming."""
    cost = unary[0]
    for own, weight in zip(unary[1:], weights, strict=True):
        cost = own + np.minimum(cost, cost.min() + weight)
    return cost.min()


@pytest.mark.parametrize("solver", SOLVERS)
def test_capacities_may_sum_to_more_than_an_int32_holds(solver):
    rng = np.random.default_rng(0)
    unary = rng.normal(size=(3000, 2))
    weights = rng.uniform(0.5, 1, 2999)
    # The capacities of the source alone sum to 2^30 times 300 or more.
    labels = solver(unary, grid_edges(1, 3000), weights)
    found = energy(labels, unary, grid_edges(1, 3000), weights)
    assert found == pytest.approx(least_of_chain(unary, weights), rel=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_scaled_energies_have_the_same_labels(solver):
    unary, edges, weights = problem(1, 60, 4, 150)
    labels = solver(unary, edges, weights)
    np.testing.assert_array_equal(solver(unary, edges, weights), labels)
    for factor in (1e-12, 1e12):
        scaled = solver(unary * factor, edges, weights * factor)
        np.testing.assert_array_equal(scaled, labels)
    flipped = solver(unary, edges[:, ::-1], weights)
    assert energy(flipped, unary, edges, weights) == pytest.approx(
        energy(labels, unary, edges, weights)
    )


# The descent


@pytest.mark.parametrize("solver", SOLVERS)
def test_energies_never_rise(solver):
    parts = problem(2, 80, 5, 240, forbidden=0.1)
    first = parts[0].argmin(axis=1)
    energies = [energy(first, *parts)]
    for cycles in range(5):
        energies.append(energy(solver(*parts, max_cycles=cycles), *parts))
    assert energies[1] == energies[0]
    assert (np.diff(energies) <= 0).all() and energies[-1] < energies[0]
    assert energy(solver(*parts), *parts) <= energies[-1]


@pytest.mark.parametrize("solver", SOLVERS)
def test_it_starts_from_given_labels(solver):
    parts = problem(4, 80, 5, 240)
    given = np.random.default_rng(0).integers(5, size=80)
    np.testing.assert_array_equal(solver(*parts, labels=given, max_cycles=0), given)
    best = solver(*parts)
    np.testing.assert_array_equal(solver(*parts, labels=best), best)
    after = solver(*parts, labels=given)
    assert energy(after, *parts) < energy(given, *parts)


@pytest.mark.parametrize("solver", SOLVERS)
def test_without_edges_every_node_takes_its_cheapest(solver):
    unary, _, _ = problem(0, 20, 4, 1, forbidden=0.3)
    none = np.zeros((0, 2), int)
    np.testing.assert_array_equal(
        solver(unary, none, np.zeros(0), labels=unary.argmin(axis=1)),
        unary.argmin(axis=1),
    )
    one = np.zeros((20, 1))
    assert (solver(one, grid_edges(4, 5), np.ones(31)) == 0).all()


def test_a_cut_finds_a_disc_in_noise():
    rows, columns = np.mgrid[:40, :40]
    disc = (rows - 20) ** 2 + (columns - 18) ** 2 < 120
    noisy = disc + np.random.default_rng(0).normal(0, 0.6, disc.shape)
    unary = np.stack([noisy**2, (noisy - 1) ** 2], axis=-1).reshape(-1, 2)
    edges = grid_edges(40, 40, diagonals=True)
    weights = 0.4 * contrast_weights(np.zeros((40, 40)), edges)
    found = alpha_expansion(unary, edges, weights).reshape(40, 40)
    assert ((noisy > 0.5) != disc).mean() > 0.15
    assert (found != disc).mean() < 0.02


def test_energy_against_loops():
    parts = *problem(6, 9, 4, 20), metric(0, 4)
    labels = np.random.default_rng(1).integers(4, size=9)
    assert energy(labels, *parts) == pytest.approx(energy_by_loops(labels, *parts))
    parts[0][2, labels[2]] = np.inf
    assert energy(labels, *parts) == np.inf


# Grids


def test_grid_edges_join_neighbours():
    for height, width, diagonals in ((3, 5, False), (4, 3, True), (1, 6, True)):
        edges = grid_edges(height, width, diagonals)
        places = np.stack(np.divmod(np.arange(height * width), width), axis=1)
        expected = {
            (i, j)
            for i, j in itertools.combinations(range(height * width), 2)
            if abs(places[i] - places[j]).sum() == 1
            or (diagonals and (abs(places[i] - places[j]) == 1).all())
        }
        assert {tuple(sorted(edge)) for edge in edges.tolist()} == expected
        assert len(edges) == len(expected)
    with pytest.raises(ValueError, match="0x4"):
        grid_edges(0, 4)


def test_contrast_weights():
    image = np.array([[[0, 0], [3, 4]], [[0, 0], [0, 0]]], np.uint8)
    edges = grid_edges(2, 2, diagonals=True)
    # right, right, down, down, down-right, down-left
    squares = np.array([25, 0, 0, 25, 0, 25])
    distances = np.sqrt([1, 1, 1, 1, 2, 2])
    for sigma, variance in ((3.0, 9), (None, 12.5)):
        expected = np.exp(-squares / (2 * variance)) / distances
        np.testing.assert_allclose(contrast_weights(image, edges, sigma), expected)
    flat = contrast_weights(np.full((3, 3), 7), grid_edges(3, 3))
    np.testing.assert_array_equal(flat, 1)
    assert contrast_weights(np.zeros((1, 1)), grid_edges(1, 1)).shape == (0,)
    for sigma in (1e-170, 5e-324):  # whose square is 0
        steps = contrast_weights(image, edges, sigma)
        np.testing.assert_array_equal(steps, (squares == 0) / distances)
    with pytest.raises(ValueError, match="`sigma`.*Received: 0"):
        contrast_weights(image, edges, 0)
    with pytest.raises(ValueError, match="finite"):
        contrast_weights(np.array([[np.nan, 1.0]]), grid_edges(1, 2))
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        contrast_weights(np.zeros(2), edges)


# Wrong input

GOOD = {
    "unary": np.zeros((3, 3)),
    "edges": np.array([[0, 1], [1, 2]]),
    "weights": np.ones(2),
}
ROW = [[np.inf] * 3, [0.0] * 3, [0.0] * 3]
BAD = [
    ({"unary": np.zeros(3)}, r"`unary`.*\(3,\)"),
    ({"unary": np.full((3, 3), np.nan)}, "NaN"),
    ({"unary": np.full((3, 3), -np.inf)}, "-inf"),
    ({"unary": np.array(ROW)}, r"1 nodes without, such as \[0\]"),
    ({"edges": np.array([0, 1])}, r"`edges`.*\(2,\)"),
    ({"edges": np.array([[0.0, 1], [1, 2]])}, "`edges`.*float64"),
    ({"edges": np.array([[0, 1], [1, 3]])}, "0 to 2. Received: 0 to 3"),
    ({"edges": np.array([[0, 1], [-1, 2]])}, "0 to 2. Received: -1 to 2"),
    ({"edges": np.array([[0, 1], [2, 2]])}, "node 2 to itself"),
    ({"weights": np.ones(3)}, r"\(3,\) for 2 edges"),
    ({"weights": np.array([1, -0.5])}, r"not negative.*\[-0.5\]"),
    ({"weights": np.array([np.nan, 1])}, "nan"),
    ({"weights": np.array([np.inf, 1])}, "inf"),
    ({"compatibility": np.ones((2, 2))}, r"\(2, 2\) for 3 labels"),
    ({"compatibility": np.ones((3, 3))}, "0 on its diagonal"),
    ({"compatibility": np.triu(potts(3))}, "symmetric"),
    ({"compatibility": -potts(3)}, "not negative"),
    ({"compatibility": potts(3) * np.nan}, "finite"),
    ({"labels": np.zeros(2, int)}, r"\(2,\) for 3 nodes"),
    ({"labels": np.zeros(3)}, "integers"),
    ({"labels": np.array([0, 3, 0])}, "0 to 2. Received: 0 to 3"),
    ({"max_cycles": -1}, "`max_cycles`.*-1"),
]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("wrong", "words"), BAD)
def test_wrong_input_is_an_error(solver, wrong, words):
    with pytest.raises(ValueError, match=words):
        solver(**{**GOOD, **wrong})


def test_labels_to_start_from_must_be_allowed():
    unary = np.array([[0, np.inf], [0, 0]])
    with pytest.raises(ValueError, match="1 nodes"):
        alpha_expansion(unary, [[0, 1]], [1.0], labels=np.array([1, 0]))


def test_only_swaps_take_what_is_no_metric():
    squares = np.subtract.outer(range(3), range(3)) ** 2
    with pytest.raises(ValueError, match="Received: 4.0 for labels 0 and 2, and 2.0"):
        alpha_expansion(**GOOD, compatibility=squares)
    assert (alpha_beta_swap(**GOOD, compatibility=squares) == 0).all()


@pytest.mark.parametrize("costs", [None, metric(0, 300)])
def test_memory_grows_with_pairs_of_labels_and_not_with_triangles(costs):
    tracemalloc.start()
    edge, weight = np.array([[0, 1]]), np.ones(1)
    alpha_expansion(np.eye(2, 300), edge, weight, costs, max_cycles=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 300 * 300 * 8


@pytest.mark.parametrize("seed", range(8))
def test_a_metric_is_what_all_triangles_say(seed):
    costs = metric(seed, 4) + 0.3 * metric(seed + 20, 4) ** 2
    worst = max(
        costs[a, b] - costs[a, c] - costs[c, b]
        for a, b, c in itertools.permutations(range(4), 3)
    )
    parts = np.zeros((2, 4)), np.array([[0, 1]]), np.ones(1), costs
    if worst > 0:
        with pytest.raises(ValueError, match="must be a metric"):
            alpha_expansion(*parts)
    else:
        alpha_expansion(*parts)

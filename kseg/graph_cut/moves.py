"""Graph cuts: labels of the nodes of any graph, pixels or superpixels, by energy.

Boykov, Veksler and Zabih, "Fast Approximate Energy Minimization via Graph Cuts",
PAMI 2001: expansion moves (section 5) and swap moves (section 4); the graph of a move
is that of Kolmogorov and Zabih, "What Energy Functions Can Be Minimized via Graph
Cuts?", PAMI 2004, section 4.1, which needs no auxiliary nodes.
https://www.cs.cornell.edu/~rdz/Papers/BVZ-pami01-final.pdf
https://www.cs.cornell.edu/~rdz/Papers/KZ-PAMI04.pdf
The energy of labels y is E(y) = sum over nodes of unary[i, y_i], plus sum over edges
of weights[e] * compatibility[y_i, y_j]. With two labels the minimum is exact.
Departures: the maximum flow is `scipy.sparse.csgraph.maximum_flow` (Dinic's), not the
authors' own. Its capacities are int32: each move is scaled so that the largest one is
2^30 - 1, and so rounded by half of a 2^30th of the largest, far less than 1e-6 of the
energy; sums of capacities do not matter to it. Two things that would coarsen the
scale do not reach it: nodes that an infinite unary settles are left out of the graph,
and a unary difference that outweighs all edges of its node is cut down to a little
more than they weigh, which settles the node all the same. Whether a move is taken is
decided in float64, so that the energy never rises.
"""

import itertools

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from kseg.graph_cut.checks import check_triangles, checked, checked_labels

# Two opposite capacities, added in a residual graph, must fit into int32.
_LARGEST = 2**30 - 1
# A move must win more than this share of all that it changes: less is rounding.
_PROGRESS = 1e-9


def alpha_expansion(
    unary: np.ndarray,
    edges: np.ndarray,
    weights: np.ndarray,
    compatibility: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    max_cycles: int | None = None,
) -> np.ndarray:
    """Returns labels whose energy no expansion of one label can lower.

    An expansion of a label lets any nodes take it at once. For Potts the energy is at
    most twice the least there is.

    Args:
        unary: Array `(nodes, num_labels)`: the cost of each label at each node; +inf
            for a label that a node may not have.
        edges: Integer array `(m, 2)` of node positions; the order of the two does not
            matter, and the weights of an edge given twice add up.
        weights: Array `(m,)` of finite costs, 0 or more.
        compatibility: Array `(num_labels, num_labels)`, the cost of two labels beside
            each other: a metric. `None` for Potts: 1 where they differ.
        labels: Integer array `(nodes,)` to start from; `None` for each node's cheapest.
        max_cycles: How often every label may expand; `None` until nothing changes.

    Returns:
        int32 array `(nodes,)`; the same input gives the same labels.

    Raises:
        ValueError: If an array is not as described, a node has no finite label, or
            `compatibility` is no metric.

    Example:
    >>> unary = np.array([[0.0, 2.0], [1.1, 1.0], [0.0, 2.0]])
    >>> alpha_expansion(unary, np.array([[0, 1], [1, 2]]), np.ones(2))
    array([0, 0, 0], dtype=int32)
    """
    is_potts = compatibility is None
    unary, edges, weights, compatibility = checked(unary, edges, weights, compatibility)
    if not is_potts:
        check_triangles(compatibility)

    def move(labels, label):
        allowed = np.isfinite(unary[:, label])
        return labels, np.where(allowed, label, labels)

    return _descend(
        [(label,) for label in range(unary.shape[1])],
        move,
        (unary, edges, weights, compatibility),
        labels,
        max_cycles,
    )


def alpha_beta_swap(
    unary: np.ndarray,
    edges: np.ndarray,
    weights: np.ndarray,
    compatibility: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    max_cycles: int | None = None,
) -> np.ndarray:
    """Returns labels whose energy no swap of two labels can lower.

    A swap lets any nodes that have one of two labels take the other one at once. It
    is for costs that are no metric, such as truncated squares; it is slower than
    `alpha_expansion` and promises nothing about the least energy.

    Args:
        unary: As in `alpha_expansion`.
        edges: As in `alpha_expansion`.
        weights: As in `alpha_expansion`.
        compatibility: As in `alpha_expansion`, but it may break the triangle
            inequality.
        labels: As in `alpha_expansion`.
        max_cycles: How often every pair of labels may swap; `None` until nothing
            changes.

    Returns:
        int32 array `(nodes,)`; the same input gives the same labels.

    Raises:
        ValueError: If an array is not as described, or a node has no finite label.

    Example:
    >>> unary = np.array([[0.0, 9, 9], [9, 1, 1.1], [9, 9, 0]])
    >>> squares = np.subtract.outer(range(3), range(3)) ** 2
    >>> alpha_beta_swap(unary, np.array([[0, 1], [1, 2]]), np.ones(2), squares)
    array([0, 1, 2], dtype=int32)
    """
    unary, edges, weights, compatibility = checked(unary, edges, weights, compatibility)

    def move(labels, first, second):
        either = (labels == first) | (labels == second)
        free = either & np.isfinite(unary[:, (first, second)]).all(axis=1)
        return np.where(free, first, labels), np.where(free, second, labels)

    return _descend(
        list(itertools.combinations(range(unary.shape[1]), 2)),
        move,
        (unary, edges, weights, compatibility),
        labels,
        max_cycles,
    )


def energy(
    labels: np.ndarray,
    unary: np.ndarray,
    edges: np.ndarray,
    weights: np.ndarray,
    compatibility: np.ndarray | None = None,
) -> float:
    """Returns the energy of labels.

    Args:
        labels: Integer array `(nodes,)`.
        unary: As in `alpha_expansion`.
        edges: As in `alpha_expansion`.
        weights: As in `alpha_expansion`.
        compatibility: As in `alpha_beta_swap`.

    Returns:
        The sum over nodes and edges; +inf if a node has a label that it may not have.

    Raises:
        ValueError: If an array is not as described.

    Example:
    >>> unary = np.array([[0.0, 2.0], [1.5, 1.0]])
    >>> energy(np.array([0, 1]), unary, np.array([[0, 1]]), np.array([0.25]))
    1.25
    """
    problem = checked(unary, edges, weights, compatibility)
    labels = checked_labels(labels, problem[0])
    return float(_chosen(problem[0], labels).sum() + _pairs(labels, *problem[1:]).sum())


def _descend(moves, move, problem, labels, max_cycles) -> np.ndarray:
    """Makes moves in turn until none of them lowers the energy."""
    unary = problem[0]
    if max_cycles is not None and max_cycles < 0:
        raise ValueError(f"`max_cycles` must be 0 or more. Received: {max_cycles}.")
    if labels is None:
        labels = unary.argmin(axis=1)
    else:
        labels = checked_labels(labels, unary)
        if not np.isfinite(_chosen(unary, labels)).all():
            raise ValueError(
                "`labels` must be such that nodes may have them. Received: "
                f"{np.isinf(_chosen(unary, labels)).sum()} nodes with a label whose "
                "unary is inf."
            )
    steps = None if max_cycles is None else max_cycles * len(moves)
    idle = 0  # moves in a row that left the labels as they are
    for one in itertools.islice(itertools.cycle(moves), steps):
        found = _best_of_two(*move(labels, *one), *problem)
        changes = _changes(labels, found, *problem)
        if changes.sum() < -_PROGRESS * np.abs(changes).sum():
            labels, idle = found, 1  # made twice, a move changes nothing
        else:
            idle += 1
        if idle == len(moves):
            break
    return labels.astype(np.int32)


def _best_of_two(zero, one, unary, edges, weights, compatibility) -> np.ndarray:
    """Returns the labels of least energy of which each is that of `zero` or of `one`.

    Nodes where these two agree are no nodes of the graph. Two labels of cost a, b, c
    and d (zero and zero, zero and one, one and zero, one and one) must fulfil
    a + d <= b + c for every edge.
    """
    free = np.flatnonzero(zero != one)
    if not len(free):
        return zero
    gain = _chosen(unary[free], one[free]) - _chosen(unary[free], zero[free])
    position = np.full(len(unary), len(free))
    position[free] = np.arange(len(free))
    touched = (position[edges] < len(free)).any(axis=1)
    i, j = edges[touched].T
    w = weights[touched]
    a = w * compatibility[zero[i], zero[j]]
    b = w * compatibility[zero[i], one[j]]
    c = w * compatibility[one[i], zero[j]]
    d = w * compatibility[one[i], one[j]]
    # a + (c - a) x_i + (d - c) x_j + (b + c - a - d) (1 - x_i) x_j, Kolmogorov's (8);
    # where x_j is fixed, b = a and d = c, and what is left is a cost of x_i alone.
    bins = len(free) + 1
    gain += np.bincount(position[i], c - a, bins)[:-1]
    gain += np.bincount(position[j], d - c, bins)[:-1]
    both = (position[i] < len(free)) & (position[j] < len(free))
    capacity = np.maximum(b + c - a - d, 0)[both]
    i, j = position[i[both]], position[j[both]]
    taken = _source_side(gain, i, j, capacity)
    labels = zero.copy()
    labels[free[taken]] = one[free[taken]]
    return labels


def _source_side(gain, i, j, capacity) -> np.ndarray:
    """Returns the nodes on the source's side of the minimum cut, as booleans.

    A node there costs its `gain`, and an edge costs its capacity where j is there and
    i is not. Of several minimum cuts it is the one with fewest nodes there.
    """
    nodes = len(gain)
    reach = np.bincount(i, capacity, nodes) + np.bincount(j, capacity, nodes)
    alone = reach == 0
    largest = reach.max(initial=0)
    if largest == 0:
        return gain < 0
    bound = np.where(alone, 0, reach + largest * 1e-3)
    clipped = np.clip(gain, -bound, bound)
    source, sink = nodes, nodes + 1
    left, right = np.flatnonzero(clipped < 0), np.flatnonzero(clipped > 0)
    rows = np.concatenate([j, np.full(len(left), source), right])
    columns = np.concatenate([i, left, np.full(len(right), sink)])
    values = np.concatenate([capacity, -clipped[left], clipped[right]])
    graph = sparse.csr_array(
        (values, (rows, columns)), shape=(nodes + 2, nodes + 2), dtype=np.float64
    )
    graph.sum_duplicates()
    graph.data = np.rint(graph.data * (_LARGEST / graph.data.max())).astype(np.int32)
    graph.eliminate_zeros()
    residual = graph - csgraph.maximum_flow(graph, source, sink).flow
    residual.eliminate_zeros()
    reached = csgraph.breadth_first_order(residual, source, return_predecessors=False)
    result = np.zeros(nodes + 2, bool)
    result[reached] = True
    return np.where(alone, gain < 0, result[:nodes])


def _changes(old, new, unary, edges, weights, compatibility) -> np.ndarray:
    """Returns by how much the costs of nodes and edges differ.

    Their sum stays right beside huge costs that do not change.
    """
    nodes = np.flatnonzero(old != new)
    return np.concatenate(
        [
            _chosen(unary[nodes], new[nodes]) - _chosen(unary[nodes], old[nodes]),
            _pairs(new, edges, weights, compatibility)
            - _pairs(old, edges, weights, compatibility),
        ]
    )


def _pairs(labels, edges, weights, compatibility) -> np.ndarray:
    """Returns the cost of each edge."""
    return weights * compatibility[labels[edges[:, 0]], labels[edges[:, 1]]]


def _chosen(unary, labels) -> np.ndarray:
    """Returns each node's cost of its own label."""
    return np.take_along_axis(unary, labels[:, None], axis=1)[:, 0]

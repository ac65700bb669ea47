"""What the arrays of an energy must be."""

import numpy as np


def checked(unary, edges, weights, compatibility):
    """Returns the problem's arrays as float64 and int64, or raises."""
    unary = np.asarray(unary, np.float64)
    if unary.ndim != 2 or 0 in unary.shape:
        raise ValueError(
            "`unary` must be (nodes, num_labels), one of each or more. Received: "
            f"shape {unary.shape}."
        )
    if np.isnan(unary).any() or np.isneginf(unary).any():
        raise ValueError("`unary` must be finite or +inf. Received: NaN or -inf.")
    without = np.flatnonzero(np.isinf(unary).all(axis=1))
    if len(without):
        raise ValueError(
            "Every node must have a label of finite cost. Received: "
            f"{len(without)} nodes without, such as {without[:3].tolist()}."
        )
    edges = checked_edges(edges, len(unary))
    weights = np.asarray(weights, np.float64)
    if weights.shape != (len(edges),):
        raise ValueError(
            "`weights` must have one number per edge. Received: shape "
            f"{weights.shape} for {len(edges)} edges."
        )
    if not ((weights >= 0) & (weights < np.inf)).all():
        raise ValueError(
            "`weights` must be finite and not negative. Received: "
            f"{weights[~((weights >= 0) & (weights < np.inf))][:3].tolist()}."
        )
    return unary, edges, weights, checked_costs(compatibility, unary.shape[1])


def checked_edges(edges, nodes) -> np.ndarray:
    """Returns edges as int64, or raises."""
    edges = np.asarray(edges)
    if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind not in "iu":
        raise ValueError(
            f"`edges` must be integers (m, 2). Received: {edges.dtype} {edges.shape}."
        )
    edges = edges.astype(np.int64)
    if edges.size and not 0 <= edges.min() <= edges.max() < nodes:
        raise ValueError(
            f"`edges` must join nodes 0 to {nodes - 1}. Received: "
            f"{edges.min()} to {edges.max()}."
        )
    loops = edges[edges[:, 0] == edges[:, 1], 0]
    if len(loops):
        raise ValueError(
            "An edge must join two nodes. Received: an edge from node "
            f"{loops[0]} to itself."
        )
    return edges


def checked_costs(compatibility, num_labels) -> np.ndarray:
    """Returns the costs of two labels as float64, or raises."""
    if compatibility is None:
        return 1.0 - np.eye(num_labels)
    costs = np.asarray(compatibility, np.float64)
    if costs.shape != (num_labels, num_labels):
        raise ValueError(
            "`compatibility` must be (num_labels, num_labels). Received: shape "
            f"{costs.shape} for {num_labels} labels."
        )
    if not ((costs >= 0) & (costs < np.inf)).all():
        raise ValueError(
            "`compatibility` must be finite and not negative. Received: "
            f"{costs.tolist()}."
        )
    if (costs != costs.T).any() or costs.diagonal().any():
        raise ValueError(
            "`compatibility` must be symmetric, with 0 on its diagonal. Received: "
            f"{costs.tolist()}."
        )
    return costs


def check_triangles(costs) -> None:
    """Raises if the way over a third label is cheaper than the direct one."""
    detour = np.full_like(costs, np.inf)
    for label in range(len(costs)):  # all at once would take labels^3 numbers
        np.minimum(detour, costs[:, label, None] + costs[label], out=detour)
    if (costs > detour * (1 + 1e-12)).any():
        a, b = np.argwhere(costs > detour * (1 + 1e-12))[0].tolist()
        raise ValueError(
            "`compatibility` must be a metric: no two labels may cost more than both "
            f"with a third between them. Received: {costs[a, b]} for labels {a} and "
            f"{b}, and {detour[a, b]} over another. `alpha_beta_swap` takes it."
        )


def checked_labels(labels, unary) -> np.ndarray:
    """Returns labels as int64, or raises."""
    labels = np.asarray(labels)
    if labels.shape != unary.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(
            "`labels` must be integers (nodes,). Received: "
            f"{labels.dtype} {labels.shape} for {len(unary)} nodes."
        )
    if not 0 <= labels.min() <= labels.max() < unary.shape[1]:
        raise ValueError(
            f"`labels` must be 0 to {unary.shape[1] - 1}. Received: "
            f"{labels.min()} to {labels.max()}."
        )
    return labels.astype(np.int64)

"""What is taken for what: the most confused pairs, and the whole matrix."""

from html import escape

import numpy as np

from kseg.inference.report.html import attribute, class_name, percent
from kseg.labels import Labels
from kseg.metrics.averages import ratio
from kseg.web_page import scrolling

# Pairs that are listed, and the most classes whose matrix is unfolded.
_PAIRS, _UNFOLDED = 8, 24


def confusion(matrix: np.ndarray, labels: Labels) -> str:
    """Returns the confusion matrix of a data set.

    Args:
        matrix: Pixels by true and predicted class, int64 `(classes, classes)`.
        labels: The classes.
    """
    shares = ratio(np, matrix * 1.0, matrix.sum(axis=1, keepdims=True))
    opened = " open" * (labels.num_classes <= _UNFOLDED)
    return (
        f"{_pairs(matrix, shares, labels)}<details{opened}><summary>The matrix <small>"
        f"{labels.num_classes} classes</small></summary>"
        "<p>Of the true pixels of the class of the row, how many in a hundred are "
        "predicted as the class of the column. Empty: none. The pixels themselves are "
        f"in the title of a field.</p>{_matrix(matrix, shares, labels)}</details>"
    )


def _pairs(matrix: np.ndarray, shares: np.ndarray, labels: Labels) -> str:
    """Returns the pairs that most pixels are lost to."""
    wrong = np.where(np.eye(len(matrix), dtype=bool), 0, matrix)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS]
    rows, columns = np.unravel_index(order, matrix.shape)
    total = max(int(wrong.sum()), 1)
    listed = "".join(
        f"<li>{class_name(labels, i)} taken for {class_name(labels, j)}: "
        f"{percent(float(wrong[i, j]) / total, 1)}&nbsp;% of all wrong pixels, "
        f"{percent(float(shares[i, j]), 1)}&nbsp;% "
        f"of {escape(labels.names[i])}</li>"
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
        if wrong[i, j]
    )
    return f"<ol>{listed}</ol>" if listed else "<p>No pixel is wrong.</p>"


def _matrix(matrix: np.ndarray, shares: np.ndarray, labels: Labels) -> str:
    """Returns the matrix as a table with shades."""
    heads = "".join(
        f'<th scope="col"><span>{class_name(labels, index)}</span></th>'
        for index in range(labels.num_classes)
    )
    rows = []
    for i in range(labels.num_classes):
        cells = []
        for j in range(labels.num_classes):
            if not matrix[i, j]:
                cells.append("<td></td>")
                continue
            share = float(shares[i, j])
            # Most of what is wrong is a few in a hundred, and must be seen.
            shade = share if i == j else share**0.5
            title = attribute(f"{matrix[i, j]:,} pixels: {labels.names[j]}")
            kind = " class=right" * (i == j)
            text = f"{100 * share:.0f}" if share >= 0.005 else "·"
            cells.append(
                f'<td{kind} style="--share:{shade:.2f}" title="{title}">{text}</td>'
            )
        head = f'<th scope="row">{class_name(labels, i)}</th>'
        rows.append(f"<tr>{head}{''.join(cells)}</tr>\n")
    return (
        f'{scrolling("Confusion matrix")}<table class="together"><thead><tr>'
        f"<td>true ↓ predicted →</td>{heads}</tr></thead><tbody>\n{''.join(rows)}"
        "</tbody></table></div>"
    )

"""The report as one HTML page that needs nothing else."""

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from kseg.data.check.augmented import Augmented
from kseg.data.check.findings import SEVERITIES, Finding
from kseg.data.check.report import Report, tally
from kseg.data.check.statistics import Statistics
from kseg.data.check.style import STYLE
from kseg.data.check.thumbnails import data_uri, thumbnail
from kseg.data.sources import Source
from kseg.files import whole_file
from kseg.labels import Labels
from kseg.web_page import path_text, scrolling

# Pictures of each finding and of each class, files named of each finding, and the
# most classes whose co-occurrence is shown.
_PICTURES, _SAMPLES, _FILES, _CLASSES = 4, 2, 20, 60


def write_page(
    path: str | Path,
    report: Report,
    sources: Mapping[str, Source],
    title: str,
    augmented: Augmented | None = None,
) -> None:
    """Writes a report as a page with pictures.

    Args:
        path: The HTML file, which appears when it is whole.
        report: What was found.
        sources: The splits that were checked.
        title: What to call the data set.
        augmented: Examples before and after augmentation; `None` for none.
    """
    pictures = _Pictures(sources)
    body = [
        f"<h1>Data check: {escape(title)}</h1>",
        _summary(report),
        "<h2 id=findings>Findings</h2>",
        *(_finding(finding, pictures) for finding in report.findings),
        *(["<p>Nothing was found.</p>"] if not report.findings else []),
        *(_statistics(statistics, report.labels) for statistics in report.statistics),
        _together(report.statistics[0], report.labels),
        "<h2 id=samples>Samples of every class</h2>",
        *_samples(report, pictures),
    ]
    if augmented is not None:
        body.append("<h2 id=augmentation>Before and after augmentation</h2>")
        body += [_figure(picture, text) for picture, text in augmented.rows()]
    text = (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}: data check</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


class _Pictures:
    """Makes each thumbnail once."""

    def __init__(self, sources: Mapping[str, Source]):
        self._sources = sources
        self._made: dict[tuple[str, int], Image.Image] = {}

    def figure(self, key: tuple[str, int], text: str = "") -> str:
        """Returns the thumbnail of an example, with its name below it."""
        split, index = key
        source = self._sources[split]
        if key not in self._made:
            self._made[key] = thumbnail(source, index)
        return _figure(self._made[key], text or f"{split}: {source.name(index)}")


def _figure(picture: Image.Image, text: str) -> str:
    """Returns a picture with a caption."""
    return (
        f"<figure><img src='{data_uri(picture)}' alt='{escape(text, quote=True)}' "
        f"width={picture.width} height={picture.height}>"
        f"<figcaption>{escape(text)}</figcaption></figure>"
    )


def _summary(report: Report) -> str:
    """Returns the numbers of findings, and what is suggested."""
    counts = [
        f"<span class='tag {severity}'>{text}</span>"
        for severity, text in zip(SEVERITIES, tally(report.findings), strict=True)
    ]
    suggested = "".join(f"<li>{escape(text)}</li>" for text in report.suggestions)
    places = {
        "findings": "findings",
        **{_split_id(s.split): escape(s.split) for s in report.statistics},
        "samples": "samples",
    }
    links = "".join(f"<a href='#{i}'>{text}</a> " for i, text in places.items())
    listed = f"<h2>Suggestions</h2><ul>{suggested}</ul>" if suggested else ""
    return f"<p>{' '.join(counts)}</p><nav>{links}</nav>{listed}"


def _split_id(split: str) -> str:
    """Returns where on the page a split is, other than the page's own places."""
    return f"split-{escape(split, quote=True)}"


def _finding(finding: Finding, pictures: _Pictures) -> str:
    """Returns a finding, which unfolds to its files and pictures."""
    place = f" <small>{escape(finding.split)}</small>" if finding.split else ""
    files = "".join(f"<li>{path_text(file)}</li>" for file in finding.files[:_FILES])
    more = len(finding.files) - _FILES
    files += f"<li>and {more} more</li>" * (more > 0)
    shown = "".join(pictures.figure(key) for key in finding.examples[:_PICTURES])
    opened = " open" if finding.severity == "error" else ""
    return (
        f"<details class={finding.severity}{opened}><summary>"
        f"<span class='tag {finding.severity}'>{finding.severity}</span> "
        f"{escape(finding.title)}{place}</summary>"
        f"<p>{path_text(finding.found)}</p><p class=fix>{escape(finding.fix)}</p>"
        f"<div class=figures>{shown}</div>"
        f"<ul class=files>{files}</ul></details>"
    )


def _statistics(statistics: Statistics, labels: Labels) -> str:
    """Returns the sizes, colours and classes of a split."""
    sizes = ", ".join(
        f"{h}×{w} ({count})" for (h, w), count in list(statistics.sizes.items())[:8]
    )
    mean, std = (
        " ".join(f"{value:.2f}" for value in values)
        for values in (statistics.mean, statistics.std)
    )
    largest = max(float(statistics.shares.max()), np.finfo(float).tiny)
    rows = "".join(
        f"<tr><th scope=row><i style='background:rgb{color}'></i>{escape(name)}</th>"
        f"<td>{share:.3%}</td><td>{images}</td><td class=bar>"
        f"<b style='width:{100 * share / largest:.1f}%'></b></td></tr>"
        for name, color, share, images in zip(
            labels.names,
            labels.colors,
            statistics.shares.tolist(),
            statistics.images.tolist(),
            strict=True,
        )
    )
    return (
        f"<h2 id='{_split_id(statistics.split)}'>{escape(statistics.split)}</h2><p>"
        f"{statistics.readable} of {statistics.examples} images read; "
        f"height×width {sizes}; void {statistics.void:.2%}; "
        f"RGB mean {mean}, standard deviation {std}</p>"
        f"{scrolling('Classes of ' + statistics.split)}<table><thead><tr>"
        "<th scope=col>class<th scope=col>pixels<th scope=col>images<th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _together(statistics: Statistics, labels: Labels) -> str:
    """Returns how often a class is seen where another is."""
    title = f"Which classes {statistics.split} shows together"
    shown = np.argsort(-statistics.images, kind="stable")[:_CLASSES]
    shown = np.sort(shown[statistics.images[shown] > 0]).tolist()
    head = "".join(
        f"<th scope=col><span>{escape(labels.names[i])}</span></th>" for i in shown
    )
    rows = "".join(
        f"<tr><th scope=row>{escape(labels.names[i])}</th>"
        + "".join(
            _cell(float(statistics.together[i, j] / statistics.images[i]))
            for j in shown
        )
        + "</tr>"
        for i in shown
    )
    return (
        f"<h2 id=together>{escape(title)}</h2><p>Of the images that show the class "
        "of the row, how many in a hundred show the class of the column.</p>"
        f"{scrolling(title)}<table class=together><thead><tr><td></td>{head}</tr>"
        f"</thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(share: float) -> str:
    """Returns a share in a hundred, on a ground that shows it."""
    return f"<td style='--share:{share:.2f}'>{100 * share:.0f}</td>"


def _samples(report: Report, pictures: _Pictures) -> Iterator[str]:
    """Yields pictures of the examples that show most of each class."""
    records = [r for split in report.records.values() for r in split]
    records = [r for r in records if r.is_read]
    shares = np.zeros((len(records), report.labels.num_classes))
    for row, record in zip(shares, records, strict=True):
        row += record.counts[:-1] / record.counts.sum()
    order = np.argsort(-shares, axis=0, kind="stable")[:_SAMPLES]
    for index, name in enumerate(report.labels.names):
        best = [(records[i], shares[i, index]) for i in order[:, index]]
        color = report.labels.colors[index]
        swatch = f"<i style='background:rgb{color}'></i>"
        shown = "".join(
            pictures.figure(r.key, f"{r.split}: {Path(r.file).stem}, {share:.1%}")
            for r, share in best
            if share
        )
        shown = shown or "<p>No image shows it.</p>"
        yield f"<h3>{swatch}{escape(name)}</h3><div class=figures>{shown}</div>"

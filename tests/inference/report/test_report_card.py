import json

import pytest
from planted_report import Page

from kseg.inference.report import read_run_folder
from kseg.inference.report.card import card_to_html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("", ""),
        ("# a\n### b\n# c", "<h3>a</h3><h4>b</h4><h3>c</h3>"),
        ("one\ntwo\n\nthree", "<p>one\ntwo</p><p>three</p>"),
        ("- a\n  more\n- **b**", "<ul><li>a\n  more</li><li><b>b</b></li></ul>"),
        ("```sh\n# no <b>\n```\nx", "<pre># no &lt;b&gt;</pre><p>x</p>"),
        ("`a<b`", "<p><code>a&lt;b</code></p>"),
        ("[x](http://y) ![z](p.png)", "<p>x (http://y) z</p>"),
        ("```\nopen", "<pre>open</pre>"),
        ("<script>", "<p>&lt;script&gt;</p>"),
        ("| - |", ""),
    ],
)
def test_markdown_becomes_html_and_html_text(text, html):
    assert card_to_html(text) == html


def test_a_table_has_its_cells():
    html = card_to_html("| a | b |\n| -: | --- |\n| 1 | <2> |")
    Page(html)
    assert '<th scope="col">a</th>' in html and "<td>&lt;2&gt;</td>" in html


def test_every_card_of_the_shipped_models_is_whole():
    from kseg.models import _homes

    cards = [p for home in _homes() for p in home.glob("*/README.md")]
    assert cards
    for path in cards:
        html = card_to_html(path.read_text())
        Page(html)
        assert html.startswith("<h3>") and "<table" in html
        assert "|" not in html and "**" not in html


def test_only_the_folder_of_a_run_is_read(tmp_path):
    (tmp_path / "README.md").write_text("# something else")
    model = tmp_path / "net.keras"
    assert read_run_folder(model) is None
    (tmp_path / "metrics.json").write_text("{}")
    found = read_run_folder(model)
    assert found is not None and found.card == "# something else"
    assert found.log == {} and found.environment == {}
    about = {"environment": {"keras": 3}, "git": {"kseg": {"commit": "a", "dirty": 1}}}
    about["git"]["training"] = None
    (tmp_path / "metrics.json").write_text(json.dumps(about))
    (tmp_path / "run").mkdir()
    log = tmp_path / "run" / "log.csv"
    log.write_bytes(b"epoch,loss\n1,0.5\n2,\n3,x\xff\n4\n")
    found = read_run_folder(model)
    assert found is not None and found.environment == {"keras": "3"}
    assert found.commits == {"kseg": "a, with changes"}
    assert found.log["epoch"] == [1, 2, 3, 4] and found.log["loss"][0] == 0.5
    assert all(value != value for value in found.log["loss"][1:])
    log.write_bytes(b"\0\0")
    assert read_run_folder(model).log == {}
    for wrong in ("[]", "{", "\udcff"):
        path = tmp_path / "metrics.json"
        path.write_text(wrong, errors="surrogateescape")
        with pytest.raises(ValueError, match="metrics.json must"):
            read_run_folder(model)

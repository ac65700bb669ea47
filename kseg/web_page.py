"""What the pages that kseg writes have in common: how they look, and safe text."""

from html import escape

# Light and dark, on a desk and on a phone.
STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --paper: #fff; --soft: #f1f3f5;
  --line: #d3d9df; --dim: #56616c; --accent: #1f6feb; --error: #b3261e;
  --warning: #8a5a00; --note: #3a6073; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --paper: #14181c;
  --soft: #1e242a; --line: #38424c; --dim: #a2adb8; --accent: #7ab0ff;
  --error: #ff8a80; --warning: #f2b84b; --note: #8fc1d9; } }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); }
main { max-width: 66rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { margin: 2.2rem 0 .6rem;
  font-size: 1.2rem; } h3 { margin: 1.2rem 0 .4rem; font-size: 1rem; }
nav a { margin-right: .8rem; } a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
details { margin: .5rem 0; padding: .5rem .8rem; background: var(--soft);
  border-left: .25rem solid var(--line); border-radius: .2rem; }
summary { cursor: pointer; font-weight: 600; } summary small { color: var(--dim);
  font-weight: 400; }
figure { margin: 0; max-width: 100%; } img { max-width: 100%; height: auto;
  display: block; border-radius: .2rem; }
figcaption { font-size: .85rem; color: var(--dim); }
.scroll { overflow-x: auto; } table { border-collapse: collapse;
  font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .6rem; text-align: right; border-bottom: 1px solid
  var(--line); overflow-wrap: normal; white-space: nowrap; }
th[scope=row], th:first-child { text-align: left; font-weight: 500; }
th i, h3 i, li i { display: inline-block; width: .8em; height: .8em;
  margin-right: .5em; border: 1px solid var(--dim); }
.together th[scope=col] { vertical-align: bottom; } .together th[scope=col] span {
  writing-mode: vertical-rl; transform: rotate(180deg); font-weight: 500; }
.together td { padding: .1rem .35rem; background: color-mix(in srgb,
  var(--accent) calc(var(--share, 0) * 45%), transparent); }
"""


def scrolling(label: str) -> str:
    """Opens a part that scrolls by itself, also by the keyboard.

    Args:
        label: What the part holds, in words.
    """
    label = escape(label, quote=True)
    return f"<div class=scroll role=region tabindex=0 aria-label='{label}'>"


def path_text(text: str) -> str:
    """Returns text in which a long path may break at its slashes.

    Args:
        text: The text, not yet escaped.
    """
    return escape(text).replace("/", "/<wbr>")

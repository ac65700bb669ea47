"""How the page of a report looks, beyond what all pages share."""

from kseg import web_page

STYLE = (
    web_page.STYLE
    + """
.tag { display: inline-block; padding: 0 .5em; border: 1px solid currentColor;
  border-radius: .3em; font-size: .85rem; }
.tag.error { color: var(--error); } .tag.warning { color: var(--warning); }
.tag.note { color: var(--note); }
details.error { border-color: var(--error); }
details.warning { border-color: var(--warning); }
details.note { border-color: var(--note); }
.fix::before { content: "\\2192\\00a0"; }
.files { margin: .4rem 0; padding-left: 1.2rem; font-size: .85rem;
  color: var(--dim); }
.figures { display: flex; flex-wrap: wrap; gap: .8rem; }
figure { width: 30rem; }
.bar { width: 14rem; min-width: 6rem; } .bar b { display: block; height: .7rem;
  min-width: 1px; background: var(--accent); }
"""
)

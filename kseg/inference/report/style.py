"""How a report looks, beyond what all pages share."""

from kseg import web_page

STYLE = (
    web_page.STYLE
    + """
:root { --other: #b45309; --shade: 70%; --right: #0072b2; --wrong: #e69f00; }
@media (prefers-color-scheme: dark) { :root { --other: #f0a04b; --shade: 45%; } }
html { scroll-padding-top: 3.4rem; }
main > section { margin-bottom: 2.6rem; }
h2 { border-bottom: 1px solid var(--line); padding-bottom: .3rem; }
.dim, dd small { color: var(--dim); font-size: .9rem; }
nav { position: sticky; top: 0; z-index: 2; display: flex; overflow-x: auto;
  gap: .3rem 1rem; padding: .5rem 0; background: var(--paper);
  border-bottom: 1px solid var(--line); white-space: nowrap; }
nav a { margin: 0; padding: .25rem 0; text-decoration: none; }
nav a:hover { text-decoration: underline; }
.tiles { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1rem 0 .4rem; }
.tiles div { flex: 1 1 11rem; padding: .7rem 1rem; background: var(--soft);
  border-radius: .4rem; border-top: .25rem solid var(--accent); }
.tiles dt { color: var(--dim); } .tiles dd { margin: 0; font-size: 1.1rem; }
.tiles b { font-size: 2rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.tiles small { display: block; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem;
  margin: 1rem 0; } .facts dt { color: var(--dim); } .facts dd { margin: 0; }
@media (max-width: 36rem) { .facts { display: block; } .facts dd {
  margin-bottom: .5rem; } }
th i { border-radius: .15em; } th small { color: var(--dim); font-weight: 400; }
main { max-width: 74rem; }
thead th, thead th:first-child { font-weight: 600; vertical-align: bottom; }
tbody tr:hover { background: var(--soft); }
.sortable { font-size: .94rem; } .sortable th, .sortable td {
  padding-left: .45rem; padding-right: .45rem; }
.sortable th:first-child { position: sticky; left: 0; z-index: 1;
  background: var(--paper); } details .sortable th:first-child {
  background: var(--soft); }
th button { font: inherit; color: inherit; background: none; border: 0;
  padding: .3rem 0; cursor: pointer; white-space: nowrap; text-align: inherit; }
th button:hover { text-decoration: underline; }
thead th button::after { content: "\\00a0\\2195"; color: var(--dim);
  font-weight: 400; }
thead th[aria-sort=ascending] button::after { content: "\\00a0\\2191";
  color: var(--accent); }
thead th[aria-sort=descending] button::after { content: "\\00a0\\2193";
  color: var(--accent); }
tbody th button { text-decoration: underline; text-decoration-color: var(--dim);
  text-underline-offset: .2em; }
tbody th button[aria-pressed=true] { font-weight: 700;
  text-decoration: underline solid var(--accent) 3px; }
td.words { white-space: normal; text-align: left; min-width: 14rem; }
td.bar { min-width: 5.5rem; } td.bar span { display: block; position: relative;
  height: .8rem; background: var(--soft); border-radius: .15rem; }
td.bar b { position: absolute; inset: 0 auto 0 0; background: var(--accent);
  border-radius: .15rem; opacity: .75; }
td.bar u { position: absolute; top: 50%; height: 2px; margin-top: -1px;
  min-width: 2px; background: var(--ink); }
.tall .scroll { max-height: 26rem; overflow-y: auto; }
.tall thead { position: sticky; top: 0; z-index: 2; background: var(--paper); }
ol { padding-left: 1.4rem; } li i { border-radius: .15em; }
.together td { min-width: 2rem; text-align: center; background: color-mix(in srgb,
  var(--other) calc(var(--share, 0) * var(--shade)), transparent); }
.together td.right { background: color-mix(in srgb, var(--accent)
  calc(var(--share, 0) * 45%), transparent); }
.together tbody th, .together thead td { position: sticky; left: 0;
  background: var(--paper); } .together th[scope=col] span { display: inline-block; }
details .together tbody th, details .together thead td { background: var(--soft); }
.together thead td { color: var(--dim); vertical-align: bottom; font-size: .85rem; }
.together th[scope=col] i { margin: 0 0 .5em; }
.plots { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit,
  minmax(min(100%, 20rem), 1fr)); }
.plots.small { grid-template-columns: repeat(auto-fill,
  minmax(min(100%, 13rem), 1fr)); }
.plots figure { max-width: 34rem; } .plots figcaption { color: var(--ink); }
.plots figcaption i { display: inline-block; width: .8em; height: .8em;
  margin-right: .5em; border: 1px solid var(--dim); border-radius: .15em; }
.plot { display: block; width: 100%; height: auto; }
.plot text { fill: currentColor; font-size: 11px; }
.grid { stroke: var(--line); fill: none; } .even { stroke: var(--dim); fill: none;
  stroke-dasharray: 2 4; }
.first, .second { fill: none; stroke: var(--accent); stroke-width: 2;
  stroke-linejoin: round; } .second { stroke: var(--other); stroke-dasharray: 6 3; }
.bin { fill: var(--accent); fill-opacity: .45; stroke: var(--accent); }
.bin:hover, .dot:hover { fill-opacity: 1; }
.dot { fill: var(--accent); fill-opacity: .55; stroke: var(--accent); }
.series, .legend { list-style: none; display: flex; flex-wrap: wrap; padding: 0;
  gap: .2rem 1.2rem; margin: .4rem 0; } .series svg { width: 1.8rem;
  margin-right: .4rem; vertical-align: middle; }
.legend { font-size: .9rem; }
.legend i.right { background: var(--right); }
.legend i.wrong { background: repeating-linear-gradient(135deg, var(--wrong) 0 3px,
  #6e3200 3px 5px); }
.legend i.void { background: radial-gradient(#ebebeb 25%, #808080 30%) 0 0 / 4px 4px; }
.cases { display: grid; gap: 1.4rem 1.2rem; grid-template-columns:
  repeat(auto-fill, minmax(min(100%, 19.5rem), 1fr)); align-items: start; }
.case { padding: .8rem; background: var(--soft); border-radius: .4rem; }
.case figcaption { margin-bottom: .5rem; } .case b { color: var(--ink); }
.case:target { outline: 3px solid var(--accent); }
.stage { display: grid; gap: .4rem; grid-template-columns: repeat(auto-fit,
  minmax(8rem, 1fr)); }
.layer img { width: 100%; border-radius: 0; }
.layer:not([data-layer=image]) img { image-rendering: pixelated; }
.layer span { font-size: .8rem; color: var(--dim); }
.js .stage { position: relative; display: block; overflow: hidden;
  border-radius: .2rem; }
.js .layer span { display: none; }
.js .layer:not([data-layer=image]) { position: absolute; inset: 0; opacity: .72;
  clip-path: inset(0 0 0 var(--edge, 0%)); }
.js .stage::after { content: ""; position: absolute; top: 0; bottom: 0; width: 2px;
  left: calc(var(--edge, 0%) - 1px); background: #fff;
  box-shadow: 0 0 0 1px #0009; }
.controls { margin-top: .5rem; font-size: .9rem; }
fieldset { border: 0; margin: 0; padding: 0; display: flex; flex-wrap: wrap;
  gap: 0 .9rem; } legend { padding: 0; color: var(--dim); font-size: .85rem; }
fieldset label { padding: .2rem 0; cursor: pointer; } input { accent-color:
  var(--accent); }
.wipe { display: block; color: var(--dim); font-size: .85rem; }
.wipe input { display: block; width: 100%; margin: .3rem 0; height: 1.5rem; }
.filter { padding: .5rem 0; } select { font: inherit; padding: .25rem .4rem;
  max-width: 100%; color: inherit; background: var(--paper);
  border: 1px solid var(--dim); border-radius: .25rem; }
pre { overflow-x: auto; padding: .6rem .8rem; background: var(--soft); }
code { font-size: .92em; } .card .scroll { margin-bottom: 1rem; }
.card { padding-left: 1rem;
  border-left: .25rem solid var(--line); }
.of-class:not(:empty) { display: block; color: var(--ink); }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap; }
html:not(.js) .scripted { display: none; }
[hidden] { display: none !important; }
@media print { nav, .controls, .filter { display: none !important; } }
"""
)

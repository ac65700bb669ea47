"""What moves on a report: sorted tables, images of a class, the edge of an overlay.

Without it the page shows all tables, and the pictures beside each other.
"""

SCRIPT = """
"use strict";
(() => {
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
document.documentElement.classList.add("js");

// A button around what an element holds, for the mouse and for the keyboard.
const inButton = (element, click) => {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...element.childNodes);
  element.append(button);
  button.addEventListener("click", click);
  return button;
};

// Tables: a head sorts by its column, what is not known comes last.
const compareText = new Intl.Collator(undefined, { numeric: true }).compare;
const sort = (table, head) => {
  const rising = head.getAttribute("aria-sort") !== "ascending";
  all("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const keys = new Map(all("tbody tr", table).map((row) => {
    const cell = row.cells[head.cellIndex];
    const value = cell.dataset.value;
    return [row, value ? Number(value) : value === "" ? null : cell.textContent];
  }));
  const compare = ([, a], [, b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    const order = typeof a === "number" ? a - b : compareText(a, b);
    return rising ? order : -order;
  };
  table.tBodies[0].append(...[...keys].sort(compare).map(([row]) => row));
};
for (const table of all("table.sortable"))
  for (const head of all("thead th[data-sort]", table))
    inButton(head, () => sort(table, head));

// The overlay of an image: which one, and where it begins.
for (const figure of all(".case")) {
  const controls = figure.querySelector(".controls");
  const stage = figure.querySelector(".stage");
  const range = controls.querySelector("input[type=range]");
  const show = () => {
    const chosen = controls.querySelector("input:checked").value;
    for (const layer of stage.children)
      layer.hidden = !["image", chosen].includes(layer.dataset.layer);
    stage.style.setProperty("--edge", range.value + "%");
    range.setAttribute("aria-valuetext", `${chosen} from ${range.value} % on`);
  };
  controls.hidden = false;
  controls.addEventListener("input", show);
  show();
}

// The gallery: images that hold a class, those with the lowest IoU of it first.
const select = document.getElementById("class-filter");
if (!select) return;
const buttons = new Map();
const filter = (wanted) => {
  select.value = wanted;
  let shown = 0, total = 0;
  for (const group of all(".cases")) {
    const found = all(".case", group).map((figure) => {
      const iou = JSON.parse(figure.dataset.iou)[wanted];
      figure.hidden = wanted !== "" && iou === undefined;
      figure.querySelector(".of-class").textContent = iou === undefined ? "" :
        `${select.selectedOptions[0].text}: IoU ${(100 * iou).toFixed(2)} %`;
      total += 1;
      shown += !figure.hidden;
      return [wanted === "" ? Number(figure.dataset.rank) : iou ?? 2, figure];
    });
    group.append(...found.sort(([a], [b]) => a - b).map(([, figure]) => figure));
  }
  document.getElementById("gallery-state").textContent = wanted === "" ? "" :
    `${shown} of ${total} images, those of its lowest IoU first`;
  buttons.forEach((button, key) =>
    button.setAttribute("aria-pressed", key === wanted));
};
for (const head of all("th[data-class]")) {
  const key = head.dataset.class;
  const button = inButton(head, () => {
    filter(select.value === key ? "" : key);
    if (select.value === "") return;
    document.getElementById("gallery").scrollIntoView();
    select.focus({ preventScroll: true });
  });
  button.setAttribute("aria-pressed", "false");
  button.title = "Show its images in the gallery";
  buttons.set(key, button);
}
select.addEventListener("change", () => filter(select.value));
select.parentElement.hidden = false;
// A link to an image that the class hides shows all.
addEventListener("hashchange", () => {
  const target = document.getElementById(location.hash.slice(1));
  if (target?.hidden) { filter(""); target.scrollIntoView(); }
});
filter(select.value);
})();
"""

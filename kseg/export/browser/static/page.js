// The page: what is dropped, chosen or filmed goes through the model and is shown.

import { blank, fetchModel, toClassMap, toInput } from "./model.js";
import { countPixels, drawClasses, drawPicture, openPicture } from "./picture.js";

const RUNS = 15; // that the median is of
const MANY = 30; // classes; of more, only those that occur are listed

const element = (id) => document.getElementById(id);
const canvases = { picture: element("picture"), overlay: element("overlay") };
let runtime, sidecar, bytes, compiled, classes;
let picture = null; // RGB bytes on show
let shown = null; // their class map
let only = null; // the class that is shown alone
let camera = null;
let times = [];

// What is on show, for whoever drives this page.
export const result = () => shown;

function say(text) {
  element("status").textContent = text;
}

function fail(error) {
  console.error(error);
  element("error").textContent = error.message ?? String(error);
  element("error").hidden = false;
  document.body.dataset.state = "failed";
}

// Does one thing after the other, and shows what goes wrong.
let last = Promise.resolve();
function inTurn(task) {
  last = last.then(async () => {
    element("error").hidden = true;
    await task();
  }).catch(fail);
  return last;
}

// A moment for the browser to show what changed.
const painted = () => new Promise((done) => setTimeout(done, 20));

async function start() {
  say("Loading the model …");
  ({ sidecar, bytes } = await fetchModel(document.body.dataset.sidecar));
  classes = sidecar.labels.classes;
  describe();
  listClasses();
  say("Loading LiteRT.js, 10 MB …");
  await loadRuntime();
  await compile("wasm");
  const gpu = document.querySelector("input[value=webgpu]");
  gpu.disabled = !runtime.hasGpu();
  if (gpu.disabled) gpu.parentElement.append(" (this browser has no WebGPU)");
  for (const id of ["file", "camera", "accelerator"]) element(id).disabled = false;
  say("Ready.");
  document.body.dataset.state = "ready";
}

async function loadRuntime() {
  if (typeof WebAssembly !== "object") throw new Error("The model runs on WebAssembly. " +
    "Received: a browser without it, or one that forbids it.");
  try {
    runtime = await import("./runtime.js");
    await runtime.load("wasm");
  } catch (error) {
    throw new Error(`LiteRT.js must load. Received: ${error.message} Where its host ` +
      "cannot be reached, `kseg demo --runtime node_modules` puts it beside the page.");
  }
}

async function compile(accelerator) {
  say("Compiling the model …");
  await painted();
  compiled?.delete();
  compiled = null;
  compiled = await runtime.compile(bytes, accelerator);
  await compiled.run(blank(sidecar)); // the first run is slower, and no measure
  times = [];
  showTimes();
  say("Ready.");
}

async function choose(accelerator) {
  try {
    await compile(accelerator);
  } catch (error) {
    document.querySelector("input[value=wasm]").checked = true;
    await compile("wasm");
    throw error;
  }
  if (picture && !camera) await segment();
}

function describe() {
  const [, height, width] = sidecar.input.shape;
  const megabytes = (bytes.length / 1e6).toFixed(1);
  element("about").textContent = `${sidecar.model}, ${classes.length} classes, sees ` +
    `${height} × ${width} pixels, ${sidecar.precision}, ${megabytes} MB. ` +
    element("about").textContent;
}

// Runs the model on the picture: at its size, or live at that of the model.
async function segment(live = false) {
  const { values, milliseconds } = await compiled.run(toInput(sidecar, picture));
  const [, height, width] = sidecar.output.shape;
  const size = live ? [height, width] : [picture.height, picture.width];
  shown = toClassMap(sidecar, values, ...size);
  times = [...times, milliseconds].slice(-RUNS);
  drawClasses(shown, classes, only, canvases.overlay);
  showShares();
  showTimes();
}

function showPicture(source) {
  picture = drawPicture(source, canvases.picture);
  shown = null;
  element("stage").classList.remove("empty");
  element("stage").style.setProperty("--ratio", picture.width / picture.height);
}

async function showFile(file) {
  stopCamera();
  document.body.dataset.state = "running";
  say("Running …");
  const opened = await openPicture(file);
  showPicture(opened);
  opened.close();
  canvases.overlay.width = 0;
  await painted();
  await segment();
  const reduced = picture.shrunk ? " The picture was too large and is shown smaller." : "";
  say(`${file.name || "Picture"}: ${picture.width} × ${picture.height} pixels.${reduced}`);
  element("time").disabled = false;
  document.body.dataset.state = "done";
}

async function timeRuns() {
  times = [];
  for (let run = 1; run <= 10; run++) {
    say(`Run ${run} of 10 …`);
    await painted();
    await segment();
  }
  say("10 runs are done.");
}

async function startCamera() {
  if (!navigator.mediaDevices) throw new Error("Browsers give the camera to secure " +
    `pages: https, or this computer. Received: ${location.origin}.`);
  const video = document.createElement("video");
  video.muted = video.playsInline = true;
  try {
    const wanted = { facingMode: "environment", width: { ideal: 640 } };
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: wanted });
  } catch (error) {
    throw new Error(`The camera must be there and allowed. Received: ${error.message}.`);
  }
  camera = video;
  element("camera").textContent = "Stop the camera";
  element("time").disabled = true;
  await video.play();
  say("The camera runs.");
  nextFrame();
}

function nextFrame() {
  requestAnimationFrame(() => inTurn(async () => {
    if (!camera) return;
    showPicture(camera);
    await segment(true);
    document.body.dataset.state = "live";
    nextFrame();
  }));
}

function stopCamera() {
  if (!camera) return;
  camera.srcObject.getTracks().forEach((track) => track.stop());
  camera = null;
  element("camera").textContent = "Use the camera";
  element("time").disabled = !picture;
  say("The camera is off.");
}

function showTimes() {
  const sorted = [...times].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  element("milliseconds").textContent =
    median === undefined ? "–" : median.toFixed(median < 10 ? 1 : 0);
  const { threads } = compiled;
  const where = threads ? `CPU, ${threads} thread${threads > 1 ? "s" : ""}` : "GPU";
  const what = { 0: "not run yet", 1: "one run" }[times.length] ??
    `median of ${times.length} runs`;
  element("runs").textContent = `${what}, ${where}`;
}

function listClasses() {
  const rows = classes.map(({ id, name, color }) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    const button = document.createElement("button");
    const swatch = document.createElement("i");
    const text = document.createElement("bdi");
    head.scope = "row";
    swatch.style.background = `rgb(${color})`;
    text.textContent = name;
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.append(swatch, text);
    button.addEventListener("click", () => showAlone(only === id ? null : id));
    head.append(button);
    row.append(head, document.createElement("td"));
    return row;
  });
  element("legend").replaceChildren(...rows);
}

function showAlone(id) {
  only = id;
  [...element("legend").rows].forEach((row, index) => row.querySelector("button")
    .setAttribute("aria-pressed", index === only));
  if (shown) drawClasses(shown, classes, only, canvases.overlay);
}

function showShares() {
  const counts = countPixels(shown.ids, classes);
  const share = (id) => `${(100 * counts[id] / shown.ids.length).toFixed(1)} %`;
  [...element("legend").rows].forEach((row, id) => {
    row.cells[1].textContent = share(id);
    row.classList.toggle("absent", counts[id] === 0);
    row.hidden = counts[id] === 0 && classes.length > MANY && only !== id;
  });
  const found = classes.filter(({ id }) => counts[id])
    .sort((a, b) => counts[b.id] - counts[a.id]);
  canvases.picture.setAttribute("aria-label",
    found.map(({ id, name }) => `${name} ${share(id)}`).join(", "));
}

// The class under the pointer.
function point(event) {
  const output = element("pointed");
  [...element("legend").rows].forEach((row) => row.classList.remove("pointed"));
  output.hidden = !shown || event.type === "pointerleave";
  if (output.hidden) return;
  const box = canvases.overlay.getBoundingClientRect();
  const place = (offset, length, count) =>
    Math.min(Math.max(Math.floor(offset / length * count), 0), count - 1);
  const x = place(event.clientX - box.left, box.width, shown.width);
  const y = place(event.clientY - box.top, box.height, shown.height);
  const id = shown.ids[y * shown.width + x];
  output.textContent = classes[id].name;
  output.style.left = `${Math.min(event.clientX - box.left, box.width - 90)}px`;
  output.style.top = `${Math.max(event.clientY - box.top - 34, 0)}px`;
  element("legend").rows[id].classList.add("pointed");
}

function listen() {
  const take = (files) => {
    if (element("file").disabled || !files.length) return;
    inTurn(() => showFile(files[0]));
  };
  element("file").addEventListener("change", (event) => {
    take([...event.target.files]);
    event.target.value = ""; // so that the same file can be chosen again
  });
  const stage = element("stage");
  addEventListener("dragover", (event) => {
    event.preventDefault();
    stage.classList.add("over");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) stage.classList.remove("over");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    stage.classList.remove("over");
    take([...event.dataTransfer.files]);
  });
  addEventListener("paste", (event) => take([...event.clipboardData.files]));
  stage.addEventListener("pointermove", point);
  stage.addEventListener("pointerdown", point);
  stage.addEventListener("pointerleave", point);
  const opacity = element("opacity");
  const fade = () => { canvases.overlay.style.opacity = opacity.value / 100; };
  opacity.addEventListener("input", fade);
  fade();
  element("time").addEventListener("click", () => inTurn(timeRuns));
  element("camera").addEventListener("click", () =>
    camera ? stopCamera() : inTurn(startCamera));
  element("accelerator").addEventListener("change", (event) =>
    inTurn(() => choose(event.target.value)));
}

listen();
inTurn(start);

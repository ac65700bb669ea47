// LiteRT.js, each file of it checked, with threads where the browser allows them.
// https://ai.google.dev/edge/litert/web

import { getWebGpuDevice, loadAndCompile, loadLiteRt, supportsFeature, Tensor,
  unloadLiteRt } from "@litertjs/core";

const map = JSON.parse(document.querySelector("script[type=importmap]").textContent);
const folder = new URL("../wasm/", new URL(map.imports["@litertjs/core"],
  document.baseURI));
const integrity = new Map(Object.entries(map.integrity)
  .map(([url, digest]) => [new URL(url, document.baseURI).href, digest]));

// A file of another host becomes one of this page, which a worker may then be.
async function localCopy(name) {
  const url = new URL(name, folder).href;
  const answer = await fetch(url, { integrity: integrity.get(url) });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${answer.statusText}`);
  return URL.createObjectURL(await answer.blob());
}

// The build with threads cannot wait for a GPU, which that with JSPI does best.
async function buildFor(accelerator) {
  if (!await supportsFeature("relaxedSimd")) return "_compat";
  if (accelerator === "webgpu") return await supportsFeature("jspi") ? "_jspi" : "";
  return crossOriginIsolated && await supportsFeature("threads") ? "_threaded" : "";
}

let loaded = null;

// Loads the build of the runtime that suits "wasm" or "webgpu", about 10 MB. The models
// of another one are gone.
export async function load(accelerator) {
  const kind = await buildFor(accelerator);
  if (kind === loaded) return;
  const [script, wasm] = await Promise.all(
    ["js", "wasm"].map((end) => localCopy(`litert_wasm${kind}_internal.${end}`)));
  if (loaded !== null) unloadLiteRt();
  loaded = null;
  self.Module = { locateFile: () => wasm };
  // It knows a script by how its address ends.
  await loadLiteRt(`${script}#.js`);
  loaded = kind;
}

export const hasGpu = () => Boolean(getWebGpuDevice());

// Returns a model that runs on "wasm", the CPU, or on "webgpu": input values to output
// values, with the milliseconds between.
export async function compile(bytes, accelerator) {
  await load(accelerator);
  const gpuOptions = { precision: "fp32" };
  const model = await loadAndCompile(bytes, { accelerator, gpuOptions });
  if (accelerator === "webgpu" && !model.isFullyAccelerated) {
    model.delete();
    throw new Error("The GPU lacks operators of this model. Received: a model that " +
      "only the CPU runs whole. Files of float32 and float16 suit a GPU best.");
  }
  const [input] = model.getInputDetails();
  async function run(values) {
    const start = performance.now();
    const tensor = new Tensor(values, [...input.shape]);
    const [output] = await model.run([tensor]);
    const result = await output.data();
    const milliseconds = performance.now() - start;
    tensor.delete();
    output.delete();
    return { values: result, milliseconds };
  }
  const threads = accelerator === "wasm" ? model.options.cpuOptions.numThreads : 0;
  return { run, threads, delete: () => model.delete() };
}

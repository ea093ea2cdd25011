// Opens a demo's files: JSON, its style sheet, and ONNX graphs with onnxruntime-web, which is
// WebAssembly on one thread. All of them come from the site itself.

const runtimeFolder = new URL("../../vendor/onnxruntime/", import.meta.url).href;
let runtime;

/** The runtime, fetched once a page. */
function loadRuntime() {
  runtime ??= import(`${runtimeFolder}ort.wasm.min.mjs`).then((ort) => {
    ort.env.wasm.wasmPaths = runtimeFolder;
    ort.env.wasm.numThreads = 1; // more would need special headers from the web server
    return ort;
  });
  return runtime;
}

/** The bytes of a file; an error that names the file when it cannot be had. */
async function fetchBytes(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} could not be fetched (status ${response.status}).`);
  return new Uint8Array(await response.arrayBuffer());
}

/** A JSON file's value. */
export async function fetchJson(url) {
  return JSON.parse(new TextDecoder().decode(await fetchBytes(url)));
}

/** Puts a demo's own style sheet on the page and waits for it. */
export function openStyle(href) {
  return new Promise((resolve, reject) => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
    link.onload = resolve;
    link.onerror = () => reject(new Error(`${href} could not be fetched.`));
    document.head.append(link);
  });
}

/**
 * A graph as a function: `await graph({point: {data, shape}, …})` gives
 * `{h_next: Float32Array, …}`. All tensors are float32; `data` is an array of numbers in row-major
 * order.
 */
export async function openGraph(url) {
  const [ort, bytes] = await Promise.all([loadRuntime(), fetchBytes(url)]);
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  return async (inputs) => {
    const feeds = {};
    for (const [name, { data, shape }] of Object.entries(inputs)) {
      feeds[name] = new ort.Tensor("float32", Float32Array.from(data), shape);
    }
    const outputs = await session.run(feeds);
    return Object.fromEntries(session.outputNames.map((name) => [name, outputs[name].data]));
  };
}

/** Tells whoever listens (the tests do) what the demo in `stage` has just computed. */
export function report(stage, detail) {
  stage.dispatchEvent(new CustomEvent("live-result", { bubbles: true, detail }));
}

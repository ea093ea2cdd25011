// The live page of chapter 5.3: stored learning curves by minibatch and recipe, and the time of a
// step by the chapter's cost model.
// No network: the subject is how many machines train one, which no page can do. What is shown is
// stored (runs.json), measured (link.json) or computed from a model, and says which.

import { element } from "../../kit/controls.js";
import { fetchJson, openStyle } from "../../kit/session.js";
import { curvesPanel } from "./curves.js";
import { timePanel } from "./time.js";

export const hasNetwork = false; // so no WebAssembly is needed
const FIRST = 2048; // the minibatch that is shown first, 32 times the base, as the paper's largest

/** Fetches what is stored; `folder` is the address of this demo's files, ending in a slash. */
export async function load(folder) {
  const [stored, measured] = await Promise.all([
    fetchJson(`${folder}runs.json`),
    fetchJson(`${folder}link.json`),
    openStyle(`${folder}demo.css`),
  ]);
  return { stored, measured };
}

/** Fills `stage` with both panels. */
export function start(stage, { stored, measured }) {
  const panels = [element("div", "live-panel"), element("div", "live-panel")];
  stage.append(...panels);
  const takeBatch = timePanel(panels[1], measured, stored, FIRST);
  curvesPanel(panels[0], stored, FIRST, takeBatch);
}

// The live page of chapter 4.3: the reader's answers become a reward, which ranks stored behaviour.
// No network: the reward is linear, small enough to be learned here. The gymnasts' trajectories are
// stored (bank.json), and the page says so.

import { element } from "../../kit/controls.js";
import { fetchJson, openStyle, report } from "../../kit/session.js";
import { askPanel } from "./ask.js";
import { openBank } from "./bank.js";
import { createClock } from "./gymnast.js";
import { learnedPanel } from "./learned.js";
import { createLearning } from "./learning.js";
import { policiesPanel } from "./policies.js";

export const hasNetwork = false; // so no WebAssembly is needed
const SEED = 0;

/** Fetches what is stored; `folder` is the address of this demo's files, ending in a slash. */
export async function load(folder) {
  const [stored] = await Promise.all([
    fetchJson(`${folder}bank.json`),
    openStyle(`${folder}demo.css`),
  ]);
  return { stored };
}

/** Fills `stage` with the panels. */
export function start(stage, { stored }) {
  const bank = openBank(stored);
  const learning = createLearning(bank, SEED);
  const clock = createClock(stage);
  const panels = [0, 1, 2].map(() => element("div", "live-panel"));
  stage.append(...panels);
  const ask = askPanel(panels[0], bank, clock, learning, update);
  const learned = learnedPanel(panels[1], bank, clock, learning);
  const policies = policiesPanel(panels[2], bank, clock, learning);

  function update() {
    ask.show();
    const shown = learned.show();
    policies.show();
    clock.restart();
    report(stage, {
      kind: "learned",
      shown,
      answers: learning.answers().map(({ pair, preference, by }) => ({ pair, preference, by })),
      asked: learning.asked(),
      pair: learning.pair(),
      members: learning.members().map((weights) => Array.from(weights)),
      ranking: learning.ranking(),
    });
  }

  update();
}

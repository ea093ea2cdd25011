// The worker in which the network runs, so that the page stays quick while a word is made.
//
// It hears {kind: "open", url, settings}, {kind: "say", id, speaker, runs, temperature, seed} and
// {kind: "stop"}. It says {kind: "opened"}, {kind: "codes", id, codes, seconds} again and again,
// where seconds are those since the word was begun, {kind: "ended", id} and
// {kind: "failed", message}.

import { openGraph } from "../../kit/session.js";
import { generate } from "./network.js";

const CHUNK = 100; // milliseconds between reports
let graph, settings, wanted;

/** Lets messages in. */
const breathe = () => new Promise((resolve) => setTimeout(resolve));

/** Makes one word and reports it piece by piece, until it ends or another is wanted. */
async function say({ id, ...request }) {
  wanted = id;
  const began = performance.now();
  let reported = began;
  let codes = [];
  const send = () => {
    postMessage({ kind: "codes", id, codes, seconds: (performance.now() - began) / 1000 });
    codes = [];
  };
  for await (const code of generate(graph, settings, request)) {
    codes.push(code);
    if (performance.now() - reported < CHUNK) continue;
    send();
    reported = performance.now();
    await breathe();
    if (wanted !== id) return;
  }
  send();
  postMessage({ kind: "ended", id });
}

addEventListener("message", async ({ data }) => {
  try {
    if (data.kind === "open") {
      settings = data.settings;
      graph = await openGraph(data.url);
      postMessage({ kind: "opened" });
    } else if (data.kind === "say") {
      await say(data);
    } else {
      wanted = null;
    }
  } catch (error) {
    postMessage({ kind: "failed", message: error.message });
  }
});

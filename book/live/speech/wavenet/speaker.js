// The page's side of the worker.

const NO_WORKER =
  "This browser cannot run the model beside the page (a module Worker). Any browser of the last " +
  "few years can.";

/** What the worker answers to the message; rejects when it fails instead. */
function firstAnswer(worker, message) {
  return new Promise((resolve, reject) => {
    worker.onerror = () => reject(new Error(NO_WORKER));
    worker.onmessage = ({ data }) => {
      if (data.kind === "failed") reject(new Error(data.message));
      else resolve(data);
    };
    worker.postMessage(message);
  });
}

/**
 * A worker with the network opened, as two functions. `say(request, onCodes)` makes a word:
 * `onCodes(codes, seconds)` hears each piece and how long the word has taken so far; the promise
 * is true at the word's end, false when it was stopped. `stop()` stops it; so does another `say`.
 */
export async function openSpeaker(folder, settings) {
  if (typeof Worker !== "function") throw new Error(NO_WORKER);
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  try {
    await firstAnswer(worker, { kind: "open", url: `${folder}step.onnx`, settings });
  } catch (error) {
    worker.terminate();
    throw error;
  }
  let id = 0;
  let finish = () => {};

  function stop() {
    worker.postMessage({ kind: "stop" });
    finish(false);
  }

  function say(request, onCodes) {
    stop();
    const mine = ++id;
    return new Promise((resolve, reject) => {
      finish = resolve;
      worker.onerror = (event) => reject(new Error(event.message));
      worker.onmessage = ({ data }) => {
        if (data.kind === "failed") reject(new Error(data.message));
        if (data.id !== mine || finish !== resolve) return;
        if (data.kind === "codes") onCodes(data.codes, data.seconds);
        if (data.kind === "ended") resolve(true);
      };
      worker.postMessage({ kind: "say", id: mine, ...request });
    });
  }

  return { say, stop };
}

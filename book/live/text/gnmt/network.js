// The network's two graphs as two functions: read a sentence, write one more piece.

import { fetchJson, openGraph } from "../../kit/session.js";

/** Fetches the network; `folder` is the address of its files, ending in a slash. */
export async function openNetwork(folder) {
  const [settings, read, write] = await Promise.all([
    fetchJson(`${folder}model.json`),
    openGraph(`${folder}read.onnx`),
    openGraph(`${folder}write.onnx`),
  ]);
  return { settings, read, write };
}

/** The rows `rows` of a flat array of rows of `size` numbers, as a new flat array. */
function pick(data, rows, size) {
  const picked = new Float32Array(rows.length * size);
  rows.forEach((row, place) => {
    picked.set(data.subarray(row * size, (row + 1) * size), place * size);
  });
  return picked;
}

/** What the decoder needs of a source, which ends with the end sign: {encodings, keys, length}. */
export async function readSource({ settings, read }, source) {
  const longest = settings.most_pieces;
  const padded = new Float32Array(longest).fill(settings.signs.padding);
  padded.set(source);
  const { encodings, keys } = await read({
    sources: { data: padded, shape: [1, longest] },
    length: { data: [source.length], shape: [1, 1] },
  });
  return { encodings, keys, length: source.length };
}

/**
 * The decoder as `beamSearch` calls it: after `pieces`, each of which continues the row `rows[i]`
 * of `state`, the log probabilities of every next piece and the attention on the source.
 */
export function writer({ settings, write }, memory) {
  const { layers, hidden, attention, most_pieces: longest } = settings;
  return async (pieces, rows, { h, c }) => {
    const batch = pieces.length;
    const same = Array(batch).fill(0);
    const state = (data) => ({
      data: pick(data, rows, layers * hidden),
      shape: [batch, layers, hidden],
    });
    const ofSource = (data, size) => ({
      data: pick(data, same, longest * size),
      shape: [batch, longest, size],
    });
    const outputs = await write({
      piece: { data: pieces, shape: [batch, 1] },
      h: state(h),
      c: state(c),
      encodings: ofSource(memory.encodings, hidden),
      keys: ofSource(memory.keys, attention),
      length: { data: Array(batch).fill(memory.length), shape: [batch, 1] },
    });
    return {
      logProbabilities: outputs.log_probabilities,
      attention: pieces.map((_, row) =>
        Array.from(outputs.attention.subarray(row * longest, row * longest + memory.length)),
      ),
      state: { h: outputs.h_next, c: outputs.c_next },
    };
  };
}

/** The decoder's first state: all zeros. */
export function firstState({ layers, hidden }) {
  const zeros = new Float32Array(layers * hidden);
  return { h: zeros, c: zeros };
}

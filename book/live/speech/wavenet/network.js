// Generation with a queue for each layer, one sample after the other.

import { generator } from "../../kit/random.js";
import { categorical } from "../../kit/sampling.js";

/** Runs of [phoneme, samples] as one phoneme a sample. */
export function expand(runs) {
  return runs.flatMap(([phoneme, samples]) => Array(samples).fill(phoneme));
}

/**
 * What each layer reads again as many samples later as its dilation: `past()` is the input of that
 * long ago of every layer, `push(now)` takes the inputs of now; both flat, layers × channels.
 */
export function createQueues(dilations, channels) {
  const queues = dilations.map((dilation) => new Float32Array(dilation * channels));
  const read = new Float32Array(dilations.length * channels);
  let time = 0;
  const slot = (layer) => (time % dilations[layer]) * channels;
  return {
    past() {
      queues.forEach((queue, layer) => {
        read.set(queue.subarray(slot(layer), slot(layer) + channels), layer * channels);
      });
      return read;
    },
    push(now) {
      queues.forEach((queue, layer) => {
        queue.set(now.subarray(layer * channels, (layer + 1) * channels), slot(layer));
      });
      time += 1;
    },
  };
}

/**
 * Yields a mu-law code for each sample of `runs`, each drawn from what the network expects after
 * those before it. A seed always gives the same.
 */
export async function* generate(graph, settings, { speaker, runs, temperature, seed }) {
  const { dilations, channels } = settings;
  const queues = createQueues(dilations, channels);
  const random = generator(seed);
  const single = (value) => ({ data: [value], shape: [1, 1] });
  let previous = settings.silent_code;
  for (const phoneme of expand(runs)) {
    const { logits, now } = await graph({
      previous: single(previous),
      speaker: single(speaker),
      phoneme: single(phoneme),
      past: { data: queues.past(), shape: [1, dilations.length, channels] },
    });
    queues.push(now);
    previous = categorical(logits, temperature, random);
    yield previous;
  }
}

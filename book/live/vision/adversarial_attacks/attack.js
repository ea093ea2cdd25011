// The attacks: of one image, through a graph that gives a network's logits and its loss's gradient.

import { generator } from "../../kit/random.js";
import { largest } from "../../kit/sampling.js";
import { SIDE } from "./digit.js";

const CLASSES = 10;
const REACH = 2.5; // all steps together, in epsilons, as in training
const BREATH = 5; // steps after which the browser may draw and hear the reader

/** What can be chosen: how many steps an attack makes. */
export const ATTACKS = [
  { name: "FGSM (1 step)", steps: 1 },
  { name: "PGD (10 steps)", steps: 10 },
  { name: "PGD (20 steps)", steps: 20 },
];

/** Probabilities of the ten digits. */
function softmax(logits) {
  const highest = Math.max(...logits);
  const weights = Array.from(logits, (logit) => Math.exp(logit - highest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** Runs a graph on an image; the gradient is that of the loss of `label` by the image's pixels. */
async function evaluate(graph, image, label = 0) {
  const oneHot = Array.from({ length: CLASSES }, (_, digit) => Number(digit === label));
  return graph({
    image: { data: image, shape: [1, 1, SIDE, SIDE] },
    label: { data: oneHot, shape: [1, CLASSES] },
  });
}

/** What a network makes of an image: {logits, probabilities, answer}. */
export async function read(graph, image) {
  const logits = Array.from((await evaluate(graph, image)).logits);
  const probabilities = softmax(logits);
  return { logits, probabilities, answer: largest(probabilities) };
}

/**
 * The image after `steps` signed gradient steps, each followed by a projection to within epsilon
 * of the image and to [0, 1]: away from `label`, or towards `target` unless that is null. One step
 * is FGSM and goes the whole epsilon. With a `seed` that is not null, several steps begin at a
 * point drawn from the box of epsilon around the image.
 */
export async function attack(graph, image, label, { epsilon, steps, seed, target }) {
  const inside = (values) =>
    values.map((value, index) => {
      const [low, high] = [Math.max(0, image[index] - epsilon), Math.min(1, image[index] + epsilon)];
      return Math.min(high, Math.max(low, value));
    });
  const stepSize = (steps === 1 ? 1 : REACH / steps) * epsilon;
  const stride = target === null ? stepSize : -stepSize;
  let current = image;
  if (seed !== null && steps > 1) {
    const random = generator(seed);
    current = inside(image.map((value) => value + epsilon * (2 * random() - 1)));
  }
  for (let step = 0; step < steps; step++) {
    const { gradient } = await evaluate(graph, current, target ?? label);
    current = inside(current.map((value, index) => value + stride * Math.sign(gradient[index])));
    if (step % BREATH === BREATH - 1) await new Promise((resolve) => setTimeout(resolve));
  }
  return current;
}

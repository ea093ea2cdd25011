// The reward that the page learns: three linear functions of a step's quantities, each fitted to
// its own sample of the answers, by Bradley and Terry's model with one answer in ten at random.
//
// A clip's reward is the sum of its steps'. Since the functions are linear, that is the function of
// the summed quantities, so that a clip, or the difference of two, is one short list of numbers.
// Of what was tried by simulation this learns most from 20 answers: more than networks with 8 hidden
// units that see the quantities, and those more than such that see the state itself.

import { generator } from "../../kit/random.js";

export const MEMBERS = 3;
export const ERROR = 0.1; // the share of answers that say nothing
const DECAY = 10; // how strongly weights are drawn to 0
const STEPS = 200; // of Adam, for every fit
const RATE = 0.02;

/** The sum of products. */
export function dot(first, second) {
  let sum = 0;
  for (let index = 0; index < first.length; index++) sum += first[index] * second[index];
  return sum;
}

/** How likely the first clip is to be preferred whose summed reward is higher by `advantage`. */
export function preferenceProbability(advantage) {
  return (1 - ERROR) / (1 + Math.exp(-advantage)) + ERROR / 2;
}

/**
 * The loss of `weights` and its gradient. `answers` are {difference, preference}: the first clip's
 * summed quantities less the second's, and 1 for the first, 0 for the second, 0.5 for equally good.
 * `counts` says how often each stands in the sample.
 */
export function lossAndGradient(weights, answers, counts) {
  let loss = (DECAY / 2) * dot(weights, weights);
  const gradient = weights.map((weight) => DECAY * weight);
  answers.forEach(({ difference, preference }, index) => {
    if (!counts[index]) return;
    const probability = preferenceProbability(dot(weights, difference));
    loss -= counts[index] * preference * Math.log(probability);
    loss -= counts[index] * (1 - preference) * Math.log(1 - probability);
    // The sigmoid again, s = (P - ERROR / 2) / (1 - ERROR); its slope is s (1 - s).
    const sigmoid = (probability - ERROR / 2) / (1 - ERROR);
    const slope = (1 - ERROR) * sigmoid * (1 - sigmoid);
    const error = (1 - preference) / (1 - probability) - preference / probability;
    const scale = counts[index] * error * slope;
    for (let at = 0; at < gradient.length; at++) gradient[at] += scale * difference[at];
  });
  return { loss, gradient };
}

/** Weights that fit a sample of the answers, by Adam from 0. */
function fitMember(answers, counts, size) {
  const weights = new Float64Array(size);
  const [mean, square] = [new Float64Array(size), new Float64Array(size)];
  for (let step = 1; step <= STEPS; step++) {
    const { gradient } = lossAndGradient(weights, answers, counts);
    for (let at = 0; at < size; at++) {
      mean[at] = 0.9 * mean[at] + 0.1 * gradient[at];
      square[at] = 0.999 * square[at] + 0.001 * gradient[at] ** 2;
      const [first, second] = [mean[at] / (1 - 0.9 ** step), square[at] / (1 - 0.999 ** step)];
      weights[at] -= (RATE * first) / (Math.sqrt(second) + 1e-8);
    }
  }
  return weights;
}

/** A draw from Poisson's distribution of mean 1 (Knuth's method). */
function poisson(random) {
  let count = 0;
  for (let left = random(); left > Math.exp(-1); left *= random()) count++;
  return count;
}

/**
 * How often each answer stands in a member's sample: that of a bootstrap is about Poisson(1), and
 * drawn so, an answer keeps its count when more come.
 */
export function bootstrap(length, seed, member) {
  const random = generator(seed, member);
  return Array.from({ length }, () => poisson(random));
}

/** The weights of each member, fitted to the answers; the same for the same seed and answers. */
export function fit(answers, size, seed) {
  return Array.from({ length: MEMBERS }, (_, member) =>
    fitMember(answers, bootstrap(answers.length, seed, member), size),
  );
}

/** The variance over the members of how likely they find it that the first clip is preferred. */
export function disagreement(members, difference) {
  const found = members.map((weights) => preferenceProbability(dot(weights, difference)));
  const mean = found.reduce((sum, value) => sum + value, 0) / found.length;
  return found.reduce((sum, value) => sum + (value - mean) ** 2, 0) / found.length;
}

/**
 * One list of weights: each member's, divided by the standard deviation of its reward over `steps`,
 * and then averaged, so that no member speaks louder than another. Their means are 0 already where
 * the quantities' are.
 */
export function average(members, steps) {
  const scaled = members.map((weights) => {
    const squares = steps.reduce((sum, step) => sum + dot(weights, step) ** 2, 0);
    const deviation = Math.sqrt(squares / steps.length);
    return weights.map((weight) => (deviation ? weight / deviation : 0)); // 0 knows nothing yet
  });
  const mean = scaled[0].map((_, at) => scaled.reduce((sum, w) => sum + w[at], 0) / scaled.length);
  return { scaled, mean };
}

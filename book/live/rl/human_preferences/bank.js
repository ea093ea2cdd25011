// The stored trajectories, and clips of them.

import { generator } from "../../kit/random.js";
import { quantitiesOf } from "./quantities.js";

const HELD_OUT = 4; // of every four trajectories one is never asked about
const SPACING = 10; // steps between the starts of clips
const TEST_PAIRS = 400;

/** Whole numbers of two bytes in base64, little-endian as in every browser of today. */
function decode(text, units) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const numbers = new Int16Array(bytes.buffer);
  const rows = [];
  for (let at = 0; at < numbers.length; at += units.length) {
    rows.push(units.map((unit, column) => unit * numbers[at + column]));
  }
  return rows;
}

/** Trajectories as lists of steps [trunk, legs, trunk's speed, legs' speed, hands, hips]. */
export function decodeTrajectories(text, { units, steps }) {
  const rows = decode(text, units);
  return Array.from({ length: rows.length / steps }, (_, index) =>
    rows.slice(index * steps, (index + 1) * steps),
  );
}

/** Rows shifted and scaled, by column, to mean 0 and standard deviation 1. */
function standardise(rows) {
  const columns = rows[0].map((_, at) => {
    const mean = rows.reduce((sum, row) => sum + row[at], 0) / rows.length;
    const variance = rows.reduce((sum, row) => sum + (row[at] - mean) ** 2, 0) / rows.length;
    return [mean, Math.sqrt(variance) || 1];
  });
  const apply = (row) => Float64Array.from(row, (v, at) => (v - columns[at][0]) / columns[at][1]);
  return { rows: rows.map(apply), apply };
}

/** The sum of rows. */
export function sumOf(rows) {
  const sum = new Float64Array(rows[0].length);
  for (const row of rows) row.forEach((value, at) => (sum[at] += value));
  return sum;
}

/**
 * The bank of bank.json: its trajectories as {behaviour, steps, raw, seen}, where `raw` are the
 * steps' quantities and `seen` the same, standardised over the bank.
 */
export function openBank(stored) {
  const { behaviours, each, data, steps } = stored;
  const decoded = decodeTrajectories(data, stored);
  const raw = decoded.flat().map(quantitiesOf);
  const { rows, apply } = standardise(raw);
  const cut = (all, index) => all.slice(index * steps, (index + 1) * steps);
  const trajectories = decoded.map((one, index) => ({
    behaviour: behaviours[Math.floor(index / each)],
    steps: one,
    raw: cut(raw, index),
    seen: cut(rows, index),
  }));
  return { ...stored, trajectories, seen: rows, standardise: apply };
}

const isHeldOut = (trajectory) => trajectory % HELD_OUT === HELD_OUT - 1;

/** A pair of clips {trajectory, start} of different trajectories, held out or not. */
function drawPair({ trajectories, steps, clipSteps }, random, heldOut) {
  const below = (count) => Math.floor(count * random());
  const draw = (avoid) => {
    for (;;) {
      const trajectory = below(trajectories.length);
      if (isHeldOut(trajectory) !== heldOut || trajectory === avoid) continue;
      return { trajectory, start: SPACING * below((steps - clipSteps) / SPACING + 1) };
    }
  };
  const first = draw(-1);
  return [first, draw(first.trajectory)];
}

/** `count` pairs to ask about. */
export function drawPairs(bank, count, seed, stream) {
  const random = generator(seed, stream);
  return Array.from({ length: count }, () => drawPair(bank, random, false));
}

/** Pairs of clips of trajectories that are never asked about. */
export function testPairs(bank, seed) {
  const random = generator(seed, 99);
  return Array.from({ length: TEST_PAIRS }, () => drawPair(bank, random, true));
}

/** The steps of a clip, taken from a list `of` its trajectory. */
export function clipOf(bank, { trajectory, start }, of) {
  return bank.trajectories[trajectory][of].slice(start, start + bank.clipSteps);
}

/** The summed quantities of the first clip of a pair, less the second's. */
export function differenceOf(bank, [first, second]) {
  const [ours, theirs] = [first, second].map((clip) => sumOf(clipOf(bank, clip, "seen")));
  return ours.map((value, at) => value - theirs[at]);
}

/** What a taste finds better in a pair: the summed liking of the first less that of the second. */
export function tasteOf(bank, taste, [first, second]) {
  const liking = (clip) => clipOf(bank, clip, "raw").reduce((sum, seen) => sum + taste.likes(seen), 0);
  return liking(first) - liking(second);
}

// Asking, and learning from the answers. Everything follows from the seed and the list of answers,
// so that an answer taken back leaves no trace.

import { differenceOf, drawPairs, sumOf, tasteOf, testPairs } from "./bank.js";
import { average, disagreement, dot, fit } from "./reward.js";

const CANDIDATES = 100; // pairs among which the most disputed one is asked about
const QUESTIONS = 100; // the stream of the first question's candidates

/** What the answers so far amount to; `bank` is of openBank. */
export function createLearning(bank, seed) {
  const size = bank.seen[0].length;
  const totals = bank.trajectories.map(({ seen }) => sumOf(seen));
  const held = testPairs(bank, seed).map((pair) => ({ pair, difference: differenceOf(bank, pair) }));
  let history = []; // {pair, difference, preference, by, foreseen}; a skip has no preference
  let disputed = true;
  let members, weights, question;

  /** Fits the reward to the answers, and finds the next question. */
  function learn() {
    members = fit(answers(), size, seed);
    weights = average(members, bank.seen);
    ask();
  }

  function ask() {
    const pairs = drawPairs(bank, CANDIDATES, seed, QUESTIONS + history.length);
    const all = disputed ? pairs : pairs.slice(0, 1);
    const asked = all.map((pair) => ({ pair, difference: differenceOf(bank, pair) }));
    const dispute = asked.map(({ difference }) => disagreement(members, difference));
    question = asked[dispute.indexOf(Math.max(...dispute))];
  }

  const answers = () => history.filter(({ preference }) => preference !== null);

  /** Whether an answer agrees with the reward of before; null where either says "equal". */
  function foresight(preference) {
    const expected = dot(weights.mean, question.difference);
    if (preference === null || preference === 0.5 || expected === 0) return null;
    return expected > 0 === preference > 0.5;
  }

  /** 1 the first is better, 0 the second, 0.5 equally good, null a skip; `by` says who answered. */
  function answer(preference, by) {
    history = [...history, { ...question, preference, by, foreseen: foresight(preference) }];
    learn();
  }

  learn();
  return {
    answer,
    /** Lets a taste answer `count` questions. */
    answerBy(taste, count) {
      for (let index = 0; index < count; index++) {
        const better = tasteOf(bank, taste, question.pair);
        answer(better === 0 ? 0.5 : better > 0 ? 1 : 0, taste.name);
      }
    },
    undo() {
      history = history.slice(0, -1);
      learn();
    },
    clear() {
      history = [];
      learn();
    },
    /** Ask about the most disputed of many pairs, or about any pair. */
    setDisputed(value) {
      disputed = value;
      ask();
    },
    answers,
    asked: () => history.length,
    pair: () => question.pair,
    members: () => members,
    weights: () => weights,
    /** How many answers the reward of before agreed with, of how many it had an opinion on. */
    foreseen() {
      const opinions = history.filter(({ foreseen }) => foreseen !== null);
      return [opinions.filter(({ foreseen }) => foreseen).length, opinions.length];
    },
    /** How many pairs that are never asked about the reward orders as a taste does; of how many. */
    tested(taste) {
      const right = held.filter(
        ({ pair, difference }) => dot(weights.mean, difference) * tasteOf(bank, taste, pair) > 0,
      );
      return [right.length, held.length];
    },
    /** All trajectories, best first, with their mean reward a step. */
    ranking() {
      return totals
        .map((total, trajectory) => ({
          trajectory,
          reward: dot(weights.mean, total) / bank.steps,
        }))
        .sort((first, second) => second.reward - first.reward);
    },
    /** The reward of standardised steps: their mean, and each member's. */
    along: (seen) => ({
      mean: seen.map((step) => dot(weights.mean, step)),
      members: weights.scaled.map((each) => seen.map((step) => dot(each, step))),
    }),
  };
}

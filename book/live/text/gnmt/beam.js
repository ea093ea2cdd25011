// Beam search with the paper's score, log P / lp + cp, step for step as beam.py does it.

/** The length penalty of `length` pieces, the end sign among them. */
export function lengthPenalty(length, alpha) {
  return ((5 + length) / 6) ** alpha;
}

/** The coverage penalty of summed attention weights, one for each source piece. */
export function coveragePenalty(coverage, { beta, smallestCoverage }) {
  const share = (weight) => Math.log(Math.min(Math.max(weight, smallestCoverage), 1));
  return beta * coverage.reduce((sum, weight) => sum + share(weight), 0);
}

/** A hypothesis with one more piece, its score and the parts of the score. */
function extend(parent, { row, piece, total }, attention, settings) {
  const pieces = [...parent.pieces, piece];
  const coverage = parent.coverage.map((weight, index) => weight + attention[index]);
  const penalty = lengthPenalty(pieces.length, settings.alpha);
  const covered = coveragePenalty(coverage, settings);
  return {
    pieces,
    row,
    coverage,
    attention: [...parent.attention, attention],
    logProbability: total,
    penalty,
    covered,
    score: total / penalty + covered,
  };
}

/** The `count` most probable continuations of the live hypotheses, the most probable first. */
function mostProbable(live, logProbabilities, count) {
  const size = logProbabilities.length / live.length;
  const found = [];
  for (let index = 0; index < logProbabilities.length; index++) {
    const row = Math.floor(index / size);
    const total = live[row].logProbability + logProbabilities[index];
    if (found.length === count && total <= found.at(-1).total) continue;
    let place = found.length;
    while (place > 0 && found[place - 1].total < total) place--;
    found.splice(place, 0, { row, piece: index % size, total });
    found.length = Math.min(found.length, count);
  }
  return found;
}

/**
 * A score that no continuation of the live hypotheses can exceed: log P only falls, coverage adds
 * at most nothing, and the length penalty is largest at the greatest length.
 */
function bound(live, { alpha, longest }) {
  const highest = Math.max(...live.map(({ logProbability }) => logProbability));
  return highest / lengthPenalty(longest, alpha);
}

/**
 * Translations of one sentence, best score first. `step(pieces, rows, state)` gives
 * {logProbabilities, attention, state} after the last pieces of the live hypotheses, each of which
 * continues row `rows[i]` of `state`; `attention[i]` holds a weight for each source piece.
 *
 * `settings` are {width, alpha, beta, smallestCoverage, begin, end, longest, sourceLength}. Returns
 * {hypotheses, steps}; `steps[i]` holds the live and the ended hypotheses after piece i + 1.
 */
export async function beamSearch(step, state, settings) {
  const { width, begin, end, longest, sourceLength } = settings;
  const byScore = (one, other) => other.score - one.score;
  const coverage = Array(sourceLength).fill(0);
  let live = [{ pieces: [], logProbability: 0, attention: [], coverage, row: 0 }];
  let ended = [];
  const steps = [];
  for (let length = 1; length <= longest; length++) {
    const last = live.map(({ pieces }) => pieces.at(-1) ?? begin);
    const result = await step(last, live.map(({ row }) => row), state);
    state = result.state;
    const next = mostProbable(live, result.logProbabilities, 2 * width).map((found) =>
      extend(live[found.row], found, result.attention[found.row], settings),
    );
    const isEnded = ({ pieces }) => pieces.at(-1) === end;
    // An end sign below the best `width` is dropped: it had not been kept had it been a piece.
    ended = [...ended, ...next.slice(0, width).filter(isEnded)].sort(byScore).slice(0, width);
    live = next.filter((one) => !isEnded(one)).slice(0, width);
    steps.push({ live: [...live].sort(byScore), ended });
    if (ended.length === width && bound(live, settings) <= ended.at(-1).score) break;
  }
  return { hypotheses: ended.length ? ended : steps.at(-1).live, steps };
}

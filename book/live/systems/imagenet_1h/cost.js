// The cost model of the chapter's cost.py, written again: a latency for each round, the bytes over
// the bandwidth, and computing, which may hide a part of both.

export const ALGORITHMS = ["ring", "halving-doubling"];

/** Rounds of sending among `workers`, a power of two. */
export function rounds(workers, algorithm) {
  return algorithm === "ring" ? 2 * (workers - 1) : 2 * Math.log2(workers);
}

/** What each worker sends to sum `bytes`, by either algorithm. */
export function bytesSent(bytes, workers) {
  return ((2 * (workers - 1)) / workers) * bytes;
}

/** Seconds of one all-reduce; `link` is {latency, bandwidth}, in seconds and bytes a second. */
export function allReduceSeconds({ bytes, workers, link, algorithm }) {
  const sending = bytesSent(bytes, workers) / link.bandwidth;
  return rounds(workers, algorithm) * link.latency + sending;
}

/** Seconds of one step: `compute`, and what of the all-reduce its part `overlap` does not hide. */
export function stepSeconds(step) {
  const { compute, overlap } = step;
  return compute + Math.max(0, allReduceSeconds(step) - overlap * compute);
}

/** Images a second of all workers over as many times those of one. */
export function efficiency(step) {
  return step.compute / stepSeconds(step);
}

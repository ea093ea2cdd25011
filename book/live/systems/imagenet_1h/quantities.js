// Numbers as they are read.

/** A number with commas. */
export const count = (value) => value.toLocaleString("en");

/** Three digits and the unit in which they read best; `units` are [size, name], greatest first. */
function quantity(value, units) {
  const [size, name] = units.find(([least]) => value >= least) ?? units.at(-1);
  return `${count(Number((value / size).toPrecision(3)))} ${name}`;
}

const TIMES = [
  [86400, "days"],
  [3600, "hours"],
  [60, "minutes"],
  [1, "s"],
  [1e-3, "ms"],
  [1e-6, "µs"],
];
const SIZES = [
  [1e9, "GB"],
  [1e6, "MB"],
  [1e3, "kB"],
  [1, "bytes"],
];

export const seconds = (value) => quantity(value, TIMES);
export const bytes = (value) => quantity(value, SIZES);

/** A share; one that is not whole is not said to be. */
export function percent(share) {
  return share > 0.995 && share < 1 ? "over 99%" : `${Math.round(100 * share)}%`;
}

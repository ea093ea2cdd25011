// A seeded random generator, small enough to be written again in any language.

/**
 * A generator of numbers in [0, 1): mulberry32 by Tommy Ettinger (public domain).
 * `stream` gives independent sequences for one seed. Both are whole numbers.
 */
export function generator(seed, stream = 0) {
  let state = (seed ^ Math.imul(stream + 1, 0x9e3779b9)) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

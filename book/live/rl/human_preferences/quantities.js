// What a reward can see of a step: nine quantities, from the gymnast's state and its action.

export const QUANTITIES = [
  "trunk up",
  "legs up",
  "leaning right",
  "body bent",
  "trunk’s speed",
  "legs’ speed",
  "anticlockwise",
  "hands’ effort",
  "hips’ effort",
];

/**
 * The quantities of a step [trunk, legs, trunk's speed, legs' speed, hands, hips]: angles to straight
 * down in radians, counted anticlockwise, their speeds a second, and the torques from -1 to 1.
 */
export function quantitiesOf([trunk, legs, trunkSpeed, legsSpeed, hands, hips]) {
  return [
    -Math.cos(trunk),
    -Math.cos(legs),
    Math.sin(trunk),
    1 - Math.cos(legs - trunk),
    Math.abs(trunkSpeed),
    Math.abs(legsSpeed),
    trunkSpeed,
    Math.abs(hands),
    Math.abs(hips),
  ];
}

const [TRUNK_UP, LEGS_UP, , BENT, TRUNK_SPEED, LEGS_SPEED] = QUANTITIES.keys();

const pick = (value, limits, words) => words[limits.filter((limit) => value >= limit).length];

/** What a clip shows, for readers who cannot see it; `rows` are its steps' quantities. */
export function describe(rows) {
  const mean = (at) => rows.reduce((sum, row) => sum + row[at], 0) / rows.length;
  const trunk = pick(mean(TRUNK_UP), [-0.6, 0.3], ["hangs", "is about level", "stands upright"]);
  const legs = pick(mean(LEGS_UP), [-0.6, 0.3], ["down", "level", "up"]);
  const body = pick(mean(BENT), [0.3, 1.2], ["straight", "bent", "folded"]);
  const turns = pick(mean(TRUNK_SPEED), [0.4, 2.5], ["hardly moves", "swings", "turns fast"]);
  return `the trunk ${trunk}, legs ${legs}, body ${body}; it ${turns}`;
}

/** Tastes that can answer in the reader's place: what each likes of a step, by its quantities. */
export const TASTES = [
  { name: "handstands", likes: (seen) => 1.2 * seen[TRUNK_UP] + 0.9 * seen[LEGS_UP] },
  { name: "fast turns", likes: (seen) => seen[TRUNK_SPEED] },
  { name: "hanging still", likes: (seen) => -seen[TRUNK_SPEED] - 0.5 * seen[LEGS_SPEED] },
  { name: "a bent body", likes: (seen) => seen[BENT] },
];

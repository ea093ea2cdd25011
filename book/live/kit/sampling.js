// Draws from the distributions a network describes. `random` is a generator of random.js; the
// number of values each function takes from it is fixed, so that a sequence can be replayed.

/** An index drawn from softmax(logits / temperature); takes one value. */
export function categorical(logits, temperature, random) {
  const highest = Math.max(...logits);
  const weights = Array.from(logits, (logit) => Math.exp((logit - highest) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let left = random() * total;
  for (let index = 0; index < weights.length; index++) {
    left -= weights[index];
    if (left < 0) return index;
  }
  return weights.length - 1; // rounding left a crumb
}

/** The index of the largest value. */
export function largest(values) {
  return values.indexOf(Math.max(...values));
}

/** Two independent standard normal numbers (Box and Muller); takes two values. */
export function normalPair(random) {
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  const angle = 2 * Math.PI * random();
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

/**
 * A point of a bivariate Gaussian; takes two values. `mean` and `deviation` are pairs and
 * `correlation` lies in (-1, 1). The temperature multiplies the variance.
 */
export function bivariateGaussian(mean, deviation, correlation, temperature, random) {
  const [first, second] = normalPair(random);
  const spread = Math.sqrt(temperature);
  const mixed = correlation * first + Math.sqrt(1 - correlation * correlation) * second;
  return [mean[0] + spread * deviation[0] * first, mean[1] + spread * deviation[1] * mixed];
}

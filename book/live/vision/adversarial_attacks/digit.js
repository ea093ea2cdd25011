// From strokes on the pad to what the networks read: 28 by 28 pixels, made as MNIST's were.

export const SIDE = 28; // pixels
export const CANVAS = 100; // the pad's units
const BOX = 20; // pixels that the ink's longer side takes
const PEN = 2.4; // pixels across
const SMALLEST = 10; // units: what is smaller than this is not blown up further

/** The ink that a pixel with its centre at [x, y] gets from the strokes, from 0 to 1. */
function inkAt(x, y, strokes) {
  let nearest = Infinity;
  for (const stroke of strokes) {
    for (let index = 1; index < stroke.length; index++) {
      nearest = Math.min(nearest, squaredDistance(x, y, stroke[index - 1], stroke[index]));
    }
  }
  const inside = PEN / 2 + 0.5 - Math.sqrt(nearest); // a pixel at the pen's rim gets a part
  return Math.min(1, Math.max(0, inside));
}

/** From the point [x, y] to the line between two others. */
function squaredDistance(x, y, [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const squared = dx * dx + dy * dy;
  const along = squared ? ((x - ax) * dx + (y - ay) * dy) / squared : 0;
  const t = Math.min(1, Math.max(0, along));
  return (x - ax - t * dx) ** 2 + (y - ay - t * dy) ** 2;
}

/** The ink of every pixel, row by row. */
function rasterise(strokes) {
  return Float32Array.from({ length: SIDE * SIDE }, (_, index) =>
    inkAt((index % SIDE) + 0.5, Math.floor(index / SIDE) + 0.5, strokes),
  );
}

/** The least and the greatest of the strokes' coordinate `axis`. */
function extent(strokes, axis) {
  const values = strokes.flat().map((point) => point[axis]);
  return [Math.min(...values), Math.max(...values)];
}

/** Where the ink of an image has its centre, [x, y] in pixels. */
export function centreOfMass(image) {
  let [total, x, y] = [0, 0, 0];
  image.forEach((ink, index) => {
    total += ink;
    x += ink * ((index % SIDE) + 0.5);
    y += ink * (Math.floor(index / SIDE) + 0.5);
  });
  return [x / total, y / total];
}

/**
 * Strokes as an image, row by row, 0 for paper and 1 for ink: scaled so that the ink's longer side
 * is 20 pixels, then moved so that its centre of mass is the image's middle. Ink never leaves the
 * image, so a very lopsided drawing stays a little off.
 */
export function toImage(strokes) {
  const [[left, right], [top, bottom]] = [extent(strokes, 0), extent(strokes, 1)];
  const scale = (BOX - PEN) / Math.max(right - left, bottom - top, SMALLEST);
  const place = ([x, y], [dx, dy]) => [
    SIDE / 2 + scale * (x - (left + right) / 2) + dx,
    SIDE / 2 + scale * (y - (top + bottom) / 2) + dy,
  ];
  const moved = (by) => strokes.map((stroke) => stroke.map((point) => place(point, by)));
  const room = (SIDE - BOX) / 2;
  const shift = centreOfMass(rasterise(moved([0, 0]))).map((mass) =>
    Math.min(room, Math.max(-room, SIDE / 2 - mass)),
  );
  return rasterise(moved(shift));
}

/** A smooth line through points (Catmull and Rom's), so that few of them say what a curve is. */
function smooth(points) {
  const at = (index) => points[Math.min(points.length - 1, Math.max(0, index))];
  const between = (index, t) =>
    [0, 1].map((axis) => {
      const [a, b, c, d] = [-1, 0, 1, 2].map((offset) => at(index + offset)[axis]);
      const bend = 2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a);
      return b + (t / 2) * (c - a + t * bend);
    });
  const eighths = Array.from({ length: 8 }, (_, part) => part / 8);
  const line = points.slice(1).flatMap((_, index) => eighths.map((t) => between(index, t)));
  return [...line, points.at(-1)];
}

// Ten digits by our own hand, drawn before any of them was attacked. A line given as pairs of
// points stays straight.
const DRAWN = [
  [[[52, 16], [34, 26], [27, 50], [34, 76], [50, 85], [66, 76], [73, 50], [66, 25], [48, 16]]],
  [[[40, 28], [53, 15]], [[53, 15], [50, 85]]],
  [[[30, 32], [38, 18], [54, 15], [67, 25], [64, 44], [48, 64], [29, 83]], [[29, 83], [72, 81]]],
  [[[31, 24], [44, 15], [62, 18], [66, 32], [56, 44], [44, 48]],
    [[44, 48], [62, 53], [69, 67], [58, 82], [42, 85], [28, 77]]],
  [[[36, 16], [27, 54]], [[27, 54], [73, 52]], [[61, 20], [57, 86]]],
  [[[68, 17], [38, 17]], [[38, 17], [34, 45]],
    [[34, 45], [50, 41], [66, 50], [68, 66], [57, 81], [42, 84], [29, 77]]],
  [[[60, 15], [44, 28], [33, 50], [31, 70], [42, 84], [58, 83], [67, 70], [61, 56], [47, 53],
    [34, 63]]],
  [[[28, 19], [71, 18]], [[71, 18], [58, 46], [46, 85]]],
  [[[64, 26], [52, 16], [38, 21], [37, 35], [50, 46], [64, 60], [63, 78], [49, 85], [35, 77],
    [37, 60], [51, 46], [63, 36], [64, 26]]],
  [[[66, 30], [54, 16], [39, 20], [34, 36], [43, 48], [57, 45], [66, 30]], [[66, 30], [61, 86]]],
];

/** A drawing of each digit from 0 to 9, as strokes on the pad. */
export const SAMPLES = DRAWN.map((strokes) => joined(strokes.map(smooth)));

/** Lines that begin where the one before ends, as one stroke: the pen stayed down. */
function joined(strokes) {
  return strokes.reduce((done, stroke) => {
    const end = done.at(-1)?.at(-1);
    const goesOn = end && end[0] === stroke[0][0] && end[1] === stroke[0][1];
    return goesOn
      ? [...done.slice(0, -1), [...done.at(-1), ...stroke.slice(1)]]
      : [...done, stroke];
  }, []);
}

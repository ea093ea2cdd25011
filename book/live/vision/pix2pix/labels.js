// Label maps: arrays of SIDE by SIDE indices, row by row, and what paints on them. A point is
// [column, row] in pixels, a box {left, top, right, bottom} without its last column and row.

export const SIDE = 64;
const BRUSH = 3; // pixels across

/** The part of a box that lies in the map. */
function inside({ left, top, right, bottom }) {
  const cut = (value) => Math.min(SIDE, Math.max(0, value));
  return { left: cut(left), top: cut(top), right: cut(right), bottom: cut(bottom) };
}

/** A copy of the map with the label in a box. */
export function fill(labels, label, box) {
  const { left, top, right, bottom } = inside(box);
  const painted = labels.slice();
  for (let row = top; row < bottom; row++) {
    painted.fill(label, row * SIDE + left, row * SIDE + Math.max(left, right));
  }
  return painted;
}

/** The box whose opposite corners are two pixels, both of them in it. */
export function boxBetween([x, y], [u, v]) {
  return {
    left: Math.min(x, u),
    top: Math.min(y, v),
    right: Math.max(x, u) + 1,
    bottom: Math.max(y, v) + 1,
  };
}

/** The box of a size, [height, width], around a pixel, moved as little as keeps it in the map. */
export function boxAround([x, y], [height, width]) {
  const start = (middle, length) =>
    Math.min(SIDE - length, Math.max(0, middle - Math.floor(length / 2)));
  const [left, top] = [start(x, width), start(y, height)];
  return { left, top, right: left + width, bottom: top + height };
}

/** A copy of the map with the label wherever the brush came on its way through the points. */
export function brush(labels, label, points) {
  let painted = labels;
  const dab = (point) => {
    painted = fill(painted, label, boxAround(point, [BRUSH, BRUSH]));
  };
  dab(points[0]);
  points.slice(1).forEach(([x, y], index) => {
    const [u, v] = points[index];
    const steps = Math.max(Math.abs(x - u), Math.abs(y - v));
    for (let step = 1; step <= steps; step++) {
      const along = step / steps;
      dab([Math.round(u + along * (x - u)), Math.round(v + along * (y - v))]);
    }
  });
  return painted;
}

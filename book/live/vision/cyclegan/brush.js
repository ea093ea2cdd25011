// Painting on pixels: ImageData goes in, a painted copy comes out. A point is [column, row].

/** A copy of the pixels. */
export function copy({ data, width, height }) {
  return new ImageData(new Uint8ClampedArray(data), width, height);
}

/** Lays one round dab of `width` pixels across on `pixels` themselves. */
function dab({ data, width: columns, height: rows }, [x, y], colour, width) {
  const reach = width / 2;
  for (let row = Math.max(0, Math.floor(y - reach)); row <= Math.min(rows - 1, y + reach); row++) {
    const from = Math.max(0, Math.floor(x - reach));
    for (let column = from; column <= Math.min(columns - 1, x + reach); column++) {
      const inside = Math.hypot(column - x, row - y) < Math.max(reach, 0.5);
      if (inside) data.set([...colour, 255], 4 * (row * columns + column));
    }
  }
}

/** A copy painted wherever the brush came on its straight way from point to point. */
export function stroke(pixels, points, colour, width) {
  const painted = copy(pixels);
  dab(painted, points[0], colour, width);
  points.slice(1).forEach(([x, y], index) => {
    const [u, v] = points[index];
    const steps = Math.max(Math.abs(x - u), Math.abs(y - v));
    for (let step = 1; step <= steps; step++) {
      const along = step / steps;
      dab(painted, [u + along * (x - u), v + along * (y - v)], colour, width);
    }
  });
  return painted;
}

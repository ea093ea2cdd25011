// The live model of chapter 3.4: it finishes a drawing, and walks between two characters.
//
// Inside the model a drawing is a list of offsets [dx, dy, lift] from one point to the next, in
// canvas units divided by `scale`; lift is 1 where the pen leaves the paper after that point.

import { button, choices, element, slider } from "../../kit/controls.js";
import { createPad } from "../../kit/pad.js";
import { generator } from "../../kit/random.js";
import { bivariateGaussian, categorical, largest } from "../../kit/sampling.js";
import { fetchJson, openGraph, report } from "../../kit/session.js";
import { animate, centredView, pageView, picture, simplify } from "../../kit/strokes.js";

const ENDINGS = 6;
const STEPS_OF_WALK = 7;
const START = [0, 0, 1, 0, 0]; // the first input: no offset yet, pen on paper
const KEYS =
  "arrow keys move the pen, space puts it down and lifts it, backspace takes a stroke back.";
const END_OF_DRAWING = 2; // index of the third pen state

// ---------------------------------------------------------------- drawings and offsets

/** Strokes on the page as what the model reads: the first point, and offsets from there on. */
export function toOffsets(strokes, settings) {
  const points = strokes
    .map((stroke) => simplify(stroke, settings.tolerance))
    .flatMap((stroke) => stroke.map((point, index) => [...point, index === stroke.length - 1]));
  const offsets = points.slice(1).map(([x, y, last], index) => [
    (x - points[index][0]) / settings.scale,
    (y - points[index][1]) / settings.scale,
    last ? 1 : 0,
  ]);
  return { start: points.length ? points[0].slice(0, 2) : null, offsets };
}

/**
 * Offsets as strokes on the page. `at` is where the pen stands; with `touching` it is on the paper
 * there, so that the first stroke begins at `at`.
 */
export function toStrokes(at, offsets, settings, touching) {
  const strokes = [];
  let [x, y] = at;
  let current = touching ? [[x, y]] : [];
  for (const [dx, dy, lift] of offsets) {
    [x, y] = [x + dx * settings.scale, y + dy * settings.scale];
    current.push([x, y]);
    if (!lift) continue;
    if (current.length > 1) strokes.push(current);
    current = [];
  }
  if (current.length > 1) strokes.push(current);
  return strokes;
}

// ---------------------------------------------------------------- the decoder

/** An offset as the five numbers the decoder takes: dx, dy and the pen state, one-hot. */
function toPoint([dx, dy, lift]) {
  return [dx, dy, lift ? 0 : 1, lift ? 1 : 0, 0];
}

/** The same state for each of `batch` drawings. */
function repeat(values, batch) {
  return Array.from({ length: batch }, () => Array.from(values)).flat();
}

/** One step of a decoder graph for `batch` drawings; `state` is {h, c} and perhaps z, flat. */
async function step(graph, points, state, batch) {
  const inputs = { point: { data: points.flat(), shape: [batch, 5] } };
  for (const [name, data] of Object.entries(state)) {
    inputs[name] = { data, shape: [batch, data.length / batch] };
  }
  const outputs = await graph(inputs);
  return { outputs, state: { ...state, h: outputs.h_next, c: outputs.c_next } };
}

/** What the model expects next in drawing `row`, cut out of a batch's outputs. */
function expectation(outputs, batch, row) {
  const size = outputs.mixture_logits.length / batch;
  const cut = (name, each) => outputs[name].slice(row * size * each, (row + 1) * size * each);
  return {
    mixture: cut("mixture_logits", 1),
    means: cut("means", 2),
    deviations: cut("deviations", 2),
    correlations: cut("correlations", 1),
    pen: outputs.pen_logits.slice(3 * row, 3 * row + 3),
  };
}

/** Draws the next {dx, dy, pen}; takes four values from `random`, in this order. */
function drawNext(expected, temperature, random) {
  const one = categorical(expected.mixture, temperature, random);
  const [dx, dy] = bivariateGaussian(
    expected.means.slice(2 * one, 2 * one + 2),
    expected.deviations.slice(2 * one, 2 * one + 2),
    expected.correlations[one],
    temperature,
    random,
  );
  return { dx, dy, pen: categorical(expected.pen, temperature, random) };
}

/** The likeliest next {dx, dy, pen}: the mean of the heaviest Gaussian, the likeliest pen state. */
function likeliestNext(expected) {
  const one = largest(expected.mixture);
  const [dx, dy] = expected.means.slice(2 * one, 2 * one + 2);
  return { dx, dy, pen: largest(expected.pen) };
}

/**
 * Lets the decoder draw `batch` drawings on from `points` and `state` until each has ended or has
 * `steps` offsets; `choose(expected, row)` picks the next {dx, dy, pen}. Returns lists of offsets.
 */
async function decode(graph, points, state, batch, steps, choose) {
  const drawings = Array.from({ length: batch }, () => []);
  const ended = Array(batch).fill(false);
  for (let count = 0; count < steps && ended.includes(false); count++) {
    const result = await step(graph, points, state, batch);
    state = result.state;
    points = points.map((point, row) => {
      if (ended[row]) return point;
      const { dx, dy, pen } = choose(expectation(result.outputs, batch, row), row);
      ended[row] = pen === END_OF_DRAWING;
      if (ended[row]) return point;
      drawings[row].push([dx, dy, pen]);
      return toPoint([dx, dy, pen]);
    });
  }
  return drawings;
}

/** `count` endings of the drawing that begins with `offsets`; a seed always gives the same. */
export async function finishDrawing(model, offsets, { count, temperature, seed }) {
  const { graph, settings } = model;
  const zeros = new Float32Array(settings.hidden);
  let state = { h: zeros, c: zeros };
  let point = START;
  for (const offset of offsets) {
    ({ state } = await step(graph, [point], state, 1));
    point = toPoint(offset);
  }
  const many = { h: repeat(state.h, count), c: repeat(state.c, count) };
  const random = Array.from({ length: count }, (_, row) => generator(seed, row));
  const steps = settings.max_length - offsets.length;
  return decode(graph, Array(count).fill(point), many, count, steps, (expected, row) =>
    drawNext(expected, temperature, random[row]),
  );
}

/** The point a share `t` of the way from code `a` to code `b` along the arc between them. */
export function spherical(a, b, t) {
  const dot = (u, v) => u.reduce((sum, value, index) => sum + value * v[index], 0);
  const cosine = dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  if (!(angle > 1e-4)) return a.map((value, index) => (1 - t) * value + t * b[index]);
  const near = Math.sin((1 - t) * angle) / Math.sin(angle);
  const far = Math.sin(t * angle) / Math.sin(angle);
  return a.map((value, index) => near * value + far * b[index]);
}

/** The likeliest drawing of each code in `codes`, as lists of offsets. */
export async function drawCodes({ conditional, initial, settings }, codes) {
  const batch = codes.length;
  const z = codes.flat();
  const { h, c } = await initial({ z: { data: z, shape: [batch, settings.latent] } });
  const points = Array(batch).fill(START);
  return decode(conditional, points, { h, c, z }, batch, settings.max_length, likeliestNext);
}

// ---------------------------------------------------------------- first panel: finish a drawing

/** The first strokes of a character on the page: half of them, at least one. */
function opening({ start, strokes }, settings) {
  const all = toStrokes(start, strokes, settings, true);
  return all.slice(0, Math.max(1, Math.floor(all.length / 2)));
}

/** A button that shows the first strokes of a character and puts them on the pad. */
function openingButton(character, settings, onPress) {
  const strokes = opening(character, settings);
  const view = [0, 0, settings.canvas, settings.canvas];
  const made = button("", () => onPress(strokes));
  made.classList.add("live-thumb");
  made.setAttribute("aria-label", `Start with the first strokes of ${character.name}`);
  made.append(picture([{ strokes, className: "live-mine" }], view, ""));
  return made;
}

/** Shows the reader's strokes and an ending of them, the ending drawn as by a pen. */
function showEnding(tile, mine, ending, settings, index) {
  const all = [...mine, ...ending];
  const view = mine.length ? pageView(all, settings.canvas) : centredView(all, settings.canvas);
  const label = `Ending ${index + 1}: ${ending.length} strokes added`;
  const parts = [
    { strokes: mine, className: "live-mine" },
    { strokes: ending, className: "live-theirs" },
  ];
  const svg = picture(parts, view, label);
  tile.replaceChildren(svg);
  if (!ending.length) tile.append(element("span", "live-note", "nothing to add"));
  animate(svg, "live-theirs");
}

function finishPanel(stage, model) {
  const { settings } = model;
  const chosen = { temperature: 0.4, seed: 1, strokes: [] };
  let asked = 0;

  const tiles = Array.from({ length: ENDINGS }, () => element("div", "live-tile"));
  const grid = element("div", "live-tiles", ...tiles);

  async function update() {
    const request = ++asked;
    const { strokes, temperature, seed } = chosen;
    const { start, offsets } = toOffsets(strokes, settings);
    const drawings = await finishDrawing(model, offsets, { count: ENDINGS, temperature, seed });
    if (request !== asked) return; // the reader has drawn on in the meantime
    const at = strokes.length ? end(start, offsets) : [0, 0];
    const endings = drawings.map((drawn) => toStrokes(at, drawn, settings, !strokes.length));
    tiles.forEach((tile, index) => showEnding(tile, strokes, endings[index], settings, index));
    report(stage, { kind: "endings", offsets, temperature, seed, drawings });
  }

  function end(start, offsets) {
    const sum = (axis) => offsets.reduce((total, offset) => total + offset[axis], 0);
    return [start[0] + settings.scale * sum(0), start[1] + settings.scale * sum(1)];
  }

  const pad = createPad({
    size: settings.canvas,
    label: `Your drawing. ${KEYS}`,
    onChange: (strokes) => {
      chosen.strokes = strokes;
      return update();
    },
  });
  const again = button("Other endings", () => {
    chosen.seed += 1;
    return update();
  });
  const temperature = slider({
    label: "Temperature",
    min: 0.05,
    max: 1.2,
    step: 0.05,
    value: chosen.temperature,
    format: (value) => value.toFixed(2),
    onInput: (value) => {
      chosen.temperature = value;
      return update();
    },
  });
  const starts = element(
    "div",
    "live-starts",
    ...settings.characters.slice(0, 6).map((one) => openingButton(one, settings, pad.set)),
  );
  const undo = button("Undo", pad.undo);
  const tools = element("div", "live-tools", undo, button("Clear", pad.clear));
  stage.append(
    element("h4", "", "Start a drawing; the model finishes it"),
    element(
      "div",
      "live-columns",
      element("div", "live-yours", pad.element, starts, tools),
      element("div", "live-answers", grid, temperature, element("div", "live-tools", again)),
    ),
    element(
      "p",
      "live-help",
      `Draw a stroke, or press one of the openings. By keyboard: ${KEYS}`,
    ),
  );
  return update();
}

// ---------------------------------------------------------------- second panel: a walk

function walkPanel(stage, model) {
  const { settings } = model;
  const { characters } = settings;
  const chosen = { from: 0, to: Math.min(1, characters.length - 1), t: 0.5 };
  let asked = 0;

  const main = element("div", "live-tile live-main");
  const strip = element("div", "live-strip");
  const show = (offsets, label) => {
    const strokes = toStrokes([0, 0], offsets, settings, true);
    const view = centredView(strokes, settings.canvas);
    return picture([{ strokes, className: "live-theirs" }], view, label);
  };
  const original = ({ start, strokes }) => {
    const lines = toStrokes(start, strokes, settings, true);
    return picture([{ strokes: lines, className: "live-mine" }], page, "");
  };
  const page = [0, 0, settings.canvas, settings.canvas];
  const between = (t) => spherical(characters[chosen.from].z, characters[chosen.to].z, t);
  const percent = (t) => `${Math.round(100 * t)}%`;

  async function update(shares, place) {
    const request = ++asked;
    const drawings = await drawCodes(model, shares.map(between));
    if (request !== asked) return;
    place(drawings.map((offsets, index) => show(offsets, `${percent(shares[index])} of the way`)));
    report(stage, { kind: "walk", ...chosen, shares, drawings });
  }
  const updateMain = () => update([chosen.t], (pictures) => main.replaceChildren(...pictures));
  const updateAll = () => {
    const shares = Array.from({ length: STEPS_OF_WALK }, (_, index) => index / (STEPS_OF_WALK - 1));
    return update([chosen.t, ...shares], ([first, ...others]) => {
      main.replaceChildren(first);
      strip.replaceChildren(...others);
    });
  };

  const end = (label, key) =>
    choices({
      label,
      chosen: chosen[key],
      options: characters.map((character) => ({
        name: `character ${character.name}`,
        picture: original(character),
      })),
      onChange: (index) => {
        chosen[key] = index;
        return updateAll();
      },
    });
  const position = slider({
    label: "Way from the first to the second",
    min: 0,
    max: 1,
    step: 0.01,
    value: chosen.t,
    format: percent,
    onInput: (value) => {
      chosen.t = value;
      return updateMain();
    },
  });
  stage.append(
    element("h4", "", "Walk from one character to another"),
    element("div", "live-walk", end("From", "from"), main, end("To", "to")),
    position,
    strip,
    element(
      "p",
      "live-help",
      "The small characters are held-out drawings, as KanjiVG records them. What lies between is " +
        "drawn by the model from the codes between their two codes, by its likeliest steps.",
    ),
  );
  return updateAll();
}

/** Fetches the model; `folder` is the address of this demo's files, ending in a slash. */
export async function load(folder) {
  const [settings, graph, conditional, initial] = await Promise.all([
    fetchJson(`${folder}model.json`),
    openGraph(`${folder}decoder_only.onnx`),
    openGraph(`${folder}conditional.onnx`),
    openGraph(`${folder}initial.onnx`),
  ]);
  return { settings, graph, conditional, initial };
}

/** Fills `stage` with both panels. */
export async function start(stage, model) {
  const panels = [element("div", "live-panel"), element("div", "live-panel")];
  stage.append(...panels);
  await finishPanel(panels[0], model);
  await walkPanel(panels[1], model);
}

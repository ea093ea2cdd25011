// The gymnast as SVG, in metres, and the clock by which all gymnasts of the page move.

import { svgElement } from "../../kit/strokes.js";

const [SHOULDERS, HEAD, FORWARD, HEAD_LENGTH] = [0.55, 0.43, 0.11, 0.03]; // metres, as poses.py has
const WINDOW = 2.3; // metres to each side of the bar
const STILLS = 6; // poses that stand for a clip where nothing moves
const TRAIL = [8, 24]; // steps that the path of the feet shows, and points of it
const PAUSE = 0.4; // seconds for which the last pose stays

/** The limbs of a pose as {name: [from, to]}, points in metres to the right and upwards. */
export function limbsOf([trunk, legs], [trunkLength, legsLength]) {
  const along = [Math.sin(trunk), -Math.cos(trunk)];
  const forward = [Math.cos(trunk), Math.sin(trunk)];
  const down = (metres, aside = 0) => along.map((part, at) => metres * part + aside * forward[at]);
  const hips = down(trunkLength);
  const feet = [hips[0] + legsLength * Math.sin(legs), hips[1] - legsLength * Math.cos(legs)];
  return {
    arms: [[0, 0], down(SHOULDERS)],
    torso: [down(SHOULDERS), hips],
    head: [down(HEAD, FORWARD), down(HEAD + HEAD_LENGTH, FORWARD)],
    legs: [hips, feet],
  };
}

/** An angle between two, the shorter way round. */
function between(from, to, share) {
  const turn = to - from;
  return from + share * (turn - 2 * Math.PI * Math.round(turn / (2 * Math.PI)));
}

/** The pose at `time`, in steps from the clip's begin. */
export function poseAt(steps, time) {
  const before = Math.min(Math.floor(time), steps.length - 1);
  const after = Math.min(before + 1, steps.length - 1);
  return [0, 1].map((at) => between(steps[before][at], steps[after][at], time - before));
}

const attributesOf = ([from, to]) => ({ x1: from[0], y1: -from[1], x2: to[0], y2: -to[1] });

function drawPose(pose, lengths, opacity = 1) {
  const group = svgElement("g", { opacity });
  for (const [name, ends] of Object.entries(limbsOf(pose, lengths))) {
    group.append(svgElement("line", { class: `taste-${name}`, ...attributesOf(ends) }));
  }
  return group;
}

/** A gymnast {element, take(steps, label), draw(seconds), still()}; `lengths` are the rods'. */
export function createGymnast(lengths, stepSeconds) {
  const element = svgElement("svg", {
    role: "img",
    class: "taste-gymnast",
    viewBox: `${-WINDOW} ${-WINDOW} ${2 * WINDOW} ${2 * WINDOW}`,
  });
  const post = svgElement("path", { class: "taste-post", d: `M0 0V${WINDOW}` });
  const bar = svgElement("circle", { class: "taste-bar", r: 0.07 });
  const trail = svgElement("polyline", { class: "taste-trail" });
  const figure = svgElement("g");
  element.append(post, trail, figure, bar);
  let steps = [];
  const place = (time) => poseAt(steps, time);
  const feet = (time) => limbsOf(place(time), lengths).legs[1];

  return {
    element,
    /** Plays `steps` from now on; `label` says in words what they are. */
    take(taken, label) {
      steps = taken;
      element.setAttribute("aria-label", label);
    },
    /** The pose `seconds` after the clip began, over and over. Gives the step that is shown. */
    draw(seconds) {
      const last = steps.length - 1;
      const time = Math.min(last, (seconds / stepSeconds) % (last + PAUSE / stepSeconds));
      const [length, points] = TRAIL;
      const path = Array.from({ length: points + 1 }, (_, index) => {
        const [x, y] = feet(Math.max(0, time - (length * index) / points));
        return `${x.toFixed(3)},${-y.toFixed(3)}`;
      });
      trail.setAttribute("points", path.join(" "));
      figure.replaceChildren(drawPose(place(time), lengths));
      return time;
    },
    /** All of the clip at once: poses from pale, the first, to full, the last. */
    still() {
      trail.setAttribute("points", "");
      const shown = Array.from({ length: STILLS }, (_, index) => index / (STILLS - 1));
      figure.replaceChildren(
        ...shown.map((share) =>
          drawPose(place(share * (steps.length - 1)), lengths, 0.15 + 0.85 * share ** 2),
        ),
      );
    },
  };
}

/**
 * The clock of what moves in `stage`: {add, restart, toggle, playing}. What is added has `draw(seconds)`
 * and `still()`. It rests where readers ask for less motion, until they press play, and while the
 * page shows something else.
 */
export function createClock(stage) {
  const moving = []; // {shown, begin}
  let playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  let visible = false;
  let frame = 0;

  function tick(now) {
    frame = 0;
    for (const one of moving) {
      one.begin ??= now;
      one.shown.draw((now - one.begin) / 1000);
    }
    wind();
  }

  function wind() {
    if (playing && visible) frame ||= requestAnimationFrame(tick);
  }

  function rest() {
    cancelAnimationFrame(frame);
    frame = 0;
    for (const { shown } of moving) shown.still();
  }

  new IntersectionObserver(([entry]) => {
    visible = entry.isIntersecting;
    wind();
  }).observe(stage);

  return {
    add: (shown) => moving.push({ shown, begin: null }),
    /** From the first step, all together. */
    restart() {
      moving.forEach((one) => (one.begin = null));
      if (playing) wind();
      else rest();
    },
    toggle() {
      playing = !playing;
      if (playing) wind();
      else rest();
      return playing;
    },
    playing: () => playing,
  };
}

// The attention map: a row for each piece or word written, a column for each one read.

import { element, fewChoices } from "../../kit/controls.js";
import { scrolling } from "./page.js";

/** Adds up columns, and averages rows, that belong to one word; groups are lists of indices. */
export function byWords(weights, rows, columns) {
  return rows.map((row) =>
    columns.map((column) => {
      const sum = row.reduce(
        (total, i) => total + column.reduce((part, j) => part + weights[i][j], 0),
        0,
      );
      return sum / row.length;
    }),
  );
}

/** Indices of piece numbers grouped by word: the end sign and a word's start open a group. */
export function wordGroups(numbers, { pieces, wordStart, signs }) {
  const groups = [];
  numbers.forEach((number, index) => {
    const opens = number === signs.end || pieces[number].startsWith(wordStart);
    if (opens || !groups.length) groups.push([]);
    groups.at(-1).push(index);
  });
  return groups;
}

function heading(text, scope, language) {
  const made = element("th", "", element("span", "", text));
  made.scope = scope;
  made.lang = language;
  return made;
}

function cell(weight) {
  const percent = `${Math.round(100 * weight)}%`;
  const made = element("td", "", element("span", "live-hidden", percent));
  made.style.setProperty("--live-weight", percent);
  made.title = percent;
  return made;
}

/** The table; `weights[i][j]` is how much of output `i`'s attention lay on source `j`. */
function heatTable(weights, sources, targets) {
  const head = element(
    "tr",
    "",
    element("td"),
    ...sources.map((text) => heading(text, "col", "en")),
  );
  const body = targets.map((text, i) =>
    element("tr", "", heading(text, "row", "fr"), ...weights[i].map(cell)),
  );
  const table = element(
    "table",
    "live-heat",
    element("thead", "", head),
    element("tbody", "", ...body),
  );
  table.setAttribute("aria-label", "Attention weights");
  return table;
}

/** The map with its choice of rows and columns; `show(source, hypothesis)` fills it. */
export function createHeat(vocabulary) {
  const frame = scrolling("Attention map");
  let whole = true;
  let shown;

  function draw() {
    const { source, hypothesis } = shown;
    const groupsOf = (numbers) =>
      whole ? wordGroups(numbers, vocabulary) : numbers.map((_, index) => [index]);
    const nameOf = (numbers) => (group) => {
      if (numbers[group[0]] === vocabulary.signs.end) return "(end)";
      const text = group.map((index) => vocabulary.pieces[numbers[index]]).join("");
      return whole ? text.replaceAll(vocabulary.wordStart, "") : text;
    };
    const [columns, rows] = [groupsOf(source), groupsOf(hypothesis.pieces)];
    frame.replaceChildren(
      heatTable(
        byWords(hypothesis.attention, rows, columns),
        columns.map(nameOf(source)),
        rows.map(nameOf(hypothesis.pieces)),
      ),
    );
  }

  const unit = fewChoices({
    label: "Shown by",
    options: ["words", "pieces"],
    chosen: 0,
    onChange: (index) => {
      whole = index === 0;
      draw();
    },
  });
  const explained =
    "A row for each word or piece written, a column for each one read: the stronger the colour, " +
    "the more the network looked there.";
  const parts = [element("h4", "", "Where it looked"), unit, frame];
  return {
    element: element("div", "live-panel", ...parts, element("p", "live-help", explained)),
    show(source, hypothesis) {
      shown = { source, hypothesis };
      draw();
    },
  };
}

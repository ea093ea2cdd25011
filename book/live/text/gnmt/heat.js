// An attention map as a table: a row for each piece written, a column for each piece read.

import { element } from "../../kit/controls.js";

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

/** Indices of pieces grouped by word: a piece that begins with the mark opens a group. */
export function groups(pieces, mark) {
  const found = [];
  pieces.forEach((piece, index) => {
    if (!found.length || piece.startsWith(mark) || piece.startsWith("<")) found.push([]);
    found.at(-1).push(index);
  });
  return found;
}

function heading(text, scope, language) {
  const made = element("th", "", element("span", "", text));
  made.scope = scope;
  made.lang = language;
  return made;
}

function cell(weight) {
  const percent = Math.round(100 * weight);
  const made = element("td", "", element("span", "live-hidden", `${percent}%`));
  made.style.setProperty("--live-weight", `${percent}%`);
  made.title = `${percent}%`;
  return made;
}

/** The table; `weights[i][j]` is how much of output `i`'s attention lay on source `j`. */
export function heatTable({ weights, sources, targets, caption }) {
  const corner = element("td");
  const head = element("tr", "", corner, ...sources.map((text) => heading(text, "col", "en")));
  const body = targets.map((text, i) =>
    element("tr", "", heading(text, "row", "fr"), ...weights[i].map(cell)),
  );
  return element(
    "table",
    "live-heat",
    element("caption", "", caption),
    element("thead", "", head),
    element("tbody", "", ...body),
  );
}

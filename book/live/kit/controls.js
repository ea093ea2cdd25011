// Small labelled controls, all of them the browser's own, so that keyboards and readers know them.

let count = 0;

/** An HTML element with a class and children. */
export function element(name, className = "", ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** A button. */
export function button(label, onPress) {
  const made = element("button", "live-button", label);
  made.type = "button";
  made.addEventListener("click", onPress);
  return made;
}

/** A slider with its value beside its label; `format(value)` is how the value reads. */
export function slider({ label, min, max, step, value, format, onInput }) {
  const input = element("input");
  Object.assign(input, { type: "range", min, max, step, value, id: `live-${++count}` });
  const shown = element("output", "", format(value));
  shown.setAttribute("for", input.id);
  const name = element("label", "", label);
  name.setAttribute("for", input.id);
  const say = () => {
    shown.textContent = format(Number(input.value));
    input.setAttribute("aria-valuetext", shown.textContent);
  };
  input.addEventListener("input", () => {
    say();
    onInput(Number(input.value));
  });
  say();
  return element("div", "live-slider", element("div", "live-label", name, shown), input);
}

/**
 * A choice among pictures, one of which is chosen. `options` are {name, picture}, where `name` is
 * read aloud and `picture` an element; `onChange(index)` hears the choice.
 */
export function choices({ label, options, chosen, onChange }) {
  const group = `live-${++count}`;
  const field = element("fieldset", "live-choices", element("legend", "", label));
  options.forEach(({ name, picture }, index) => {
    const input = element("input");
    Object.assign(input, { type: "radio", name: group, checked: index === chosen });
    input.setAttribute("aria-label", name);
    input.addEventListener("change", () => onChange(index));
    field.append(element("label", "live-choice", input, picture));
  });
  return field;
}

/** A choice between a few named values, as radio buttons; `onChange(index)` hears the choice. */
export function fewChoices({ label, options, chosen, onChange }) {
  const group = `live-${++count}`;
  const field = element("fieldset", "live-few", element("legend", "", label));
  options.forEach((name, index) => {
    const input = element("input");
    Object.assign(input, { type: "radio", name: group, checked: index === chosen });
    input.addEventListener("change", () => onChange(index));
    field.append(element("label", "", input, ` ${name}`));
  });
  return field;
}

/** A group of buttons, one a word; pressing one calls `onPress(word)`. */
export function wordButtons(label, words, onPress) {
  const group = element("div", "live-words");
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", label);
  group.append(...words.map((word) => button(word, () => onPress(word))));
  return group;
}

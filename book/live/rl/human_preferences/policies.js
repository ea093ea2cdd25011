// The third panel: what trained policies did, stored.

import { button, element } from "../../kit/controls.js";
import { dot } from "./reward.js";
import { decodeTrajectories, sumOf } from "./bank.js";
import { createGymnast } from "./gymnast.js";
import { describe, quantitiesOf } from "./quantities.js";

const NOTE =
  "Stored, not computed here: whole episodes of the chapter’s policies, from the same beginnings. " +
  "The true reward of a step is for feet that are high and still, from 0 to 1, and the true return " +
  "its sum over 100 steps. The policy trained on answers has never seen it: a synthetic labeller, " +
  "careless one time in ten, has compared clips for it.";

/**
 * Fills `stage`. Gives {show}, which places every policy's episode in the order of the learned
 * reward.
 */
export function policiesPanel(stage, bank, clock, learning) {
  const policies = bank.policies.map(({ name, returns, data }) => ({
    name,
    returns,
    episodes: decodeTrajectories(data, bank),
    figure: createGymnast(bank.lengths, bank.stepSeconds),
    caption: element("figcaption", "taste-caption"),
  }));
  let episode = 0;

  function show() {
    const ranking = learning.ranking();
    for (const { name, returns, episodes, caption } of policies) {
      const seen = episodes[episode].map((step) => bank.standardise(quantitiesOf(step)));
      const reward = dot(learning.weights().mean, sumOf(seen)) / bank.steps;
      const better = ranking.filter((one) => one.reward > reward).length;
      const place = learning.answers().length
        ? `Your reward places it behind ${better} of ${ranking.length}.`
        : "";
      caption.replaceChildren(
        element("strong", "", name),
        ` true return ${returns[episode].toFixed(1).replace("-", "−")}. ${place}`,
      );
    }
  }

  function take() {
    for (const { name, episodes, figure } of policies) {
      const seen = describe(episodes[episode].map(quantitiesOf));
      figure.take(episodes[episode], `The policy ${name}: ${seen}`);
    }
  }

  const another = button("Another beginning", () => {
    episode = (episode + 1) % policies[0].episodes.length;
    take();
    clock.restart();
    show();
  });
  for (const { figure } of policies) clock.add(figure);
  stage.append(
    element("h4", "", "Trained policies ", element("span", "live-badge", "stored")),
    element(
      "div",
      "taste-pair",
      ...policies.map(({ figure, caption }) => element("figure", "", figure.element, caption)),
    ),
    element("div", "live-tools", another),
    element("p", "live-help", NOTE),
  );
  take();
  return { show };
}

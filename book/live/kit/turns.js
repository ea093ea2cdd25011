// One computation at a time, where a reader may ask faster than the page can answer.

/** Calls of `act`, one after the other; of those that come while one runs, the last counts. */
export function inTurn(act) {
  let wanted = false;
  let running = null;
  const run = async () => {
    while (wanted) {
      wanted = false;
      await act();
    }
    running = null;
  };
  return () => {
    wanted = true;
    running ??= run();
    return running;
  };
}

// Starts a live model when its reader asks for it. Until then nothing of it is fetched.

/** Loads one style sheet and waits for it, so that a demo never appears undressed. */
function loadStyle(href) {
  return new Promise((resolve, reject) => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
    link.onload = resolve;
    link.onerror = () => reject(new Error(`The file ${href} did not arrive.`));
    document.head.append(link);
  });
}

/** Replaces the poster of `region` by its demo; on failure says what went wrong. */
async function startLive(region) {
  const button = region.querySelector(".live-start");
  const status = region.querySelector(".live-status");
  const stage = region.querySelector(".live-stage");
  const poster = region.querySelector(".live-poster");
  const demo = document.createElement("div");
  demo.className = "live-demo";
  button.disabled = true;
  status.textContent = "Fetching the live model …";
  try {
    const folder = new URL(region.dataset.live, document.baseURI).href;
    const kit = new URL(region.dataset.kit, document.baseURI).href;
    await loadStyle(`${kit}kit.css`);
    const { load, start, hasNetwork = true } = await import(`${folder}demo.js`);
    if (hasNetwork) {
      if (typeof WebAssembly !== "object") {
        button.hidden = true;
        status.textContent =
          "This browser cannot run WebAssembly, which the live model needs. Any browser of the " +
          "last few years can, unless it is switched off.";
        return;
      }
      status.textContent = "Fetching the model and its runtime, about 4 MB, once …";
    }
    const model = await load(folder);
    status.textContent = "";
    poster.hidden = true;
    stage.append(demo);
    await start(demo, model);
    const first = demo.querySelector("[data-first]");
    if (first) first.focus({ preventScroll: true });
    region.dataset.state = "running";
  } catch (error) {
    demo.remove();
    poster.hidden = false;
    button.disabled = false;
    button.textContent = "Try again";
    status.textContent = `The live model did not start: ${error.message}`;
    region.dataset.state = "failed";
  }
}

document.addEventListener("DOMContentLoaded", () => {
  for (const region of document.querySelectorAll(".live")) {
    const button = region.querySelector(".live-start");
    button.hidden = false;
    button.addEventListener("click", () => startLive(region));
  }
});

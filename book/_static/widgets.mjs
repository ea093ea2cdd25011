// Draws a page's saved ipywidgets once the reader comes near the first of them: the library that
// does it is the heaviest script of the site.
const library = new URL("../vendor/html-manager/embed.js", import.meta.url).href;
const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';

function load() {
  const script = document.createElement("script");
  script.src = library;
  // The library draws at the window's load event, which has passed when it is fetched this late.
  const listen = window.addEventListener;
  window.addEventListener = function (type, handler, ...rest) {
    if (type === "load" && document.readyState === "complete") handler(new Event("load"));
    else listen.call(window, type, handler, ...rest);
  };
  script.onload = script.onerror = () => {
    window.addEventListener = listen;
  };
  document.head.append(script);
}

function places() {
  return [...document.querySelectorAll(VIEW)].map((view) => view.parentElement);
}

const watcher = new IntersectionObserver(
  (entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watcher.disconnect();
    load();
  },
  { rootMargin: "800px" },
);
for (const place of places()) {
  if (!place.clientHeight) place.style.minHeight = "2rem"; // an empty box never intersects
  watcher.observe(place);
}

// Puts right what the book's theme and the widget library leave to be wished.
document.addEventListener("DOMContentLoaded", () => {
  // The search button's label hides its visible words from voice control.
  for (const button of document.querySelectorAll(".search-button-field")) {
    button.removeAttribute("aria-label");
  }
  // So does the label of a folded cell.
  for (const summary of document.querySelectorAll("details.hide > summary")) {
    summary.removeAttribute("aria-label");
  }
  // The arrows beside chapters have no name.
  for (const summary of document.querySelectorAll(".bd-links summary")) {
    const link = summary.closest("li").querySelector("a");
    summary.setAttribute("aria-label", `Below ${link ? link.textContent.trim() : "this page"}`);
  }
  // Saved widgets call the MathJax 2 interface; the site serves MathJax 3.
  window.MathJax = window.MathJax || {};
  window.MathJax.Hub = window.MathJax.Hub || {
    Queue: (job) => window.MathJax.typesetPromise && window.MathJax.typesetPromise([job[2]]),
  };
});

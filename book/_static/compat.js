// Saved widgets call the MathJax 2 interface; the site serves MathJax 3.
document.addEventListener("DOMContentLoaded", () => {
  window.MathJax = window.MathJax || {};
  window.MathJax.Hub = window.MathJax.Hub || {
    Queue: (job) => window.MathJax.typesetPromise && window.MathJax.typesetPromise([job[2]]),
  };
});

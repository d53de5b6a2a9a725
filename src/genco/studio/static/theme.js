// Before the page is drawn: the theme the reader chose last, else the system's.
(function () {
  var chosen = null;
  try { chosen = localStorage.getItem("genco-theme"); } catch (e) { /* storage is off */ }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();

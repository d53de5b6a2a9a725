// Before the page is drawn: the theme the reader chose last, else the system's; and that scripts run.
(function () {
  document.documentElement.classList.add("scripted");
  var chosen = null;
  try { chosen = localStorage.getItem("genco-theme"); } catch (e) { /* storage is off */ }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();

// Times in the reader's zone, the theme, keyboard shortcuts and dialogs. Everything works without this file but these:
// what needs it has the class "scripts".
(function () {
  "use strict";
  var root = document.documentElement;

  function stored(name, value) {
    try {
      if (value === undefined) return localStorage.getItem(name);
      localStorage.setItem(name, value);
    } catch (e) { /* storage is off */ }
    return null;
  }

  function localTimes(part) {
    part.querySelectorAll("time[datetime]").forEach(function (time) {
      var at = new Date(time.dateTime);
      if (isNaN(at) || time.dataset.local) return;
      time.dataset.local = "yes";
      time.title = time.textContent;
      time.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
    });
  }

  function isDark() {
    if (root.dataset.theme) return root.dataset.theme === "dark";
    return matchMedia("(prefers-color-scheme: dark)").matches;
  }

  function toggleTheme() {
    root.dataset.theme = isDark() ? "light" : "dark";
    stored("genco-theme", root.dataset.theme);
    document.dispatchEvent(new CustomEvent("genco:theme"));
  }

  function nameTheme() {
    document.querySelectorAll("[data-theme-toggle]").forEach(function (button) {
      button.textContent = isDark() ? "Light" : "Dark";
      button.setAttribute("aria-label", "Switch to the " + (isDark() ? "light" : "dark") + " theme");
    });
  }

  function open(id) {
    var dialog = document.getElementById(id);
    if (dialog && !dialog.open) dialog.showModal();
  }

  var waiting = 0;
  function shortcut(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest("input, select, textarea, [contenteditable], dialog[open]")) return;
    var box = document.querySelector("[data-shortcuts]");
    if (!box || !box.checked) return;
    var pages = document.querySelectorAll("nav.side a");
    if (event.key === "/") {
      var search = document.querySelector("main [data-search]") || document.querySelector("[data-search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    } else if (event.key === "?") {
      open("shortcuts");
    } else if (event.key === "t") {
      toggleTheme();
    } else if (event.key === "g") {
      waiting = Date.now();
    } else if (/^[0-9]$/.test(event.key) && Date.now() - waiting < 1500 && pages[(Number(event.key) + 9) % 10]) {
      pages[(Number(event.key) + 9) % 10].click();
    }
  }

  function choose(event) {
    var boxes = Array.prototype.slice.call(document.querySelectorAll("[data-choose]"));
    var all = document.querySelector("[data-choose-all]"), told = document.querySelector("[data-chosen]");
    if (!all || !told) return;
    if (event && event.target === all) boxes.forEach(function (box) { box.checked = all.checked; });
    var chosen = boxes.filter(function (box) { return box.checked; }).length;
    all.checked = chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
    told.textContent = chosen + " of " + boxes.length + " on this page chosen";
  }

  document.addEventListener("click", function (event) {
    var toggle = event.target.closest("[data-theme-toggle]");
    var opener = event.target.closest("[data-open]");
    if (toggle) toggleTheme();
    if (opener) open(opener.dataset.open);
  });
  document.addEventListener("change", function (event) {
    if (event.target.matches("[data-shortcuts]")) stored("genco-shortcuts", event.target.checked ? "on" : "off");
    if (event.target.matches("[data-choose], [data-choose-all]")) choose(event);
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });
  document.addEventListener("keydown", shortcut);
  document.addEventListener("genco:theme", nameTheme);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () {
    document.dispatchEvent(new CustomEvent("genco:theme"));
  });
  document.addEventListener("htmx:beforeRequest", function (event) {
    var live = document.querySelector("[data-live]");
    var timed = event.detail.requestConfig && event.detail.requestConfig.triggeringEvent === undefined;
    if (event.target.id === "live" && timed && live && (!live.checked || document.hidden)) event.preventDefault();
  });
  document.addEventListener("htmx:load", function (event) { localTimes(event.target); });

  var box = document.querySelector("[data-shortcuts]");
  if (box && stored("genco-shortcuts") === "off") box.checked = false;
  var nav = document.querySelector("nav.side"), here = nav && nav.querySelector("[aria-current]");
  if (here) nav.scrollLeft = here.offsetLeft - nav.offsetLeft - 16;  // on a phone the pages stand in one line
  var zone = document.querySelector("[data-zone]");
  if (zone) zone.textContent = "Times in " + Intl.DateTimeFormat().resolvedOptions().timeZone;
  nameTheme();
  localTimes(document);
  choose();
  window.addEventListener("pageshow", function () { choose(); });  // boxes that the browser ticks again on the way back
})();

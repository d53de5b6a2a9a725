(function () {
  var box = document.getElementById("element-filter");
  if (!box) return;
  var rows = Array.prototype.slice.call(document.querySelectorAll("#element-rows tr"));
  var told = document.getElementById("element-count");
  box.closest(".filter").hidden = false;
  box.addEventListener("input", function () {
    var words = box.value.toLowerCase().split(/\s+/).filter(Boolean), shown = 0;
    rows.forEach(function (row) {
      var text = row.textContent.toLowerCase();
      row.hidden = !words.every(function (word) { return text.indexOf(word) >= 0; });
      if (!row.hidden) shown += 1;
    });
    told.textContent = shown + " of " + rows.length + " rows; the totals stay those of the whole log";
  });
})();

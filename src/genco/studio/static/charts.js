// Draws every [data-chart] with uPlot from its data-points, again after each update and change of theme.
(function () {
  "use strict";
  var drawn = [];

  function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  function faded(name, share) { return "color-mix(in srgb, " + colour(name) + " " + share + "%, transparent)"; }
  function percent(decimals) {
    return function (_, value) { return value == null ? "–" : (100 * value).toFixed(decimals) + "%"; };
  }
  function axis(more) {
    return Object.assign({
      stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 },
      font: "12px system-ui, sans-serif",
    }, more);
  }

  var KINDS = {
    lift: function (points) {
      return {
        data: [points.start, points.low, points.high, points.lift],
        bands: [{ series: [2, 1], fill: faded("--help", 18) }],
        series: [{}, { label: "from", stroke: "transparent", points: { show: false }, value: percent(1) }, { label: "to", stroke: "transparent", points: { show: false }, value: percent(1) },
          { label: "lift", stroke: colour("--help"), width: 2, value: percent(1) }],
        axes: [axis(), axis({ size: 58, values: function (_, all) { return all.map(function (v) { return Math.round(100 * v) + "%"; }); } })],
        scales: { y: { range: function (_, low, high) { return [Math.min(low, 0), Math.max(high, 0.05)]; } } },
      };
    },
    traffic: function (points, place) {
      return {
        data: [points.start, points.impressions, points.rate],
        series: [{}, { label: "impressions", scale: "n", stroke: colour("--edge"), fill: faded("--edge", 25), width: 1, points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) },
          { label: place.dataset.rate, scale: "rate", stroke: colour("--help"), width: 2, value: percent(2) }],
        axes: [axis(), axis({ scale: "n", size: 58 }),
          axis({ scale: "rate", side: 1, size: 52, grid: { show: false }, values: function (_, all) { return all.map(function (v) { return (100 * v).toFixed(1) + "%"; }); } })],
        scales: { n: { range: function (_, low, high) { return [0, high * 1.05 || 1]; } }, rate: { range: function (_, low, high) { return [0, high * 1.15 || 1]; } } },
      };
    },
  };

  function draw(place) {
    place.textContent = "";
    var wanted = KINDS[place.dataset.chart](JSON.parse(place.dataset.points), place), data = wanted.data;
    delete wanted.data;
    wanted.width = place.clientWidth;
    wanted.height = 230;
    wanted.legend = { live: true };
    wanted.cursor = { y: false };
    drawn.push([place, new uPlot(wanted, data, place)]);
  }

  function drawAll() {
    drawn.forEach(function (pair) { pair[1].destroy(); });
    drawn = [];
    document.querySelectorAll("[data-chart]").forEach(draw);
  }

  document.addEventListener("genco:theme", drawAll);
  document.addEventListener("htmx:afterSettle", drawAll);
  window.addEventListener("resize", function () {
    drawn.forEach(function (pair) { pair[1].setSize({ width: pair[0].clientWidth, height: 230 }); });
  });
  drawAll();
})();

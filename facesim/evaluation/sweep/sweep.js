// Moves the threshold: the table, the charts' markers, and which of the pairs shown are errors.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const slider = document.getElementById("threshold");
  const value = document.getElementById("value");
  const reset = document.getElementById("reset");
  const pairs = [...document.querySelectorAll(".pair")];
  const shown = [...document.querySelectorAll("[data-show]")];
  const counts = ["trueMatches", "falseMatches", "trueNonMatches", "falseNonMatches"];

  const share = (part, whole) => (whole ? part / whole : NaN);
  const count = (n) => n.toLocaleString("en");

  function number(x) {
    return Number.isNaN(x) ? "–" : (Math.floor(x * 10000 + 0.5) / 10000).toFixed(4);
  }

  function percent(rate) { // as formatting.percent writes it, with non-breaking spaces
    if (Number.isNaN(rate)) return "–";
    const hundredths = Math.floor(rate * 10000 + 0.5);
    if (hundredths === 0 && rate > 0) return "<\u00a00.01\u00a0%";
    if (hundredths === 10000 && rate < 1) return ">\u00a099.99\u00a0%";
    return (hundredths / 100).toFixed(2) + "\u00a0%";
  }

  function ratesAt(i) {
    const falseMatches = data.falseMatches[i], falseNonMatches = data.falseNonMatches[i];
    const trueMatches = data.genuine - falseNonMatches, trueNonMatches = data.impostor - falseMatches;
    return {
      threshold: data.thresholds[i], trueMatches, falseMatches, trueNonMatches, falseNonMatches,
      precision: share(trueMatches, trueMatches + falseMatches),
      recall: share(trueMatches, data.genuine),
      f1: share(2 * trueMatches, 2 * trueMatches + falseMatches + falseNonMatches),
      accuracy: share(trueMatches + trueNonMatches, data.genuine + data.impostor),
      fmr: share(falseMatches, data.impostor),
      fnmr: share(falseNonMatches, data.genuine),
    };
  }

  function say(name, rates) {
    if (name === "threshold") return rates.threshold.toFixed(4);
    if (name === "f1") return number(rates.f1);
    return counts.includes(name) ? count(rates[name]) : percent(rates[name]);
  }

  function charts() { // undefined while the page loads, and where nothing can be drawn
    return window.Bokeh?.documents[0];
  }

  function moveMarkers(i, rates) {
    const page = charts();
    if (!page) return;
    for (const name of ["threshold line", "distances line"]) {
      const line = page.get_model_by_name(name);
      if (line) line.location = rates.threshold;
    }
    const roc = page.get_model_by_name("roc marker");
    if (roc) roc.data_source.data = { x: [Math.max(rates.fmr, 0.5 / data.impostor)], y: [rates.recall] };
    const det = page.get_model_by_name("det marker");
    if (det) det.data_source.data = { x: [data.det[0][i]], y: [data.det[1][i]] };
  }

  function show() {
    const i = Number(slider.value), rates = ratesAt(i);
    value.textContent = rates.threshold.toFixed(4);
    slider.setAttribute("aria-valuetext", value.textContent);
    reset.disabled = i === data.stored;
    for (const element of shown) element.textContent = say(element.dataset.show, rates);
    for (const pair of pairs) {
      const right = (Number(pair.dataset.distance) < rates.threshold) === (pair.dataset.same === "1");
      pair.classList.toggle("right", right);
      pair.querySelector(".mended").hidden = !right;
    }
    moveMarkers(i, rates);
  }

  function colourCharts() {
    for (const plot of charts()?.roots() ?? []) colourPlot(plot);
  }

  function start() {
    if (data.charts && !(charts()?.roots().length === data.charts)) return void setTimeout(start, 20);
    colourCharts();
    show();
    document.documentElement.dataset.ready = "";
  }

  slider.addEventListener("input", show);
  reset.addEventListener("click", () => {
    slider.value = data.stored;
    show();
    slider.focus();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", colourCharts);
  show(); // a browser may have kept the slider's position
  start();
})();

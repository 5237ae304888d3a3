/** The view that compares two photos. */

import { ask } from "./api.js";
import { takePhotosFor } from "./intake.js";
import { Place } from "./place.js";
import { percent, ratesAt } from "./rates.js";
import { drawScale } from "./scale.js";
import { verdictAt } from "./verdict.js";

const USUAL_END = 1.4; // of the scale: two strangers' faces hardly ever lie farther apart
const byId = (id) => document.getElementById(id);

export async function startComparing() {
  const places = ["photo1", "photo2"].map((id) => new Place(id, { changed, chose: compare }));
  const slider = byId("threshold");
  let model = null;
  let answer = null; // of the last comparison, null while there is none
  let exact = null; // the threshold of the button that was pressed last
  let running = new AbortController();
  const reading = new Map(); // place: what stops the search for its faces

  takePhotosFor(places);
  slider.addEventListener("input", showResult);
  new ResizeObserver(showScale).observe(byId("chart"));

  async function changed(place) {
    reading.get(place)?.abort();
    running.abort();
    showAnswer(null);
    if (place.file) await Promise.all([find(place), compare()]);
  }

  async function find(place) {
    const stop = new AbortController();
    reading.set(place, stop);
    place.say("Looking for faces…");
    try {
      const { size, faces } = await ask("/v1/faces", { method: "POST", form: { photo: place.file }, signal: stop.signal });
      place.showFaces(size, faces);
    } catch (error) {
      if (error.name !== "AbortError") place.refuse(error.message);
    }
    showResult();
  }

  async function compare() {
    if (places.some((place) => !place.file || place.refused)) return;
    running.abort();
    running = new AbortController();
    const { signal } = running;
    for (const error of [...places.map((place) => place.find(".error")), byId("compare-error")]) error.textContent = "";
    byId("result").setAttribute("aria-busy", "true");
    const form = { crops: 1 };
    for (const place of places) {
      form[place.id] = place.file;
      if (place.chosen) form[place.id.replace("photo", "box")] = asText(place.chosen);
    }
    try {
      showAnswer(await ask("/v1/verify", { method: "POST", form, signal }));
    } catch (error) {
      if (error.name === "AbortError") return;
      const place = places.find((one) => one.id === error.photo);
      if (place) place.fail(error.message);
      else byId("compare-error").textContent = error.message;
      showAnswer(null);
    }
  }

  function showAnswer(verdict) {
    answer = verdict;
    byId("result").setAttribute("aria-busy", "false");
    places.forEach((place, i) => place.compare(verdict?.[`face${i + 1}`] ?? null));
    byId("crops").hidden = !verdict;
    byId("crops").replaceChildren(...(verdict ? [verdict.crop1, verdict.crop2].map(drawCrop) : []));
    if (model) slider.max = Math.max(endOf(model), (verdict?.distance ?? 0) + 0.05).toFixed(2);
    showResult();
  }

  function showResult() {
    const result = byId("compare");
    const missing = places.filter((place) => !place.file).length;
    result.classList.remove("same", "different");
    const waiting = places.some((place) => place.find(".error").textContent) || byId("compare-error").textContent
      ? "No verdict yet."
      : ["Comparing…", "Add one more photo to compare them.", "Add two photos to compare them."][missing];
    const said = answer ? verdictAt(threshold(), answer) : { words: waiting, reason: "", odds: "" };
    if (answer) result.classList.add(said.same ? "same" : "different");
    write("verdict", said.words);
    write("reason", said.reason);
    write("probability", said.odds);
    showScale();
  }

  function showScale() {
    if (!model) return;
    const [at, max, distance] = [threshold(), Number(slider.max), answer?.distance ?? null];
    slider.style.setProperty("--at", at / max);
    drawScale(byId("chart"), { distances: model.distances, max, distance, threshold: at });
    const { fmr, fnmr, note } = ratesAt(at, model);
    byId("fmr").textContent = percent(fmr);
    byId("fnmr").textContent = percent(fnmr);
    byId("rates-note").textContent = note;
    slider.setAttribute("aria-valuetext", `${at.toFixed(3)}: FMR ${percent(fmr)}, FNMR ${percent(fnmr)}`);
    const place = distance === null ? "" : ` The two faces are at ${distance.toFixed(3)}.`;
    byId("chart-text").textContent = `From 0 to ${max.toFixed(1)}, with the threshold at ${at.toFixed(3)}.${place}`;
    for (const button of byId("points").children) {
      button.setAttribute("aria-pressed", Math.abs(button.value - at) < 1e-9);
    }
  }

  /** Return the threshold: exactly a stored one, if its button was pressed; else the slider's. */
  function threshold() {
    if (!model) return answer.threshold;
    return exact !== null && Math.abs(exact - slider.value) <= slider.step / 2 + 1e-9 ? exact : Number(slider.value);
  }

  function setThreshold(value) {
    exact = value;
    slider.value = value;
    showResult();
  }

  try {
    model = await ask("/v1/model");
  } catch (error) {
    byId("compare-error").textContent = error.message;
    return;
  }
  byId("scale").hidden = false;
  byId("points").replaceChildren(...buttonsFor(model, setThreshold));
  byId("key").hidden = !model.distances;
  slider.max = endOf(model);
  setThreshold(model.threshold);
}

/** Return where the scale ends: beyond all distances that the model file has counted, if it has. */
function endOf({ distances, threshold }) {
  if (!distances) return Math.max(USUAL_END, threshold);
  const last = Math.max(...["genuine", "impostor"].map((kind) => distances[kind].slice(0, -1).findLastIndex((n) => n)));
  return Math.max(Math.ceil(10 * distances.step * (last + 1)) / 10, threshold + 0.1);
}

/** Return a button for the threshold in use, and one per operating point, the least strict first. */
function buttonsFor(model, setThreshold) {
  const points = [...model.operating_points].sort((a, b) => b.threshold - a.threshold);
  if (!points.some((point) => point.threshold === model.threshold)) {
    points.push({ name: "as started", threshold: model.threshold });
  }
  return points.map(({ name, threshold }) => {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", value: threshold, textContent: name });
    button.onclick = () => setThreshold(threshold);
    return button;
  });
}

function drawCrop(url, i) {
  const image = new Image(160, 160);
  [image.src, image.alt] = [url, `The face of photo ${i + 1}, as the network sees it`];
  return image;
}

/** Write a text, only where it differs: a screen reader says each change. */
function write(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

/** Return a box as the server reads it: left, top, width and height. */
function asText({ left, top, right, bottom }) {
  return [left, top, right - left, bottom - top].join();
}

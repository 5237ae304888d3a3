/** The gallery's view: who is on a photo, and who is enrolled. */

import { ask } from "./api.js";
import { percent } from "./rates.js";
import { takePhotosFor } from "./intake.js";
import { startPeople } from "./people.js";
import { Place } from "./place.js";

const byId = (id) => document.getElementById(id);

export function startGallery() {
  const place = new Place("photo", { changed: identify, chose: () => {} });
  let running = new AbortController();
  takePhotosFor([place]);
  startPeople(() => place.file && identify());

  async function identify() {
    running.abort();
    running = new AbortController();
    byId("found-note").textContent = "";
    if (!place.file) return list([note("Add a photo to see who is on it.")]);
    place.say("Looking for faces…");
    const form = { photo: place.file };
    const { signal } = running;
    try {
      const [{ size }, faces] = await Promise.all([
        ask("/v1/faces", { method: "POST", form, signal }),
        ask("/v1/identify", { method: "POST", form, signal }),
      ]);
      place.showFaces(size, faces, { labels: faces.map((face, i) => labelOf(face, i)), choose: false });
      list(faces.map(describe));
      byId("found-note").textContent = about(faces[0]);
    } catch (error) {
      if (error.name === "AbortError") return;
      place.fail(error.message);
      list([note("No answer yet.")]);
    }
  }
}

function list(items) {
  byId("found").replaceChildren(...items);
}

function note(text) {
  const item = document.createElement("li");
  [item.className, item.textContent] = ["note", text];
  return item;
}

function labelOf(face, i) {
  return face.name ?? `unknown ${i + 1}`;
}

/** Return a line on one face: the name, how sure it is, and what it was nearest to. */
function describe(face, i) {
  const item = document.createElement("li");
  const name = document.createElement("b");
  name.textContent = face.name ?? `Unknown (face ${i + 1})`;
  item.className = face.name ? "known" : "unknown";
  const sure = document.createElement("span");
  sure.className = "note";
  sure.textContent = [
    face.nearest ? `distance ${face.distance.toFixed(3)}` : "nobody is enrolled",
    face.name && `${percent(face.probability)} probable`,
    !face.name && face.nearest && `nearest is ${face.nearest.name}`,
    ...face.warnings,
  ]
    .filter(Boolean)
    .join(" · ");
  item.append(name, sure);
  return item;
}

function about({ threshold }) {
  return `A face has a name if somebody enrolled is closer than ${threshold.toFixed(3)}.`;
}

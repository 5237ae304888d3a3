/** The people in the gallery: list, find, enrol, rename, merge, forget. */

import { ask, sentence } from "./api.js";
import { askUser } from "./question.js";

const STEP = 60; // people shown at a time
const FEW = 12; // people that need no search
const byId = (id) => document.getElementById(id);
const pathOf = (name) => `/v1/people/${encodeURIComponent(name)}`;

/** Show the people; `changed()` is called after each change to the gallery. */
export function startPeople(changed) {
  let people = [];
  let shown = STEP;
  const search = byId("find").querySelector("input");
  search.addEventListener("input", show);
  byId("more").onclick = () => ((shown += STEP), show());
  byId("enrol")?.addEventListener("submit", enrol);
  read();

  async function read() {
    try {
      people = await ask("/v1/people");
      show();
    } catch (error) {
      fail(error);
    }
  }

  function show() {
    const wanted = search.value.trim().toLocaleLowerCase();
    const found = people.filter(({ name }) => name.toLocaleLowerCase().includes(wanted));
    byId("find").hidden = people.length <= FEW;
    byId("people-count").textContent = people.length ? String(people.length) : "";
    byId("people").replaceChildren(...found.slice(0, shown).map(card));
    byId("more").hidden = found.length <= shown;
    if (!people.length) say("Nobody is enrolled yet.");
  }

  function card({ name, faces }) {
    const item = byId("person").content.cloneNode(true).firstElementChild;
    const image = item.querySelector("img");
    item.querySelector(".face-picture").dataset.initial = [...name][0].toLocaleUpperCase();
    image.addEventListener("error", () => image.remove()); // the photo is not there any more
    image.src = `${pathOf(name)}/picture`;
    item.querySelector(".name").textContent = name;
    item.querySelector(".count").textContent = faces === 1 ? "1 face" : `${faces} faces`;
    for (const [kind, act] of [["rename", rename], ["forget", forget]]) {
      const button = item.querySelector(`.${kind}`);
      if (!button) continue;
      button.setAttribute("aria-label", `${button.textContent} ${name}`);
      button.onclick = () => act(name, faces);
    }
    return item;
  }

  async function enrol(event) {
    event.preventDefault();
    const form = event.target;
    const [name, photo] = [form.elements.name.value.trim(), [...form.elements.photo.files]];
    say(`Enrolling ${name}…`);
    try {
      const done = await ask("/v1/people", { method: "POST", form: { name, photo } });
      const kept = done.filter((one) => !one.error);
      form.reset();
      await after(`${name} is enrolled, with ${count(kept.length)}.`);
      byId("people-error").textContent = done.map((one) => remark(one, photo)).filter(Boolean).join(" ");
    } catch (error) {
      fail(error, photo);
    }
  }

  async function rename(name) {
    let merge = false;
    await askUser({
      title: `Rename ${name}`,
      yes: "Rename",
      answer: name,
      async act(newName, dialog) {
        try {
          const done = await ask(pathOf(name), { method: "PATCH", json: { name: newName, merge } });
          await after(`${name} is ${done.name} now.`);
        } catch (error) {
          const taken = people.find((one) => one.name.localeCompare(newName, undefined, { sensitivity: "accent" }) === 0);
          if (error.status !== 409 || merge || !taken) throw error;
          merge = true;
          dialog.fail(`${taken.name} is enrolled already. Are ${name} and ${taken.name} one person?`);
          dialog.offer("Merge them");
          return false;
        }
      },
      changed: () => (merge = false),
    });
  }

  async function forget(name, faces) {
    let asked = 1;
    await askUser({
      title: `Forget ${name}?`,
      text: `${count(faces, "face")} of this person will be removed from the gallery.`,
      yes: "Forget",
      async act(_, dialog) {
        if (asked++ < 2) {
          dialog.fail("This cannot be undone: what was enrolled is deleted from the disk. Are you sure?");
          dialog.offer(`Yes, forget ${name} for good`);
          return false;
        }
        await ask(pathOf(name), { method: "DELETE" });
        await after(`${name} is forgotten.`);
      },
    });
  }

  async function after(done) {
    byId("people-error").textContent = "";
    say(done);
    await read();
    changed();
  }
}

/** Say what is to know of an enrolled photo: why it was refused, or whom it resembles. */
function remark({ photo, error, likeness, name, known_as: knownAs }, files) {
  if (error) return withNames(sentence(error), files);
  if (knownAs) return `${withNames(photo, files)} is enrolled as ${knownAs} already.`;
  return likeness ? `${name} looks like ${likeness.name}: is that one person?` : "";
}

/** Return a sentence with the files' own names, which the server does not know, in place of photo1 and so on. */
function withNames(text, files) {
  return text.replace(/\bphoto(\d+)\b/g, (word, number) => files[number - 1]?.name ?? word);
}

function say(text) {
  byId("people-state").textContent = text;
}

function fail(error, files = []) {
  say("");
  byId("people-error").textContent = withNames(error.message, files);
}

function count(number, what = "photo") {
  return number === 1 ? `1 ${what}` : `${number} ${what}s`;
}

/** A place for one photo: its picture, the faces found on it, and what is wrong with it. */

import { blank, drawn } from "./picture.js";
import { sentence } from "./api.js";
import { hasCamera, takePhoto } from "./camera.js";

const SAME_FACE = 0.35; // overlap of two boxes of one face

export class Place {
  /** `changed(place)` is called with a new photo, or none; `chose(place)` when the user picks another face. */
  constructor(id, { changed, chose }) {
    this.element = document.getElementById(id);
    this.id = id;
    this.title = this.find("h2").textContent;
    this.changed = changed;
    this.chose = chose;
    this.find(".remove").onclick = () => this.clear();
    const camera = this.find(".camera");
    camera.hidden = !hasCamera;
    camera.onclick = async () => {
      const photo = await takePhoto();
      if (photo) this.take(photo);
    };
    this.forget();
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  forget() {
    this.file = null;
    this.size = null; // of the upright photo, [width, height] in pixels
    this.faces = [];
    this.chosen = null; // the box of the face that the user picked; null for the main one
    this.compared = null; // the face that is compared
    this.refused = false; // whether the server cannot read the photo, or finds no face
    this.visible = null; // whether this browser can draw the photo; null until it has tried
  }

  /** Show a photo in place of what is there. */
  async take(file) {
    this.forget();
    this.file = file;
    this.reset();
    this.changed(this);
    const canvas = await drawn(file);
    if (this.file !== file) return;
    this.visible = canvas !== null;
    this.show(canvas ?? blank(...(this.size ?? [4, 3])));
    this.element.classList.add("filled");
    if (this.faces.length) this.describe();
  }

  /** Show a canvas, and give its frame the same proportions, so that boxes lie on the faces. */
  show(canvas) {
    canvas.role = "img";
    canvas.ariaLabel = this.title;
    this.find("canvas").replaceWith(canvas);
    this.find(".frame").style.setProperty("--ratio", canvas.width / canvas.height);
  }

  clear() {
    this.forget();
    this.reset();
    this.element.classList.remove("filled");
    this.find("input").focus();
    this.changed(this);
  }

  reset() {
    this.find(".remove").hidden = !this.file;
    this.find(".error").textContent = this.find(".state").textContent = "";
    this.find(".faces").replaceChildren();
    this.warn([]);
    this.find("canvas").ariaLabel = this.title;
  }

  say(text) {
    this.find(".state").textContent = text;
  }

  /** Say why nothing can be done with the photo. */
  refuse(text) {
    this.refused = true;
    this.fail(text);
  }

  fail(text) {
    this.say("");
    const known = text.replace(/\bphoto\d*\b/, "the photo"); // the server knows it by its field's name only
    this.find(".error").textContent = sentence(known);
  }

  warn(warnings) {
    this.find(".warnings").replaceChildren(
      ...warnings.map((warning) => {
        const item = document.createElement("li");
        item.textContent = `${sentence(warning)}; the answer may be wrong.`;
        return item;
      }),
    );
  }

  /** Draw a box per face; `labels` name them, where they have names. With `choose`, each is a button. */
  showFaces(size, faces, { labels = [], choose = true } = {}) {
    [this.size, this.faces] = [size, faces];
    if (this.visible === false) this.show(blank(...size));
    this.find(".faces").replaceChildren(...faces.map((face, i) => this.drawFace(face, i, labels[i], choose)));
    this.describe();
    if (choose) this.compare(this.compared);
  }

  describe() {
    const many = this.faces.length;
    const found = many === 1 ? "1 face found." : `${many} faces found.`;
    const next = many > 1 && this.find("button.face") ? " Choose the one to compare." : "";
    this.say(this.visible === false ? `${found}${next} Your browser cannot show this kind of photo.` : found + next);
    this.find("canvas").ariaLabel = `${this.title}: ${found}`;
  }

  drawFace(face, i, label, choose) {
    const box = document.createElement(choose ? "button" : "span");
    const { left, top, right, bottom } = face.box;
    const [width, height] = this.size;
    box.className = "face";
    box.style.left = `${(100 * left) / width}%`;
    box.style.top = `${(100 * top) / height}%`;
    box.style.width = `${(100 * (right - left)) / width}%`;
    box.style.height = `${(100 * (bottom - top)) / height}%`;
    if (label) {
      const name = document.createElement("span");
      [name.className, name.textContent] = ["label", label];
      box.append(name);
    }
    if (choose) {
      box.type = "button";
      box.setAttribute("aria-label", `Face ${i + 1} of ${this.faces.length}, ${right - left} pixels wide`);
      box.onclick = () => this.choose(face);
    }
    return box;
  }

  choose(face) {
    const failed = this.find(".error").textContent;
    this.chosen = face.main && !failed ? null : face.box; // the main face is compared where no box is sent
    this.compare(face);
    this.chose(this);
  }

  /** Mark the face that is compared, which a closer look may have found; null for none. Warn about its quality. */
  compare(face) {
    this.compared = face;
    this.warn(face?.warnings ?? []);
    if (!face || !this.faces.length) return this.mark(-1);
    const shared = this.faces.map((one) => overlap(one.box, face.box));
    if (Math.max(...shared) < SAME_FACE) return this.showFaces(this.size, [...this.faces, face]);
    this.mark(shared.indexOf(Math.max(...shared)));
  }

  mark(compared) {
    [...this.find(".faces").children].forEach((button, i) => button.setAttribute("aria-pressed", i === compared));
  }
}

/** Return the intersection over union of two boxes. */
function overlap(one, other) {
  const area = ({ left, top, right, bottom }) => Math.max(0, right - left) * Math.max(0, bottom - top);
  const shared = area({
    left: Math.max(one.left, other.left),
    top: Math.max(one.top, other.top),
    right: Math.min(one.right, other.right),
    bottom: Math.min(one.bottom, other.bottom),
  });
  return shared / (area(one) + area(other) - shared);
}

/** A place for one photo: its picture, the faces found on it, and what is wrong with it. */

import { draw } from "./picture.js";
import { sentence } from "./api.js";
import { hasCamera, takePhoto } from "./camera.js";

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
    this.chosen = null; // the box of the face that the user picked
  }

  /** Show a photo in place of what is there. */
  async take(file) {
    this.forget();
    this.file = file;
    this.reset();
    this.changed(this);
    const canvas = this.find("canvas");
    const visible = await draw(file, canvas);
    if (this.file !== file) return;
    canvas.hidden = false;
    this.element.classList.add("filled");
    if (!visible) this.drawBlank();
  }

  clear() {
    this.forget();
    this.reset();
    this.element.classList.remove("filled");
    this.find("canvas").hidden = true;
    this.find("input").focus();
    this.changed(this);
  }

  reset() {
    this.find(".remove").hidden = !this.file;
    this.find(".error").textContent = this.find(".state").textContent = "";
    this.find(".faces").replaceChildren();
    this.warn([]);
    this.find("canvas").setAttribute("aria-label", this.title);
  }

  /** Stand in for a photo of a kind that this browser cannot draw, such as HEIC. */
  drawBlank() {
    const canvas = this.find("canvas");
    const [width, height] = this.size ?? [4, 3];
    [canvas.width, canvas.height] = [600, Math.max(1, Math.round((600 * height) / width))];
    this.blank = true;
    this.find(".state").textContent = "Your browser cannot show this kind of photo; facesim reads it all the same.";
  }

  say(text) {
    this.find(".state").textContent = text;
  }

  fail(text) {
    this.say("");
    this.find(".error").textContent = sentence(text);
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

  /** Draw a box per face. `labels` names them, where they have names; several may be chosen from if `choose`. */
  showFaces(size, faces, { labels = [], choose = true } = {}) {
    [this.size, this.faces] = [size, faces];
    const many = faces.length;
    this.say(many === 1 ? "1 face found." : `${many} faces found.${choose ? " Choose the one to compare." : ""}`);
    this.find("canvas").setAttribute("aria-label", `${this.title}, with ${many} ${many === 1 ? "face" : "faces"}`);
    this.find(".faces").replaceChildren(...faces.map((face, i) => this.drawFace(face, i, labels[i], choose)));
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
    this.chosen = face.box;
    this.mark(face.box);
    this.chose(this);
  }

  /** Mark the face that is compared: the one whose box overlaps most with `box`. */
  mark(box) {
    const shared = this.faces.map((face) => overlap(face.box, box));
    const compared = shared.indexOf(Math.max(...shared));
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

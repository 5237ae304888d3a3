/** Bring photos to their places: chosen, dropped or pasted. */

/** Take photos for `places`; two at once fill two places. */
export function takePhotosFor(places) {
  const view = places[0].element.closest(".view");
  for (const place of places) {
    const input = place.find("input");
    input.addEventListener("change", () => {
      spread([...input.files], place, places);
      input.value = ""; // the same file may be chosen again
    });
    for (const type of ["dragenter", "dragover"]) {
      place.element.addEventListener(type, () => place.element.classList.add("over"));
    }
    for (const type of ["dragleave", "drop"]) {
      place.element.addEventListener(type, () => place.element.classList.remove("over"));
    }
  }
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault(); // else the browser opens the photo in place of the page
    if (!view.hidden) spread(event.dataTransfer.files, placeOf(event, places), places);
  });
  document.addEventListener("paste", (event) => {
    if (view.hidden || !event.clipboardData.files.length || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    spread(event.clipboardData.files, placeOf(event, places), places);
  });
}

/** Return the place that a photo is meant for: where it was dropped or pasted, else the first empty one. */
function placeOf(event, places) {
  const at = places.find((place) => place.element.contains(event.target));
  return at ?? places.find((place) => !place.file) ?? places.at(-1);
}

function spread(files, first, places) {
  const order = files.length > 1 ? places : [first];
  order.forEach((place, i) => files[i] && place.take(files[i]));
}

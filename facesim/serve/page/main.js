/** Start the page: its views, and what it says of itself. */

import { startComparing } from "./compare.js";
import { startGallery } from "./gallery.js";

const LOCAL = ["localhost", "127.0.0.1", "[::1]"];
const views = [...document.querySelectorAll(".view")];
const links = [...document.querySelectorAll("nav a")];

/** Show the view that the address names, else the first. */
function showView() {
  const view = views.find((one) => `#${one.id}` === location.hash) ?? views[0];
  for (const one of views) one.hidden = one !== view;
  for (const link of links) {
    if (link.hash === `#${view.id}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
}

addEventListener("hashchange", showView);
showView();
startComparing();
if (document.getElementById("gallery")) startGallery();
if (!LOCAL.includes(location.hostname)) {
  document.getElementById("leaves").lastChild.textContent =
    ` your photos go to facesim on ${location.host}, and no further.`;
}

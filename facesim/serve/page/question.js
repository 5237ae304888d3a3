/** Ask the user in a dialog, and do what the answer asks for while it is open. */

import { sentence } from "./api.js";

/** Ask; `act(answer, dialog)` is called with the answer, and keeps the dialog open by returning false or throwing.
 *
 * `answer` is what the text field holds at first; without it there is none. `changed()` is called as it is edited.
 */
export async function askUser({ title, text = "", yes, answer, act, changed = () => {} }) {
  const element = document.getElementById("question");
  const find = (selector) => element.querySelector(selector);
  const [field, input, button] = [find(".answer"), find("input"), find(".yes")];
  const dialog = {
    fail: (problem) => (find(".error").textContent = sentence(problem)),
    offer: (words) => (button.textContent = words),
  };
  find("h2").textContent = title;
  find(".text").textContent = text;
  field.hidden = answer === undefined;
  input.required = !field.hidden;
  input.value = answer ?? "";
  dialog.fail("");
  dialog.offer(yes);
  input.oninput = () => (dialog.fail(""), dialog.offer(yes), changed());
  find(".no").onclick = () => element.close();
  find("form").onsubmit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      if ((await act(input.value.trim(), dialog)) !== false) element.close();
    } catch (error) {
      dialog.fail(error.message);
    }
    button.disabled = false;
  };
  element.showModal();
  (field.hidden ? find(".no") : input).focus();
  if (!field.hidden) input.select();
  await new Promise((resolve) => element.addEventListener("close", resolve, { once: true }));
}

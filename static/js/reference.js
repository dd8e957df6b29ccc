/* Suggestions below the field of a reference (envvars/_secret_name.html): an editable combobox with a listbox, as in
   https://www.w3.org/WAI/ARIA/apg/patterns/combobox/. htmx asks and cancels; what an option puts into the field, and
   where the caret goes, comes with the option. And what Check found goes when something else is typed. */
const box = document.querySelector("[data-combobox]");
const input = box.querySelector("input");
const popup = box.querySelector("[data-combobox-popup]");
const status = box.querySelector("[data-combobox-status]");
const answer = box.querySelector("[data-combobox-answer]");
const MOVE_CARET = ["ArrowLeft", "ArrowRight", "Home", "End"];
const SAY_WAITING = 800; // ms; an answer that comes sooner speaks for itself

let wanted = false; // whether suggestions are to be seen
let first = false; // whether the first one is to be pointed at when they come
let active = null;
let waiting = 0;

const options = () => [...answer.querySelectorAll("[role='option']")];

input.setAttribute("role", "combobox");
input.setAttribute("aria-autocomplete", "list");
input.setAttribute("aria-expanded", "false");
input.setAttribute("aria-controls", "reference-options");

function point(option) {
  active?.setAttribute("aria-selected", "false");
  active = option ?? null;
  if (!active) return input.removeAttribute("aria-activedescendant");
  active.setAttribute("aria-selected", "true");
  active.scrollIntoView({ block: "nearest" });
  input.setAttribute("aria-activedescendant", active.id);
}

function ask() {
  wanted = true;
  box.dispatchEvent(new Event("suggest"));
}

function close() {
  wanted = first = false;
  popup.hidden = true;
  clearTimeout(waiting);
  status.textContent = "";
  point(null);
  input.setAttribute("aria-expanded", "false");
  htmx.trigger(box, "htmx:abort");
}

function choose({ dataset: { before, after } }) {
  input.value = before + after;
  input.setSelectionRange(before.length, before.length);
  input.dispatchEvent(new Event("change", { bubbles: true }));
  close();
}

function move(by) {
  const all = options();
  if (popup.hidden || !all.length) {
    first = true;
    return ask();
  }
  const place = all.indexOf(active) + by;
  point(all.at(active || by > 0 ? place % all.length : -1));
}

input.addEventListener("input", ask);
input.addEventListener("click", ask);
input.addEventListener("blur", close);

input.addEventListener("keydown", (event) => {
  if (event.isComposing || event.ctrlKey || event.metaKey) return;
  const acts = {
    ArrowDown: () => move(1),
    ArrowUp: () => !popup.hidden && move(-1),
    Enter: () => (active ? choose(active) : close()),
    Escape: close,
  };
  if (MOVE_CARET.includes(event.key)) close(); // what is offered was for where it stood
  // Without a list Enter sends the form and Escape is the browser's.
  const takes = { ArrowDown: true, ArrowUp: true, Enter: active, Escape: !popup.hidden };
  if (takes[event.key]) event.preventDefault();
  acts[event.key]?.();
});

// The focus stays in the field whatever is pressed in the list.
popup.addEventListener("mousedown", (event) => event.preventDefault());
popup.addEventListener("click", (event) => {
  const option = event.target.closest("[role='option']");
  if (option) choose(option);
});

box.addEventListener("htmx:configRequest", (event) => {
  if (!wanted) return event.preventDefault(); // closed while it waited for a pause in typing
  event.detail.parameters.before = input.value.slice(0, input.selectionStart);
  event.detail.parameters.after = input.value.slice(input.selectionStart);
});

box.addEventListener("htmx:beforeRequest", () => {
  popup.hidden = false;
  clearTimeout(waiting);
  waiting = setTimeout(() => (status.textContent = status.dataset.waiting), SAY_WAITING);
});

box.addEventListener("htmx:beforeSwap", (event) => {
  if (!wanted) event.detail.shouldSwap = false;
});

box.addEventListener("htmx:afterSwap", () => {
  clearTimeout(waiting);
  const message = answer.querySelector("[data-combobox-message]");
  const all = options();
  point(first ? all[0] : null);
  first = false;
  popup.hidden = !message;
  input.setAttribute("aria-expanded", String(all.length > 0));
  status.textContent = message?.textContent ?? "";
});

box.addEventListener("htmx:responseError", close);
box.addEventListener("htmx:sendError", close);

const check = document.getElementById("reference-check");
const chosen = ["source", "version_stage"];

for (const name of ["input", "change"]) {
  input.form.addEventListener(name, ({ target }) => {
    if (target === input || chosen.includes(target.name)) check.replaceChildren();
    if (chosen.includes(target.name)) close(); // what is offered was of another vault
  });
}

/* What every form gets: the focus on its first invalid field (or on what is wrong with all of it), and no second
   submission while the first is under way. */
(document.querySelector("form [aria-invalid='true']") ?? document.querySelector("form [data-form-errors]"))?.focus();

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || form.hasAttribute("hx-post")) return; // htmx keeps its own order (hx-sync)
  if (form.ariaBusy === "true") event.preventDefault();
  form.ariaBusy = "true";
});

// Back from the browser's page cache the form may be sent again.
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[aria-busy]").forEach((form) => form.removeAttribute("aria-busy"));
});

/* The upload's progress, and a plan that is gone once the file or a choice is another one (imports/page.html). */
const form = document.querySelector("[data-import]");
const bar = form.querySelector("progress");
const plan = document.querySelector("#import-plan");

form.addEventListener("htmx:xhr:progress", ({ detail }) => {
  if (!detail.lengthComputable) return;
  bar.hidden = false;
  bar.value = (100 * detail.loaded) / detail.total;
});

form.addEventListener("htmx:afterRequest", () => {
  bar.hidden = true;
});

form.addEventListener("change", () => plan.replaceChildren());

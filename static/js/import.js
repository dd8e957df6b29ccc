/* How far an upload and its import are, and a plan that is gone once the file or a choice is another one */
/* (imports/page.html). */
const form = document.querySelector("[data-import]");
const bar = form.querySelector("progress");
const plan = document.querySelector("#import-plan");
const EVERY = 500; // milliseconds between two questions
let asking = 0;

const show = (percent) => {
  bar.hidden = false;
  if (percent === null) bar.removeAttribute("value");
  else bar.value = percent;
};

async function ask() {
  const answer = await fetch(`?progress=${form.elements.ticket.value}`).catch(() => null);
  if (!answer?.ok || !asking) return;
  const { percent } = await answer.json();
  if (asking && percent !== null) show(percent);
}

form.addEventListener("htmx:xhr:progress", ({ detail }) => {
  if (detail.lengthComputable && detail.loaded < detail.total) show((100 * detail.loaded) / detail.total);
});

form.addEventListener("htmx:beforeRequest", () => {
  show(null);
  clearInterval(asking);
  asking = setInterval(ask, EVERY);
});

form.addEventListener("htmx:afterRequest", () => {
  clearInterval(asking);
  asking = 0;
  bar.hidden = true;
});

form.addEventListener("change", ({ target }) => {
  if (!plan.contains(target)) plan.replaceChildren();
});

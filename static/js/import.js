/* How far an upload and its import are, and a plan that is gone once the file or a choice is another one */
/* (imports/page.html). */
const form = document.querySelector("[data-import]");
const plan = document.querySelector("#import-plan");
const EVERY = 500; // milliseconds between two questions
let asking = 0;
let place = null; // below the button that was pressed

const show = (percent) => {
  const bar = place.querySelector("progress");
  place.hidden = false;
  if (percent === null) bar.removeAttribute("value");
  else bar.value = percent;
};

async function ask() {
  const answer = await fetch(`?progress=${form.elements.ticket.value}`).catch(() => null);
  if (!answer?.ok || answer.redirected || !asking) return; // redirected: signed out meanwhile
  const { percent } = await answer.json();
  if (asking && percent !== null) show(percent);
}

form.addEventListener("htmx:xhr:progress", ({ detail }) => {
  if (detail.lengthComputable && detail.loaded < detail.total) show((100 * detail.loaded) / detail.total);
});

form.addEventListener("htmx:beforeRequest", ({ detail }) => {
  const button = detail.requestConfig.triggeringEvent?.submitter;
  const panel = plan.contains(button) ? plan : form;
  place = panel.querySelector("[data-progress]");
  show(null);
  clearInterval(asking);
  asking = setInterval(ask, EVERY);
});

form.addEventListener("htmx:afterRequest", () => {
  clearInterval(asking);
  asking = 0;
  place.hidden = true;
});

form.addEventListener("change", ({ target }) => {
  if (!plan.contains(target)) plan.replaceChildren();
});

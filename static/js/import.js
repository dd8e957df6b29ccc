/* How far an upload and its import are, and a plan that is gone once the file or a choice is another one */
/* (imports/page.html). */
const form = document.querySelector("[data-import]");
const sections = form.querySelectorAll(".section");
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
  if (!answer?.ok || answer.redirected || !asking) return; // redirected: signed out meanwhile
  const { percent } = await answer.json();
  if (asking && percent !== null) show(percent);
}

/* A browser that looks at the file again before it sends it fails where it is another one by now. */
const readable = (file) => file.slice(0, 1).arrayBuffer().then(() => true, () => false);

form.addEventListener("htmx:confirm", async (event) => {
  const inputs = [...form.querySelectorAll("[type='file']")].filter(({ files }) => files.length);
  event.preventDefault();
  for (const input of inputs) {
    if (await readable(input.files[0])) continue;
    input.value = "";
    plan.replaceChildren(document.querySelector("#import-changed").content.cloneNode(true));
    input.focus();
    return;
  }
  // What an earlier request noted is not this one's. Without HTTPS a browser makes none, and the bar tells no number.
  form.elements.ticket.value = crypto.randomUUID?.() ?? "";
  event.detail.issueRequest();
});

form.addEventListener("htmx:xhr:progress", ({ detail }) => {
  if (detail.lengthComputable && detail.loaded < detail.total) show((100 * detail.loaded) / detail.total);
});

const wait = (is) => sections.forEach((section) => { section.inert = is; });

form.addEventListener("htmx:beforeRequest", ({ detail }) => {
  detail.elt.after(bar);
  show(null);
  wait(true);
  clearInterval(asking);
  asking = setInterval(ask, EVERY);
});

form.addEventListener("htmx:afterRequest", () => {
  clearInterval(asking);
  asking = 0;
  bar.hidden = true;
  wait(false);
});

form.addEventListener("htmx:afterSettle", () => {
  (plan.querySelector("[aria-invalid='true']") ?? plan.querySelector("[tabindex='-1']"))?.focus();
});

form.addEventListener("change", ({ target }) => {
  if (!plan.contains(target)) plan.replaceChildren();
});

/* Enter in the number of removals would press the form's first button. */
plan.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.target.name !== "removals") return;
  event.preventDefault();
  plan.querySelector("[name='plan']").click();
});

/* Start every toast, those of the page and those that htmx appends later; remove it when it has left.
   Bootstrap counts the seconds and waits while a toast is hovered or focused. */
const region = document.getElementById("toasts");
const MOST = 4; // more would cover the page; the oldest goes

function start(toast) {
  toast.addEventListener("hidden.bs.toast", () => toast.remove());
  bootstrap.Toast.getOrCreateInstance(toast).show();
}

function startAll() {
  region.querySelectorAll(".toast:not([data-started])").forEach((toast) => {
    toast.dataset.started = "";
    start(toast);
  });
  [...region.querySelectorAll(".toast")].slice(0, -MOST).forEach((toast) => toast.remove());
}

if (region) {
  startAll();
  new MutationObserver(startAll).observe(region, { childList: true });
}

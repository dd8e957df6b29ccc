/* Answers to htmx that do not belong into the page: a lost session, a refused form, an error, none at all. */
function sayBroken() {
  const toast = document.getElementById("toast-broken").content.cloneNode(true);
  document.getElementById("toasts").append(toast); // toasts.js starts it
}

/* Somebody who was signed out is redirected to sign-in: loading the page again leads there, and back. */
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, pathInfo } = event.detail;
  if (new URL(xhr.responseURL).pathname === pathInfo.requestPath) return;
  event.detail.shouldSwap = false;
  location.reload();
});

/* A right that was taken away, a form from before the last sign-in, or (400) a sign-in that ended while the server was
   at work: a fresh page says which. */
document.addEventListener("htmx:responseError", (event) => {
  if ([400, 403].includes(event.detail.xhr.status)) location.reload();
  else sayBroken();
});

document.addEventListener("htmx:sendError", sayBroken);

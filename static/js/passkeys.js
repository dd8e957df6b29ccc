/* Ask the browser for a passkey (mfa/webauthn/_use.html) or for a new one (mfa/webauthn/add_form.html). allauth's own
   script, loaded before this one, talks to the browser and sends the form; it tells of failures by an event. */
const form = document.querySelector("form[data-passkey]");
const problem = form?.querySelector("[data-passkey-problem]");

function tell() {
  problem.textContent = problem.dataset.passkeyProblem;
}

document.addEventListener("allauth.error", (event) => {
  event.preventDefault(); // or it goes to the console
  tell();
});

if (form) {
  const ids = {
    add: "passkey-button",
    authenticate: "passkey-button",
    credential: form.querySelector("[name='credential']").id,
    data: "passkey-options",
  };
  const { addForm, authenticateForm } = window.allauth.webauthn.forms;
  (form.dataset.passkey === "add" ? addForm : authenticateForm)({ ids });

  // Enter in a field of the form does what the button does: without an answer there is nothing to send.
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    document.getElementById(ids.add).click();
  });
}

/* A stored secret (components/stored_field.html): opening it moves the focus to the field, closing it keeps what is stored. */
function empty(input) {
  input.value = "";
  input.dispatchEvent(new Event("input", { bubbles: true })); // for whoever follows what is typed
}

document.querySelectorAll("[data-stored]").forEach((details) => {
  const input = details.querySelector("input, textarea");
  details.addEventListener("toggle", () => {
    if (details.open) input.focus();
    else empty(input);
  });
});

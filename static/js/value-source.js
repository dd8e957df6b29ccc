/* Show only the fields that the chosen value source needs; the server ignores the others either way. */
const source = document.querySelector("select[name='source']");

function apply() {
  const needed = source.value === "direct" ? "direct" : "secret";
  document.querySelectorAll("[data-source]").forEach((part) => {
    part.hidden = part.dataset.source !== needed;
  });
}

source.addEventListener("change", apply);
apply();

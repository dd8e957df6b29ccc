/* Show what is typed into a masked text area, and mask it again. */
document.querySelectorAll("[data-reveal]").forEach((button) => {
  button.addEventListener("click", () => {
    const shown = button.closest(".secret-area").classList.toggle("secret-shown");
    button.setAttribute("aria-pressed", String(shown));
  });
});

/* Filter a list of check boxes (components/checklist.html) while typing. */
document.querySelectorAll("[data-checklist]").forEach((list) => {
  const filter = list.querySelector("[data-checklist-filter]");
  const none = list.querySelector("[data-checklist-none]");
  const options = [...list.querySelectorAll("[data-checklist-option]")];

  function apply() {
    const wanted = filter.value.trim().toLocaleLowerCase();
    options.forEach((option) => {
      option.hidden = !option.textContent.toLocaleLowerCase().includes(wanted);
    });
    none.hidden = options.some((option) => !option.hidden);
  }

  filter?.addEventListener("input", apply);
  // Enter would send the whole form.
  filter?.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
});

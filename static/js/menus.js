/* Close an open <details class="menu"> on Escape, on a click elsewhere and when the focus leaves it. */
function closeAllBut(target) {
  document.querySelectorAll("details.menu[open]").forEach((menu) => {
    if (!menu.contains(target)) menu.open = false;
  });
}

document.addEventListener("click", (event) => closeAllBut(event.target));

document.addEventListener("focusin", (event) => closeAllBut(event.target));

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

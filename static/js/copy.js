/* Copy a command (components/command.html); where the browser has no clipboard (a page without TLS) the button goes. */
document.querySelectorAll("[data-copyable]").forEach((block) => {
  const button = block.querySelector("[data-copy]");
  const done = block.querySelector("[data-copied]");
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.querySelector("code").textContent);
    done.textContent = done.dataset.copied;
    setTimeout(() => (done.textContent = ""), 2000);
  });
});

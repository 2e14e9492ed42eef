// @ts-check
// admin.js: the settings' own buttons. Hooks are data- attributes.

// Unfold marks no landmark: without one, a screen reader cannot jump past the menu.
document.addEventListener("DOMContentLoaded", () => document.getElementById("main")?.setAttribute("role", "main"));

document.addEventListener("click", async (event) => {
  const button = /** @type {HTMLElement} */ (event.target).closest("[data-copy]");
  if (!(button instanceof HTMLElement)) return;
  const line = document.getElementById(button.dataset.copy ?? ""), told = button.parentElement?.querySelector("[data-copied]");
  if (!line) return;
  try {
    await navigator.clipboard.writeText(line.textContent ?? "");
    if (told instanceof HTMLElement) told.hidden = false;
  } catch {
    // No permission, or no secure origin: select it, so that one key copies it.
    getSelection()?.selectAllChildren(line);
  }
});

// Unfold writes a chosen file's name into the text field beside its own kind of file field; ours has none.
document.addEventListener("change", (event) => {
  const chosen = event.target;
  if (!(chosen instanceof HTMLInputElement) || !chosen.matches(".bab-drop")) return;
  event.stopPropagation();
  // Said here: the server refuses a larger request before it can answer with this page.
  const bytes = [...(chosen.files ?? [])].reduce((sum, file) => sum + file.size, 0);
  chosen.setCustomValidity(bytes > Number(chosen.dataset.mostBytes ?? Infinity) ? chosen.dataset.tooMuch ?? "" : "");
  chosen.reportValidity();
}, { capture: true });

// Unfold's scroll boxes all bear one name: a screen reader lists them, and nobody can tell which is which.
addEventListener("load", () => {
  for (const box of document.querySelectorAll(".simplebar-content-wrapper")) {
    const where = box.closest("#nav-sidebar-apps") ? "Menu" : box.querySelector("table") ? "Table" : "More";
    box.setAttribute("aria-label", where);
  }
});

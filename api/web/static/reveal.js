// A button under each password field shows what was typed: nobody types well on a phone without seeing it.
for (const field of document.querySelectorAll('input[type="password"]')) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet reveal";
  button.textContent = document.body.dataset.reveal;
  button.setAttribute("aria-pressed", "false");
  button.setAttribute("aria-controls", field.id);
  button.addEventListener("click", () => {
    const shown = field.type === "password";
    field.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  });
  field.after(button);
  // Nothing typed here may stay readable in a page that is left.
  field.form?.addEventListener("submit", () => { field.type = "password"; });
}

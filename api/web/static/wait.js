// Looks every second and a half whether the shown code was scanned, and goes on by itself.
const waiting = document.getElementById("waiting");
const EVERY_MILLISECONDS = 1500;

async function look() {
  const answer = await fetch(waiting.dataset.state, { headers: { accept: "application/json" } });
  if (!answer.ok) return;
  const { state } = await answer.json();
  if (state === "offered") setTimeout(look, EVERY_MILLISECONDS);
  else location.assign(waiting.dataset.next);
}

waiting.hidden = false;
setTimeout(look, EVERY_MILLISECONDS);

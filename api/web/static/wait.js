// The shown code: counts down, looks every second and a half whether it was scanned, and goes on by itself.
const waiting = document.getElementById("waiting");
const clock = document.getElementById("left");
const spoken = document.getElementById("left-spoken");
const EVERY_MILLISECONDS = 1500;
const ends = Date.now() + Number(clock.dataset.seconds) * 1000;

async function look() {
  const answer = await fetch(waiting.dataset.state, { headers: { accept: "application/json" } });
  if (answer.ok && (await answer.json()).state !== (waiting.dataset.while ?? "offered")) location.reload();
  else setTimeout(look, EVERY_MILLISECONDS);
}

function words(seconds) {
  const parts = { minutes: Math.floor(seconds / 60), seconds: String(seconds % 60).padStart(2, "0") };
  return clock.dataset.words.replace("{minutes}", parts.minutes).replace("{seconds}", parts.seconds);
}

function tick() {
  const seconds = Math.max(0, Math.ceil((ends - Date.now()) / 1000));
  clock.textContent = words(seconds);
  // A screen reader hears whole minutes and the last half minute, not every second.
  if (seconds % 60 === 0 || seconds === 30) spoken.textContent = words(seconds);
  if (seconds === 0) location.reload();
  else setTimeout(tick, 1000);
}

waiting.hidden = false;
document.getElementById("scanned").hidden = true;
setTimeout(look, EVERY_MILLISECONDS);
tick();

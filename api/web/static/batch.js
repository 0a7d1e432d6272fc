// Moves the bar of a batch, tells how long it still takes, and loads the results when it is through.
const box = document.getElementById("batch");
const bar = document.getElementById("batch-bar");
const left = document.getElementById("batch-left");
const EVERY_MILLISECONDS = 1000;
const began = { at: Date.now(), judged: bar.value };

function tell({ judged, total }) {
  bar.value = judged;
  box.querySelector("label").textContent = box.querySelector("label").textContent.replace(/\d+/, judged);
  const rate = (judged - began.judged) / (Date.now() - began.at);
  if (rate > 0) left.textContent = `≈\u00a0${Math.ceil((total - judged) / rate / 1000)}\u00a0s`;
}

async function look() {
  const answer = await fetch(box.dataset.state, { headers: { accept: "application/json" } });
  if (answer.ok) {
    const state = await answer.json();
    tell(state);
    if (state.finished) location.reload();
  }
  if (answer.status < 500 && !answer.ok) return;
  setTimeout(look, EVERY_MILLISECONDS);
}

if (box.dataset.finished === "no") setTimeout(look, EVERY_MILLISECONDS);

// The screen of a QR sign-in asks every second and a half whether the phone agreed, and goes on by itself.
const form = document.getElementById("qr-sign-in");
const waiting = document.getElementById("qr-wait");
const EVERY_MILLISECONDS = 1500;

async function look() {
  const answer = await fetch(form.action, {
    method: "POST",
    body: new URLSearchParams(new FormData(form)),
    headers: { accept: "application/json" },
  });
  const found = answer.ok ? await answer.json() : { state: "waiting" };
  if (found.next) {
    location.assign(found.next);
  } else if (found.state === "gone") {
    waiting.hidden = true;
    document.getElementById("qr-gone").hidden = false;
  } else {
    setTimeout(look, EVERY_MILLISECONDS);
  }
}

form.hidden = true;
waiting.hidden = false;
setTimeout(look, EVERY_MILLISECONDS);

// The verify page: a code's link, a dropped file, the camera. Without script the forms work alone.
import { canRead, scan } from "./offline/codes.js";
import { keepForOffline } from "./offline/keep.js";

keepForOffline();

const qrForm = document.getElementById("qr-form");
const text = document.getElementById("text");

// A code is a link whose fragment holds the payload: it is posted in a body, never sent in an address.
function submitFragment() {
  const fragment = location.hash.slice(1);
  if (!fragment.startsWith("HF1")) return;
  // What led here leads here, whatever name of ours it used: no link is left to judge.
  text.value = fragment;
  history.replaceState(null, "", location.pathname);
  document.getElementById("scanned").hidden = false;
  qrForm.submit();
}
submitFragment();
addEventListener("hashchange", submitFragment);

const drop = document.getElementById("drop");
const pdfForm = document.getElementById("pdf-form");
const file = document.getElementById("document");

for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  if (!event.dataTransfer.files.length) return;
  file.files = event.dataTransfer.files;
  pdfForm.requestSubmit();
});
// A file dropped beside the zone must not replace the page.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());
pdfForm.addEventListener("submit", () => { document.getElementById("pdf-busy").hidden = false; });
addEventListener("pageshow", () => { document.getElementById("pdf-busy").hidden = true; });

const open = document.getElementById("camera-open");

if (navigator.mediaDevices && canRead(open.dataset.reader)) {
  open.hidden = false;
  open.addEventListener("click", async () => {
    const found = await scan(document.getElementById("camera-view"), open.dataset.reader).catch(() => null);
    open.hidden = !found;
    if (!found) return;
    text.value = found;
    qrForm.submit();
  });
}

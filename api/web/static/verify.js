// The verify page: a code's link, a dropped file, the camera. Without script the forms work alone.
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
const view = document.getElementById("camera-view");

async function scan() {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  document.getElementById("camera").hidden = false;
  view.srcObject = stream;
  await view.play();
  const detector = new BarcodeDetector({ formats: ["qr_code"] });
  const stop = () => { for (const track of stream.getTracks()) track.stop(); document.getElementById("camera").hidden = true; };
  const look = async () => {
    const codes = await detector.detect(view);
    const found = codes.find((code) => code.rawValue.includes("HF1"));
    if (!found) return requestAnimationFrame(look);
    stop();
    text.value = found.rawValue;
    qrForm.submit();
    return undefined;
  };
  look();
}

if ("BarcodeDetector" in window && navigator.mediaDevices) {
  open.hidden = false;
  open.addEventListener("click", () => { scan().catch(() => { open.hidden = true; }); });
}

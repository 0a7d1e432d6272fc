// Finds HF1 codes in pictures and before the camera, with the browser's own reader or the module kept beside this page.
async function reader(place) {
  if ("BarcodeDetector" in window) {
    const detector = new BarcodeDetector({ formats: ["qr_code"] });
    return async (picture) => (await detector.detect(picture)).map((code) => code.rawValue);
  }
  const { prepareZXingModule, readBarcodes } = await import(`${place}es/reader/index.js`);
  await prepareZXingModule({ overrides: { locateFile: () => `${place}reader/zxing_reader.wasm` }, fireImmediately: true });
  return async (picture) => (await readBarcodes(picture, { formats: ["QRCode"], tryHarder: true })).map((code) => code.text);
}

// Whether codes can be read here at all; `place` is where the module is served, empty where it is not installed.
export const canRead = (place) => "BarcodeDetector" in window || Boolean(place);

let opened = null;

async function codeIn(source, width, height, place) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(source, 0, 0);
  opened ??= reader(place);
  const found = await (await opened)(context.getImageData(0, 0, width, height));
  return found.find((text) => text.toUpperCase().includes("HF1")) ?? null;
}

// The code in a picture file; null when there is none, or no picture.
export async function codeInFile(file, place) {
  const picture = await createImageBitmap(file).catch(() => null);
  return picture && codeIn(picture, picture.width, picture.height, place);
}

// Show the camera in `view` until a code is before it.
export async function scan(view, place) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  try {
    view.parentElement.hidden = false;
    view.srcObject = stream;
    await view.play();
    for (;;) {
      const found = await codeIn(view, view.videoWidth, view.videoHeight, place);
      if (found) return found;
      await new Promise(requestAnimationFrame);
    }
  } finally {
    for (const track of stream.getTracks()) track.stop();
    view.parentElement.hidden = true;
  }
}

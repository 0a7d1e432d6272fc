// Placing the seal: by mouse, finger or arrow keys; the number fields are the truth and work alone.
const POINTS_PER_MM = 72 / 25.4;
const STEP_MM = 1;
const LARGE_STEP_MM = 10;

const sheet = document.getElementById("sheet");
const seal = document.getElementById("seal");
const fields = { x: document.getElementById("x"), y: document.getElementById("y"), size: document.getElementById("size") };
const invisible = document.querySelector('input[name="invisible"]');
const page = { width: Number(sheet.dataset.width) / POINTS_PER_MM, height: Number(sheet.dataset.height) / POINTS_PER_MM };

function read() {
  const value = (field) => Number.parseFloat(field.value.replace(",", "."));
  return { x: value(fields.x), y: value(fields.y), size: value(fields.size) };
}

function write(place) {
  const limit = (value, most) => Math.min(Math.max(value, 0), Math.max(0, most));
  fields.x.value = limit(place.x, page.width - place.size).toFixed(1).replace(/\.0$/, "");
  fields.y.value = limit(place.y, page.height - place.size).toFixed(1).replace(/\.0$/, "");
  draw();
}

function draw() {
  const place = read();
  const shown = !invisible.checked && [place.x, place.y, place.size].every(Number.isFinite) && place.size > 0;
  seal.hidden = !shown;
  if (!shown) return;
  seal.style.setProperty("left", `${(100 * place.x) / page.width}%`);
  seal.style.setProperty("bottom", `${(100 * place.y) / page.height}%`);
  seal.style.setProperty("width", `${(100 * place.size) / page.width}%`);
  seal.style.setProperty("height", `${(100 * place.size) / page.height}%`);
}

let held = null;

seal.addEventListener("pointerdown", (event) => {
  held = { pointerX: event.clientX, pointerY: event.clientY, place: read() };
  seal.setPointerCapture(event.pointerId);
});
seal.addEventListener("pointermove", (event) => {
  if (!held) return;
  const scale = page.width / sheet.clientWidth;
  const { x, y, size } = held.place;
  write({ x: x + (event.clientX - held.pointerX) * scale, y: y - (event.clientY - held.pointerY) * scale, size });
});
for (const end of ["pointerup", "pointercancel"]) seal.addEventListener(end, () => { held = null; });

seal.addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const move = moves[event.key];
  if (!move) return;
  event.preventDefault();
  const step = event.shiftKey ? LARGE_STEP_MM : STEP_MM;
  const { x, y, size } = read();
  write({ x: x + move[0] * step, y: y + move[1] * step, size });
});

for (const field of [...Object.values(fields), invisible]) field.addEventListener("input", draw);
draw();

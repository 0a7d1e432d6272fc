// Placing the seal: by mouse, finger or arrow keys; the form's fields are the truth and work alone.
const POINTS_PER_MM = 72 / 25.4;
const STEP_MM = 1;
const LARGE_STEP_MM = 10;
const SEAM_HEIGHTS = { upper: 0.75, middle: 0.5, lower: 0.25 };

const sheet = document.getElementById("sheet");
const seal = document.getElementById("seal");
const fields = { x: document.getElementById("x"), y: document.getElementById("y"), size: document.getElementById("size") };
const form = document.getElementById("place");
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

// The strip of the seal that this page carries: groups of sheets as equal as can be.
function strip() {
  const [page, pages, sheets] = ["page", "pages", "seamSheets"].map((name) => Number(sheet.dataset[name]));
  const groups = Math.ceil(pages / sheets);
  let before = 0;
  for (let group = 0; ; group += 1) {
    const count = Math.floor(pages / groups) + (group < pages % groups ? 1 : 0);
    if (page <= before + count) return { index: page - 1 - before, count };
    before += count;
  }
}

// The whole picture, hung over the edge so that its own strip lies on the paper; the rest is cut away.
function onSeam(size) {
  const right = form.elements.edge.value === "right";
  const { index: turn, count } = strip();
  const index = right ? turn : count - 1 - turn;
  const middle = SEAM_HEIGHTS[form.elements.height.value] * page.height;
  return {
    x: right ? page.width - ((index + 1) * size) / count : (-index * size) / count,
    y: Math.min(Math.max(middle - size / 2, 0), page.height - size),
    size,
    clip: `inset(0 ${(100 * (count - 1 - index)) / count}% 0 ${(100 * index) / count}%)`,
  };
}

function draw() {
  const kind = form.elements.kind.value;
  const typed = read();
  const place = kind === "seam" ? onSeam(typed.size) : { ...typed, clip: "none" };
  const placed = ["page", "every", "seam"].includes(kind);
  const shown = placed && [place.x, place.y, place.size].every(Number.isFinite) && place.size > 0;
  seal.hidden = !shown;
  seal.disabled = kind === "seam";
  carryAlong();
  if (!shown) return;
  seal.style.setProperty("left", `${(100 * place.x) / page.width}%`);
  seal.style.setProperty("bottom", `${(100 * place.y) / page.height}%`);
  seal.style.setProperty("width", `${(100 * place.size) / page.width}%`);
  seal.style.setProperty("height", `${(100 * place.size) / page.height}%`);
  seal.style.setProperty("clip-path", place.clip);
}

// Looking at another page keeps what was chosen; the keyword stays out of addresses.
function carryAlong() {
  for (const link of document.querySelectorAll(".pages a")) {
    const address = new URL(link.href);
    for (const name of ["kind", "x", "y", "size", "which", "edge", "height"]) {
      address.searchParams.set(name, form.elements[name].value);
    }
    link.href = address.href;
  }
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

form.addEventListener("input", draw);
draw();

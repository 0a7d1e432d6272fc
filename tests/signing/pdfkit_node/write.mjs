// Writes a PDF/A of every flavour PDFKit knows, plain and rich, into the directory given; font.ttf is in it.
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import PDFDocument from "pdfkit";

const [directory] = process.argv.slice(2);
const VERSIONS = { 1: "1.4", 2: "1.7", 3: "1.7" };

function write(part, conformance, rich) {
  const subset = `PDF/A-${part}${conformance}`;
  const tagged = conformance === "a";
  const document = new PDFDocument({
    subset,
    pdfVersion: VERSIONS[part],
    tagged,
    lang: "en",
    compress: rich,
    font: join(directory, "font.ttf"),
    info: { Title: "Food business licence", CreationDate: new Date(0) },
  });
  document.pipe(createWriteStream(join(directory, `${part}${conformance} ${rich ? "drawn" : "plain"}.pdf`)));
  const text = () => document.fontSize(16).text("Food business licence", 72, 72);
  if (tagged) document.addStructure(document.struct("P", text));
  else text();
  if (rich && !tagged) {
    document.rect(100, 200, 120, 60).fillAndStroke("#b3261e", "#1c2430");
    document.moveTo(100, 300).bezierCurveTo(200, 250, 250, 380, 400, 300).stroke("#1a7f5a");
    document.addPage({ size: "A5", layout: "landscape" }).text("Second page", 40, 40);
  }
  document.end();
}

for (const part of [1, 2, 3]) {
  for (const conformance of ["a", "b"]) {
    write(part, conformance, false);
    write(part, conformance, true);
  }
}

// Judges codes by packs with the offline page's own modules, which lie beside this file.
import { judge, openPack } from "./judge.js";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { packs, cases, now } = JSON.parse(Buffer.concat(chunks).toString());
const opened = [];
for (const pack of packs) opened.push(await openPack(new Uint8Array(Buffer.from(pack, "base64"))).catch(() => null));
const answers = [];
for (const [text, pack] of cases) {
  const { verdict, reason, checks, dataAsOf } = await judge(text, opened[pack], now);
  answers.push([verdict, reason, checks.map((item) => [item.name, item.outcome, item.outcome === "unknown" ? item.reason : ""]), dataAsOf]);
}
console.log(JSON.stringify({ opened: opened.map(Boolean), answers }));

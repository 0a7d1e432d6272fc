// The formats an offline check reads: base32, CBOR (RFC 8949), zlib, ZIP. Each refuses what it does not know.
export class Malformed extends Error {}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const MAX_DEPTH = 8;
const SIMPLE = new Map([[20, false], [21, true], [22, null]]);

export function base32(text) {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  let buffer = 0, bits = 0, at = 0;
  for (const char of text) {
    const value = ALPHABET.indexOf(char);
    if (value < 0) throw new Malformed("characters no code has");
    buffer = (buffer << 5) | value;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (buffer >> bits) & 255;
      buffer &= (1 << bits) - 1;
    }
  }
  if (buffer !== 0 || bits > 4) throw new Malformed("loose ends");
  return bytes;
}

export function base64(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
}

export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Tagged {
  constructor(tag, value) {
    this.tag = tag;
    this.value = value;
  }
}

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  take(count) {
    if (count > this.bytes.length - this.at) throw new Malformed("cut off");
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  // Shortest lengths only: two encodings of one content would be two texts under one signature.
  argument(low, simple) {
    if (low < 24) return low;
    const size = { 24: 1, 25: 2, 26: 4, 27: 8 }[low];
    if (!size || simple) throw new Malformed("a length not used here");
    const value = this.take(size).reduce((sum, byte) => sum * 256 + byte, 0);
    if (value < 24 || (size > 1 && value < 2 ** (4 * size))) throw new Malformed("not the shortest form");
    return value;
  }

  item(depth) {
    if (depth === 0) throw new Malformed("nested too deeply");
    const [head] = this.take(1);
    const kind = head >> 5, count = this.argument(head & 31, kind === 7);
    switch (kind) {
      case 0: return count;
      case 1: return -1 - count;
      case 2: return this.take(count);
      case 3: return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.take(count));
      case 4: {
        if (count > this.bytes.length - this.at) throw new Malformed("cut off");
        return Array.from({ length: count }, () => this.item(depth - 1));
      }
      case 5: return this.map(count, depth);
      case 6: return new Tagged(count, this.item(depth - 1));
      default: {
        if (!SIMPLE.has(count)) throw new Malformed("a value not used here");
        return SIMPLE.get(count);
      }
    }
  }

  map(count, depth) {
    const found = new Map();
    let previous = "";
    for (let left = count; left > 0; left--) {
      const start = this.at, key = this.item(depth - 1), written = hex(this.bytes.subarray(start, this.at));
      if (!["number", "string"].includes(typeof key) || written <= previous) throw new Malformed("keys not in order");
      previous = written;
      found.set(key, this.item(depth - 1));
    }
    return found;
  }
}

export function cbor(bytes) {
  const reader = new Reader(bytes);
  const value = reader.item(MAX_DEPTH);
  if (reader.at !== bytes.length) throw new Malformed("loose ends");
  return value;
}

export function cborBytes(bytes) {
  const size = bytes.length;
  const head = size < 24 ? [64 + size] : size < 256 ? [88, size] : size < 65536 ? [89, size >> 8, size & 255]
    : [90, size >>> 24, (size >> 16) & 255, (size >> 8) & 255, size & 255];
  return concatenate([Uint8Array.from(head), bytes]);
}

export function concatenate(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export async function inflate(bytes, most, format = "deflate") {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(format)).getReader();
  const parts = [];
  let size = 0;
  try {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      size += chunk.value.length;
      if (size > most) throw new Malformed("too long");
      parts.push(chunk.value);
    }
  } catch (error) {
    throw error instanceof Malformed ? error : new Malformed("damaged");
  }
  return concatenate(parts);
}

const END = 0x06054b50, ENTRY = 0x02014b50, LOCAL = 0x04034b50;

export async function unzip(bytes, most) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== END) end--;
  if (end < 0) throw new Malformed("no pack");
  const files = new Map();
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left--) {
    if (view.getUint32(at, true) !== ENTRY) throw new Malformed("damaged pack");
    const [method, packed, size] = [view.getUint16(at + 10, true), view.getUint32(at + 20, true), view.getUint32(at + 24, true)];
    const [nameSize, extra, comment] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameSize));
    const local = view.getUint32(at + 42, true);
    if (view.getUint32(local, true) !== LOCAL || size > most) throw new Malformed("damaged pack");
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const data = bytes.subarray(start, start + packed);
    files.set(name, method === 8 ? await inflate(data, most, "deflate-raw") : data);
    at += 46 + nameSize + extra + comment;
  }
  return files;
}

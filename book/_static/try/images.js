/* Any image file → the 32×32 RGB pixels that the network is shown: the rule of s12lib/data/image_files.py, byte for byte. */
"use strict";

const SIDE = 32;
const MAX_BYTES = 20e6;
const MAX_PIXELS = 50e6;
const FORMATS = {
  // What a file of each format begins with; a dot stands for any byte.
  JPEG: /^\xff\xd8\xff/,
  PNG: /^\x89PNG\r\n\x1a\n/,
  WEBP: /^RIFF[^]{4}WEBP/,
  GIF: /^GIF8/,
  BMP: /^BM/,
};

/* The chunks of a PNG that count. Gamma and other hints on colours, text, times and animation do not, as in Python. */
const DRAWN = new Set(["IHDR", "PLTE", "tRNS", "IDAT", "IEND", "eXIf", "iCCP"]);

/* Pillow's filters: how much a pixel counts at a distance of x, and the farthest that counts. */
const BOX = { reach: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) };
const BICUBIC = {
  reach: 2,
  weight: (x) => {
    const d = Math.abs(x);
    if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
    return d < 2 ? ((2.5 - 0.5 * d) * d - 4) * d + 2 : 0;
  },
};
const ONE = 2 ** 22; // Pillow's weights are whole numbers of this fraction

/** For each of the 32 new pixels: the first of `size` old ones that counts, and the weights from there on. */
function weightsFor(size, filter) {
  const scale = size / SIDE;
  const stretch = Math.max(scale, 1); // when shrinking, the filter covers as many old pixels as make a new one
  return Array.from({ length: SIDE }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - filter.reach * stretch + 0.5));
    const end = Math.min(size, Math.trunc(centre + filter.reach * stretch + 0.5));
    const raw = Array.from({ length: end - start }, (_, k) => filter.weight((start + k - centre + 0.5) / stretch));
    const sum = raw.reduce((a, b) => a + b);
    return { start, weights: raw.map((w) => Math.sign(w) * Math.round((Math.abs(w) / sum) * ONE)) };
  });
}

/** One line of pixels → 32 pixels, three channels each; `step` lies between one pixel and the next. */
function resampleLine(from, first, step, table, to, toFirst, toStep) {
  table.forEach(({ start, weights }, place) => {
    for (let channel = 0; channel < 3; channel++) {
      let sum = ONE / 2; // rounds
      let at = first + start * step + channel;
      for (const weight of weights) {
        sum += weight * from[at];
        at += step;
      }
      to[toFirst + place * toStep + channel] = Math.floor(sum / ONE); // a clamped array: 0 to 255
    }
  });
}

/** The middle square of an image, on white, at 32×32: `Uint8ClampedArray(32 · 32 · 3)`, RGB row by row. */
function toThirtyTwo(image) {
  const side = Math.min(image.width, image.height);
  const left = Math.floor((image.width - side) / 2);
  const top = Math.floor((image.height - side) / 2);
  const table = weightsFor(side, side > SIDE ? BOX : BICUBIC);
  const rows = Math.min(side, 64); // at a time, so that a large photo needs little memory
  const canvas = Object.assign(document.createElement("canvas"), { width: side, height: rows });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const narrow = new Uint8ClampedArray(side * SIDE * 3);
  for (let row = 0; row < side; row += rows) {
    context.fillStyle = "white";
    context.fillRect(0, 0, side, rows);
    context.drawImage(image, -left, -top - row);
    const { data } = context.getImageData(0, 0, side, rows);
    for (let y = 0; y < rows && row + y < side; y++) {
      resampleLine(data, y * side * 4, 4, table, narrow, (row + y) * SIDE * 3, 3);
    }
  }
  const pixels = new Uint8ClampedArray(SIDE * SIDE * 3);
  for (let x = 0; x < SIDE; x++) resampleLine(narrow, x * 3, SIDE * 3, table, pixels, x * 3, SIDE * 3);
  return pixels;
}

/** What EXIF says in a WebP file of how to hold it, 1 to 8; 1 where it says nothing. Browsers do not look there. */
function orientationOfWebp(view) {
  try {
    return orientationIn(view);
  } catch {
    return 1; // EXIF that points behind the file's end says nothing
  }
}

function orientationIn(view) {
  const word = (at) => String.fromCharCode(...new Uint8Array(view.buffer, at, 4));
  for (let at = 12; at + 8 <= view.byteLength; at += 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) % 2)) {
    if (word(at) !== "EXIF") continue;
    const tiff = at + 8 + (word(at + 8) === "Exif" ? 6 : 0);
    const little = view.getUint8(tiff) === 0x49;
    const entries = tiff + view.getUint32(tiff + 4, little);
    for (let k = 0; k < view.getUint16(entries, little); k++) {
      const entry = entries + 2 + 12 * k;
      if (view.getUint16(entry, little) !== 0x0112) continue;
      const value = view.getUint16(entry + 8, little);
      return value >= 1 && value <= 8 ? value : 1;
    }
  }
  return 1;
}

/** The image turned and mirrored as an orientation of EXIF asks for. */
function turned(image, orientation) {
  if (orientation === 1) return image;
  const { width, height } = image;
  const lies = orientation > 4;
  const canvas = new OffscreenCanvas(lies ? height : width, lies ? width : height);
  const context = canvas.getContext("2d");
  const [w, h] = [width, height];
  const how = {
    2: [-1, 0, 0, 1, w, 0], 3: [-1, 0, 0, -1, w, h], 4: [1, 0, 0, -1, 0, h], 5: [0, 1, 1, 0, 0, 0],
    6: [0, 1, -1, 0, h, 0], 7: [0, -1, -1, 0, h, w], 8: [0, -1, 1, 0, 0, w],
  };
  context.setTransform(...how[orientation]);
  context.drawImage(image, 0, 0);
  image.close();
  return canvas.transferToImageBitmap();
}

/** A PNG without what is passed over. */
async function onlyWhatIsDrawn(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const view = new DataView(bytes.buffer);
  const kept = [bytes.subarray(0, 8)];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const end = at + 12 + view.getUint32(at);
    if (DRAWN.has(String.fromCharCode(...bytes.subarray(at + 4, at + 8)))) kept.push(bytes.subarray(at, end));
    at = end;
  }
  return new Blob(kept, { type: "image/png" });
}

/** A file as the network sees it. What it throws is one sentence for people. */
async function readImage(file) {
  if (file.size > MAX_BYTES) throw Error(`${file.name} is larger than ${MAX_BYTES / 1e6} MB: choose a smaller image.`);
  const head = String.fromCharCode(...new Uint8Array(await file.slice(0, 16).arrayBuffer()));
  if (/^[^]{4}ftyp(hei[cxms]|hevc|mif1|msf1)/.test(head)) {
    throw Error(`${file.name} is in HEIC, which is not read: export it as JPEG.`);
  }
  if (!Object.values(FORMATS).some((format) => format.test(head))) {
    throw Error(`${file.name} is not an image in one of the formats ${Object.keys(FORMATS).join(", ")}.`);
  }
  let image;
  try {
    // Upright, since browsers turn a photo as its EXIF says, and in sRGB, whatever its profile; a WebP is turned below.
    const content = FORMATS.PNG.test(head) ? await onlyWhatIsDrawn(file) : file;
    image = await createImageBitmap(content, { colorSpaceConversion: "default", premultiplyAlpha: "none" });
    if (FORMATS.WEBP.test(head)) image = turned(image, orientationOfWebp(new DataView(await file.arrayBuffer())));
  } catch {
    throw Error(`${file.name} is damaged or cut short and cannot be read as an image.`);
  }
  try {
    if (image.width * image.height > MAX_PIXELS) {
      const size = `${image.width} × ${image.height}`;
      throw Error(`${file.name} has ${size} pixels, more than ${MAX_PIXELS / 1e6} million.`);
    }
    return toThirtyTwo(image);
  } finally {
    image.close();
  }
}

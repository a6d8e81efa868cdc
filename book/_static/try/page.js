/* "Try it in the page": the network, exported by `s12 export` and run by onnxruntime-web, on a reader's own image. */
"use strict";

(() => {
  const folder = new URL(".", document.currentScript.src);
  const part = (name) => document.getElementById(`try-${name}`);
  const say = (text) => (part("status").textContent = text);
  const nearly = (share) => (share < 0.0005 ? "< 0.1 %" : share >= 0.9995 ? "> 99.9 %" : null); // as the app writes it
  const percent = (share) => nearly(share) ?? `${(100 * share).toFixed(1)} %`;
  const state = { files: null, session: null, ort: null, answer: null }; // window.tryPage, for the console and the tests
  let turn = Promise.resolve(); // one image after the other

  // ---- the network ----------------------------------------------------------------------------------------------

  async function begin() {
    if (location.protocol === "file:") {
      return say(
        "This page computes in your browser only when it is served: run " +
          "“python3 -m http.server --directory _build/html” and open http://127.0.0.1:8000/book/try.html.",
      );
    }
    const files = await (await fetch(new URL("files.json", folder))).json();
    if (!files.network) {
      return say("This copy of the book was built without the network. “make app” opens the app, which does the same and more; “make site” builds a copy with the network (it needs npm).");
    }
    state.files = files;
    part("load").textContent = `Load the network (${files.megabytes} MB)`;
    part("load").hidden = false;
    say("");
  }

  async function load() {
    part("load").disabled = true;
    say(`Loading ${state.files.megabytes} MB. The next visit will find most of it in the browser’s cache.`);
    try {
      const address = (name) => new URL(name, folder).href;
      state.ort = await import(address(state.files.runtime));
      state.ort.env.wasm.numThreads = 1; // more would need SharedArrayBuffer, which plain hosts do not allow
      state.ort.env.wasm.wasmPaths = { wasm: address(state.files.wasm) };
      state.session = await state.ort.InferenceSession.create(address(state.files.network));
    } catch (error) {
      console.warn(error);
      part("load").disabled = false;
      return say("The network could not be loaded: check your connection and click again.");
    }
    part("load").hidden = true;
    part("examples").replaceChildren(...state.files.examples.map(exampleButton));
    part("choose").hidden = false;
    say("The network is here. Choose an image.");
    part("file").focus();
  }

  /** Pixels → probabilities and, for every class, the heatmap of Grad-CAM at layer3. */
  async function answer(pixels) {
    const images = new state.ort.Tensor("uint8", new Uint8Array(pixels), [1, SIDE, SIDE, 3]);
    const { logits, class_maps } = await state.session.run({ images });
    const highest = Math.max(...logits.data);
    const powers = Array.from(logits.data, (logit) => Math.exp(logit - highest));
    const sum = powers.reduce((a, b) => a + b);
    const places = class_maps.data.length / powers.length;
    return {
      pixels,
      logits: Array.from(logits.data),
      probabilities: powers.map((power) => power / sum),
      heatmaps: powers.map((_, k) => heatmap(class_maps.data.slice(k * places, (k + 1) * places))),
    };
  }

  /** How familiar an image looks to the network, as s12lib/app/familiarity.py scores it: log of the summed exponentials. */
  function energy(logits) {
    const highest = Math.max(...logits);
    return highest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - highest), 0));
  }

  /** A class map's positive part, enlarged bilinearly to 32×32 and divided by its maximum, as `gradcam` does it. */
  function heatmap(map) {
    const side = Math.sqrt(map.length);
    const evidence = (y, x) => Math.max(0, map[Math.min(y, side - 1) * side + Math.min(x, side - 1)]);
    const source = (place) => Math.max(0, ((place + 0.5) * side) / SIDE - 0.5);
    const heat = Float32Array.from({ length: SIDE * SIDE }, (_, at) => {
      const [y, x] = [source(Math.floor(at / SIDE)), source(at % SIDE)];
      const [top, left] = [Math.floor(y), Math.floor(x)];
      const along = (row) => evidence(row, left) * (1 - x + left) + evidence(row, left + 1) * (x - left);
      return along(top) * (1 - y + top) + along(top + 1) * (y - top);
    });
    const peak = Math.max(...heat);
    return peak > 0 ? heat.map((value) => value / peak) : heat;
  }

  // ---- what is shown --------------------------------------------------------------------------------------------

  /** The course's colours for heat: [r, g, b] for a value from 0 to 1. */
  function colour(value) {
    const stops = state.files.colours;
    const at = Math.min(value * (stops.length - 1), stops.length - 1.001);
    const low = Math.floor(at);
    return stops[low].map((channel, k) => channel + (at - low) * (stops[low + 1][k] - channel));
  }

  function paint(canvas, width, height, pixel) {
    Object.assign(canvas, { width, height });
    const image = new ImageData(width, height);
    for (let at = 0; at < width * height; at++) image.data.set([...pixel(at), 255], at * 4);
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  function paintHeatmap() {
    const { pixels, heatmaps, probabilities } = state.answer;
    const chosen = Number(document.querySelector("#try-classes input:checked").value);
    const name = state.files.classes[chosen];
    const opacity = Number(part("opacity").value);
    paint(part("heatmap"), SIDE, SIDE, (at) => {
      const heat = colour(heatmaps[chosen][at]);
      return heat.map((channel, k) => opacity * channel + (1 - opacity) * pixels[at * 3 + k]);
    });
    const hottest = heatmaps[chosen].indexOf(1);
    const third = (at) => Math.floor((at * 3) / SIDE);
    const row = ["at the top", "half-way down", "at the bottom"][third(Math.floor(hottest / SIDE))];
    const column = ["on the left", "in the middle", "on the right"][third(hottest % SIDE)];
    const told = hottest < 0 ? "nothing speaks for it" : `the strongest evidence is ${row}, ${column}`;
    part("caption").textContent = `${name}, ${percent(probabilities[chosen])}: ${told}.`;
    part("heatmap").setAttribute("aria-label", `Heatmap for ${name} over the image: ${told}.`);
  }

  function show(name, credit) {
    const { pixels, probabilities } = state.answer;
    const order = probabilities.map((_, k) => k).sort((a, b) => probabilities[b] - probabilities[a]);
    part("classes").replaceChildren(
      ...order.map((k, rank) => {
        const row = part("class").content.firstElementChild.cloneNode(true);
        Object.assign(row.querySelector("input"), { value: k, checked: rank === 0 });
        row.querySelector(".try-name").textContent = state.files.classes[k];
        row.querySelector(".try-share").textContent = percent(probabilities[k]);
        row.querySelector(".try-bar").style.width = `${100 * probabilities[k]}%`;
        return row;
      }),
    );
    paint(part("image"), SIDE, SIDE, (at) => pixels.slice(at * 3, at * 3 + 3));
    paint(part("scale"), 64, 1, (at) => colour(at / 63));
    paintHeatmap();
    part("result").hidden = false;
    part("credit").textContent = credit;
    const { familiarity } = state.files;
    part("warning").textContent = familiarity?.sentence ?? "";
    part("warning").hidden = !familiarity || energy(state.answer.logits) >= familiarity.threshold;
    if (part("result").getBoundingClientRect().bottom > window.innerHeight) part("status").scrollIntoView({ block: "start" });
    say(`${name}: ${state.files.classes[order[0]]}, ${percent(probabilities[order[0]])}.`);
  }

  /** Look at an image as soon as the one before is done; `open` gives its file. */
  function take(name, open, credit = "") {
    turn = turn.then(async () => {
      say(`Looking at ${name}.`);
      try {
        state.answer = await answer(await readImage(await open()));
        show(name, credit);
      } catch (error) {
        part("result").hidden = true;
        say(error.message);
      }
    });
  }

  function exampleButton({ file, shows, source }) {
    const button = part("example").content.firstElementChild.cloneNode(true);
    const image = button.querySelector("img");
    Object.assign(image, { src: new URL(file, folder).href, alt: shows });
    const open = async () => {
      const reply = await fetch(image.src).catch(() => ({ ok: false }));
      if (!reply.ok) throw Error("The example could not be loaded: check your connection and try again.");
      return new File([await reply.blob()], shows);
    };
    button.addEventListener("click", () => {
      part("file").value = "";
      take(shows, open, `Source: ${source}.`);
    });
    return button;
  }

  part("load").addEventListener("click", load);
  part("file").addEventListener("change", ({ target }) => {
    const [file] = target.files;
    if (file) take(file.name, () => file);
  });
  part("file").addEventListener("click", ({ target }) => {
    target.value = ""; // so that the same file can be chosen again; until then the browser shows its name
  });
  for (const name of ["dragover", "drop"]) {
    // Anywhere, since a browser would leave the page for a file that is dropped beside the box.
    document.addEventListener(name, (event) => {
      if (!state.session || !event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      const [file] = event.dataTransfer.files; // none as long as it is being dragged
      if (!file) return;
      part("file").value = "";
      take(file.name, () => file);
    });
  }
  part("classes").addEventListener("change", paintHeatmap);
  part("opacity").addEventListener("input", paintHeatmap);
  window.tryPage = state;
  begin();
})();

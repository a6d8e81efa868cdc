/* "Exercises in the page": what the reader types is judged by the course's own checks, in a worker, with no server. */
"use strict";

(() => {
  const folder = new URL(".", document.currentScript.src);
  const part = (name) => document.getElementById(`exercises-${name}`);
  const say = (text) => (part("status").textContent = text);
  const boxes = [...document.querySelectorAll(".exercise-in-page")];
  const state = { files: null, worker: null, ready: null, busy: false }; // window.exercisesPage, for the tests

  async function begin() {
    if (location.protocol === "file:") {
      return say(
        "These exercises run in your browser only when the page is served: run " +
          "“python3 -m http.server --directory _build/html” and open http://127.0.0.1:8000/book/exercises.html.",
      );
    }
    const files = await (await fetch(new URL("files.json", folder))).json();
    if (!files.megabytes) {
      return say("This copy of the book was built without Python. Solve them in the lessons (make lab), or build it with “make site”.");
    }
    state.files = files;
    part("load").textContent = `Load Python (${files.megabytes} MB)`;
    part("load").hidden = false;
  }

  /** A worker with Python in it: `state.ready` resolves when it can judge, or is rejected. */
  function start() {
    state.worker?.terminate();
    state.worker = new Worker(new URL("worker.js", folder), { type: "module" });
    state.ready = new Promise((resolve, reject) => {
      state.worker.onmessage = ({ data }) => (data.ready ? resolve() : reject(Error(data.broken)));
      state.worker.onerror = () => reject(Error("The worker could not be started."));
    });
    return state.ready;
  }

  async function load() {
    part("load").disabled = true;
    say(`Loading ${state.files.megabytes} MB. The next visit will find most of it in the browser’s cache.`);
    try {
      await start();
    } catch (error) {
      console.warn(error);
      part("load").disabled = false;
      return say("Python could not be loaded: check your connection and click again.");
    }
    part("load").hidden = true;
    for (const box of boxes) box.querySelector("button").hidden = false;
    say("Python is here. Write an answer, and check it.");
  }

  /** The worker's verdict; one that does not come in time costs the worker, and the next is started. */
  async function verdictOn(name, source) {
    await state.ready;
    return new Promise((resolve, reject) => {
      const clock = setTimeout(() => {
        resolve(state.files.stopped);
        start().catch(() => say("Python could not be loaded again: reload the page."));
      }, 1000 * state.files.seconds);
      const done = (settle, value) => (clearTimeout(clock), settle(value));
      state.worker.onmessage = ({ data }) => done(resolve, data.verdict);
      state.worker.onerror = () => done(reject, Error("The worker broke down."));
      state.worker.postMessage({ name, source });
    });
  }

  function show(box, verdict) {
    const said = box.querySelector("output");
    const again = verdict.hint && box.dataset.missed === verdict.hint;
    box.dataset.missed = verdict.hint;
    box.dataset.status = verdict.status;
    said.textContent = `${verdict.status}: ${box.dataset.exercise}. ${verdict.hint} ${again ? verdict.more : ""}`.trim();
  }

  async function check(box) {
    if (state.busy) return;
    state.busy = true;
    const said = box.querySelector("output");
    said.textContent = "Checking …";
    try {
      show(box, await verdictOn(box.dataset.exercise, box.querySelector("textarea").value));
    } catch (error) {
      console.warn(error);
      said.textContent = "Python broke down. Reload the page and load it again; your answer is lost unless you copy it.";
    } finally {
      state.busy = false;
    }
  }

  /** Tab indents by four places, as in a notebook; Escape and then Tab leaves the field, for those without a mouse. */
  function indent(event) {
    const { target } = event;
    if (event.key === "Escape") return (target.dataset.leaving = "yes");
    if (event.key !== "Tab" || event.shiftKey || target.dataset.leaving) return delete target.dataset.leaving;
    event.preventDefault();
    target.setRangeText("    ", target.selectionStart, target.selectionEnd, "end");
  }

  /** As many rows as the answer has, and a few to go on; what is longer scrolls. */
  const fit = (field) => (field.rows = Math.min(field.value.split("\n").length + 2, 36));

  for (const box of boxes) {
    const field = box.querySelector("textarea");
    fit(field);
    field.addEventListener("input", () => fit(field));
    field.addEventListener("keydown", indent);
    box.querySelector("button").addEventListener("click", () => check(box));
  }
  part("load").addEventListener("click", load);
  window.exercisesPage = state;
  begin();
})();

/* Python for the exercises in the page: Pyodide and the course's own judge, in a worker that the page may end. */

import { loadPyodide } from "./pyodide.mjs";

const python = loadPyodide({ indexURL: new URL(".", import.meta.url).href }).then(async (pyodide) => {
  const course = await fetch(new URL("course.zip", import.meta.url));
  if (!course.ok) throw Error("The judge could not be loaded.");
  pyodide.unpackArchive(await course.arrayBuffer(), "zip", { extractDir: "/course" });
  pyodide.runPython('import sys; sys.path.insert(0, "/course"); sys.stdout = sys.stderr = open("/dev/null", "w")');
  const page = pyodide.pyimport("s12lib.exercises.in_page");
  page.stand_in();
  return page;
});

python.then(
  () => postMessage({ ready: true }),
  (error) => postMessage({ broken: String(error) }),
);

onmessage = async ({ data: { name, source } }) => {
  const page = await python;
  postMessage({ verdict: JSON.parse(page.judged(name, source)) });
};

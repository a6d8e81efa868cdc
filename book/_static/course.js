// What a lesson's page adds to plain Markdown: a field for a guess, a quiz that answers, and nothing folded in print.
(() => {
  "use strict";

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  // ---- a guess beside the truth --------------------------------------------------------------------------------------

  const shown = (number) => number.toLocaleString("en", { maximumSignificantDigits: 6 });

  /** Two marks on a line that begins at 0. */
  function scale(guess, truth) {
    const start = 1.05 * Math.min(0, guess, truth);
    const end = 1.05 * Math.max(0, guess, truth);
    const at = (value) => `${(100 * (value - start)) / (end - start || 1)}%`;
    const line = make("div", { class: "guess-line", "aria-hidden": "true" });
    for (const [kind, value] of [["yours", guess], ["truth", truth]]) {
      const mark = make("span", { class: kind });
      mark.style.left = at(value);
      line.append(mark);
    }
    return line;
  }

  function compare(place, guess) {
    const truth = Number(place.dataset.truth);
    const unit = place.dataset.unit ? ` ${place.dataset.unit}`.replace(" %", "%") : "";
    const answer = place.querySelector("[role=status]");
    const verdict = guess === truth ? "Exactly." : `You said ${shown(guess)}${unit}.`;
    answer.replaceChildren(`${verdict} It is ${shown(truth)}${unit}.`, scale(guess, truth));
    let next = place.closest("blockquote").nextElementSibling;
    while (next && !next.matches("details.reveal")) next = next.nextElementSibling;
    if (next) next.open = true;
  }

  document.querySelectorAll(".guess").forEach((place) => {
    const input = make("input", { type: "number", step: "any", inputmode: "decimal", required: "" });
    const form = make("form", {}, make("label", {}, "Your guess: ", input, ` ${place.dataset.unit}`),
      make("button", { type: "submit" }, "Compare"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      compare(place, input.valueAsNumber);
    });
    place.append(form, make("p", { role: "status" }));
  });

  // ---- the quiz: a list of answers, (a) to (d), and below it the folded explanation, which begins with the right one --

  document.querySelectorAll("#quiz ul").forEach((list, question) => {
    let answer = list.nextElementSibling;
    while (answer && answer.tagName !== "DETAILS") answer = answer.nextElementSibling;
    if (!answer) return;
    const right = answer.querySelector("strong").textContent.trim();
    const verdict = make("p", { role: "status", class: "quiz-verdict" });
    const choices = make("fieldset", { class: "quiz" }, make("legend", { class: "sr-only" }, `Question ${question + 1}`));
    list.querySelectorAll("li").forEach((item) => {
      const radio = make("input", { type: "radio", name: `quiz-${question}` });
      const label = make("label", {}, radio, " ", ...(item.querySelector("p") || item).childNodes);
      const good = label.textContent.trim().startsWith(right);
      radio.addEventListener("change", () => {
        choices.querySelectorAll("label").forEach((each) => each.classList.remove("right", "wrong"));
        label.classList.add(good ? "right" : "wrong");
        verdict.textContent = good ? "Right." : "No. Try another one, or open the answer.";
        if (good) answer.open = true;
      });
      choices.append(label);
    });
    list.replaceWith(choices);
    choices.append(verdict);
  });

  // ---- formulas: MathJax comes when the reader is near the first one -------------------------------------------------

  const maths = document.querySelector('meta[name="mathjax"]');
  const loadMaths = () => {
    if (!document.getElementById("mathjax")) document.head.append(make("script", { id: "mathjax", src: maths.content }));
  };
  if (maths) {
    const near = new IntersectionObserver((seen) => seen.some((each) => each.isIntersecting) && loadMaths(),
      { rootMargin: "600px" });
    document.querySelectorAll(".math").forEach((formula) => near.observe(formula));
    addEventListener("beforeprint", loadMaths);
  }

  // ---- tables: one that is wider than the page scrolls, also by keyboard ------------------------------------------------

  const tables = new ResizeObserver((changed) => changed.forEach(({ target }) => {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }));
  document.querySelectorAll(".pst-scrollable-table-container > table").forEach((table) => tables.observe(table));

  // ---- print: everything open, and afterwards as it was --------------------------------------------------------------

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((each) => { each.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((each) => { each.open = false; }));
})();

() => {
  // What Gradio's upload box does not do: images are pasted, dropped beside the box, and taken by a phone's camera;
  // HEIC gets a word of advice.
  const box = () => document.querySelector("#ask input[type=file]:not([capture])");
  const heic = (files) => [...files].find((file) => /\.(heic|heif)$/i.test(file.name) || /hei[cf]/.test(file.type));

  function notice(text) {
    document.querySelector("#notice")?.remove();
    if (!text) return;
    const note = Object.assign(document.createElement("p"), { id: "notice", role: "alert", textContent: text });
    document.querySelector("#ask").prepend(note);
  }

  function refused(files) {
    const file = heic(files);
    notice(file && `${file.name} is in HEIC, which browsers and this app do not read: export it as JPEG.`);
    return Boolean(file);
  }

  function give(files) {
    const input = box();
    if (!files.length || refused(files)) return;
    if (!input) return notice("Wait until the last image has arrived, then add the next.");
    const data = new DataTransfer();
    for (const file of files) data.items.add(file);
    input.files = data.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  document.addEventListener("paste", (event) => give([...(event.clipboardData?.files ?? [])]));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    const files = [...(event.dataTransfer?.files ?? [])];
    const inBox = event.target.closest?.("#ask");
    if (!inBox) event.preventDefault(); // or the browser would leave the page for the image
    if (inBox ? refused(files) : files.length) event.stopImmediatePropagation();
    if (!inBox) give(files);
  }, true);
  document.addEventListener("change", (event) => {
    if (event.target.matches?.("#camera input")) {
      give([...event.target.files]);
      event.target.value = ""; // or the next photo of the same name would change nothing
    } else if (event.target.type === "file" && refused(event.target.files)) {
      event.stopImmediatePropagation();
      event.target.value = "";
    }
  }, true);

  // What the server refuses comes wrapped, and what Gradio refuses in words of its own: both read like the app's.
  function plain(text) {
    const wrapped = /^HTTP \d+: (\{.*\})$/s.exec(text.trim());
    const large = /^File\(s\) exceed the maximum allowed size of .*?: "(.*)"$/s.exec(text.trim());
    if (large) return `${large[1]} is larger than 20 MB: choose a smaller image.`;
    try {
      return wrapped ? JSON.parse(wrapped[1]).detail : text;
    } catch {
      return text;
    }
  }

  new MutationObserver(() => {
    for (const button of document.querySelectorAll('[title="common.upload"]')) {
      button.title = button.ariaLabel = "Add images"; // Gradio forgot to translate it
    }
    for (const title of document.querySelectorAll(".toast-title")) {
      if (title.textContent.trim() === "Error") title.textContent = "Not possible";
    }
    for (const said of document.querySelectorAll('[data-testid="toast-text"]')) {
      const words = plain(said.textContent);
      if (words !== said.textContent) said.textContent = words;
    }
  }).observe(document.body, { childList: true, subtree: true });
}

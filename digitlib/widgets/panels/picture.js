// Takes a picture from a file, the camera, the clipboard or a window, and sends it to Python.

const SMALL = 500_000; // bytes: sent unchanged
const SIDE = 2000; // px: larger pictures are reduced first
const PART = 2 ** 20; // bytes of a message; servers close the connection at 10 MB
const PATIENCE = 30_000; // ms without an answer until the page says so
const CAN_BE_CLEAR = /png|webp|gif/; // formats with transparency, which JPEG would lose

const HINT = "or paste it (Ctrl+V) or drop it here";

const ASIDE = {capture: true}; // before JupyterLab's own listeners

/** The file, or a reduced picture if it is large and the browser can read it. */
export async function reduce(file) {
  if (file.size <= SMALL) return file;
  const bitmap = await createImageBitmap(file, {imageOrientation: "from-image"}).catch(() => null);
  const scale = bitmap ? SIDE / Math.max(bitmap.width, bitmap.height) : 1;
  if (scale >= 1) return file; // Python may read a format that the browser cannot
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(scale * bitmap.width));
  canvas.height = Math.max(1, Math.round(scale * bitmap.height));
  const ink = canvas.getContext("2d");
  ink.imageSmoothingQuality = "high";
  ink.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const kind = CAN_BE_CLEAR.test(file.type) ? "image/png" : "image/jpeg";
  const smaller = await new Promise(done => canvas.toBlob(done, kind, 0.92));
  return smaller?.size < file.size ? smaller : file;
}

/** The parts of a file in order, at least one. */
export function split(bytes) {
  const parts = Math.max(1, Math.ceil(bytes.byteLength / PART));
  return Array.from({length: parts}, (_, part) => bytes.slice(PART * part, PART * (part + 1)));
}

const megabytes = bytes => `${(bytes / 1e6).toFixed(1)} MB`;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

class View {
  #sent = 0; // pictures
  #waits = null; // {upload, name, timer}: a picture without an answer

  constructor({model, el}) {
    Object.assign(this, {model, el});
    this.page = crypto.getRandomValues(new Uint32Array(2)).join("-");
    this.status = element("p", {className: "dp-said", role: "status"});
    const buttons = element("div", {className: "dp-ways"},
      this.#chooser("Choose a picture", "dp-choose"),
      this.#chooser("Take a photo", "dp-camera", "environment"),
      element("span", {className: "dp-hint", textContent: HINT}));
    const samples = element("div", {className: "dp-samples"},
      element("span", {textContent: "or try"}), ...model.get("samples").map(each => this.#sample(each)));
    el.classList.add("dp-upload");
    el.setAttribute("role", "group");
    el.setAttribute("aria-label", "Read a picture");
    el.replaceChildren(buttons, samples, this.status);
    this.#say("");
    this.#listen();
  }

  remove() {
    this.controller.abort();
    clearTimeout(this.#waits?.timer);
  }

  // --- ways in -------------------------------------------------------------------------------

  #chooser(text, className, capture) {
    const input = element("input", {type: "file", accept: "image/*,.heic,.heif", hidden: true});
    if (capture) input.setAttribute("capture", capture);
    input.addEventListener("change", () => {
      this.#take(input.files[0]);
      input.value = ""; // choosing the same file again must work
    });
    const button = element("button", {type: "button", className, textContent: text});
    button.addEventListener("click", () => input.click());
    return element("span", {}, button, input);
  }

  #sample({name, url}) {
    const button = element("button", {type: "button", title: `Read the sample: ${name}`},
      element("img", {src: url, alt: name}));
    button.addEventListener("click", async () =>
      this.#take(new File([await (await fetch(url)).blob()], `The sample (${name})`)));
    return button;
  }

  #listen() {
    const {signal} = (this.controller = new AbortController());
    const on = (name, action) => addEventListener(name, action, {signal, ...ASIDE});
    on("keydown", event => {
      const paste = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "v";
      if (paste && this.#hasFocus()) event.stopPropagation(); // or JupyterLab pastes a cell
    });
    on("paste", event => this.#hasFocus() && this.#receive(event, event.clipboardData));
    on("dragover", event => this.#over(event));
    on("dragleave", event => event.relatedTarget || this.#mark(false));
    on("drop", event => {
      this.#mark(false);
      if (this.#isFor(event)) this.#receive(event, event.dataTransfer);
    });
    this.model.on("change:answer", this.#answered);
    signal.addEventListener("abort", () => this.model.off("change:answer", this.#answered));
  }

  get #pad() {
    return this.el.closest(".dp-pad") ?? this.el;
  }

  #hasFocus() {
    const {activeElement} = document;
    return this.#pad.contains(activeElement) && !activeElement.matches("input[type=text], textarea");
  }

  #isFor(event) {
    return event.dataTransfer.types.includes("Files") && this.#pad.contains(event.target);
  }

  #over(event) {
    const mine = this.#isFor(event);
    this.#mark(mine);
    if (!mine) return;
    event.preventDefault(); // the browser would not let it drop
    event.stopPropagation();
    event.dataTransfer.dropEffect = "copy";
  }

  #mark(over) {
    this.#pad.classList.toggle("dp-over", over);
  }

  #receive(event, {files}) {
    event.preventDefault(); // the browser would open the file
    event.stopPropagation();
    if (files.length) this.#take(files[0]);
    else this.#say("The clipboard contains no picture.");
  }

  // --- on its way ----------------------------------------------------------------------------

  async #take(file) {
    const upload = `${this.page}-${++this.#sent}`;
    clearTimeout(this.#waits?.timer);
    this.#waits = {upload, name: file.name || "The picture"};
    this.#say("Reading …");
    try {
      const content = await reduce(file);
      const most = this.model.get("limit");
      if (content.size > most)
        this.#end(`The file has ${megabytes(content.size)}. The limit is ${megabytes(most)}.`);
      else await this.#send(upload, content);
    } catch (problem) {
      this.#end(`The file could not be read: ${problem.message}`);
    }
  }

  async #send(upload, content) {
    const parts = split(await content.arrayBuffer());
    for (const [part, bytes] of parts.entries())
      if (this.#waits?.upload === upload)
        this.model.send({upload, part, parts: parts.length}, undefined, [bytes]);
    if (this.#waits?.upload !== upload) return;
    this.#waits.timer = setTimeout(
      () => this.#say("No answer yet. The kernel is busy, or the connection is lost."), PATIENCE);
  }

  #answered = () => {
    const {upload, problem} = this.model.get("answer");
    if (!upload && !this.#waits) this.#say(""); // the picture has gone
    if (!upload || upload !== this.#waits?.upload) return;
    this.#end(problem || `${this.#waits.name} is on the canvas.`);
  };

  #end(text) {
    clearTimeout(this.#waits.timer);
    this.#waits = null;
    this.#say(text);
  }

  #say(text) {
    this.status.textContent = text;
    this.el.dataset.state = this.#waits ? "reading" : "";
  }
}

export default {
  render(context) {
    const view = new View(context);
    return () => view.remove();
  },
};

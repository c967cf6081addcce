// Takes a picture from a file, the camera, the clipboard or a window, and sends it to Python.

const SMALL = 500_000; // bytes: sent unchanged
const SIDE = 2000; // px: larger pictures are reduced first
const PATIENCE = 30_000; // ms without an answer until the page says so
const CAN_BE_CLEAR = /png|webp|gif/; // formats with transparency, which JPEG would lose

const ANIMATED = "image/gif"; // Python says that it reads the first picture

const HINT = "or drop it on the pad, or paste it (Ctrl+V)";
const EDITORS = "input, textarea, select, [contenteditable]"; // they get pasted text

const ASIDE = {capture: true}; // before JupyterLab's own listeners

/** The file, or a reduced picture if it is large and the browser can read it. */
export async function reduce(file) {
  if (file.size <= SMALL || file.type === ANIMATED) return file;
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
    this.samples = element("div", {className: "dp-samples"});
    el.classList.add("dp-upload");
    el.setAttribute("role", "group");
    el.setAttribute("aria-label", "Read a picture");
    el.replaceChildren(buttons, this.samples, this.status);
    this.#offer();
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

  #offer() {
    const buttons = this.model.get("samples").map(each => this.#sample(each));
    if (buttons.length) this.samples.replaceChildren(element("span", {textContent: "or try"}), ...buttons);
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
    const on = (name, action, more) => addEventListener(name, action, {signal, ...more});
    on("keydown", event => {
      const paste = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "v";
      if (paste && this.#isMeant()) event.stopPropagation(); // or JupyterLab pastes a cell
    }, ASIDE);
    on("paste", event => this.#isMeant() && this.#receive(event, event.clipboardData), ASIDE);
    on("dragover", event => this.#over(event), ASIDE);
    on("dragleave", event => event.relatedTarget || this.#mark(false), ASIDE);
    on("drop", event => {
      this.#mark(false);
      if (this.#isOver(event)) this.#receive(event, event.dataTransfer);
    }, ASIDE);
    on("dragover", event => this.#refuse(event));
    const listeners = {"change:answer": this.#answered, "change:samples": () => this.#offer()};
    for (const [name, action] of Object.entries(listeners)) {
      this.model.on(name, action);
      signal.addEventListener("abort", () => this.model.off(name, action));
    }
  }

  get #pad() {
    return this.el.closest(".dp-pad") ?? this.el;
  }

  /** Is a picture that is pasted now for this pad, which has the focus or the mouse? */
  #isMeant() {
    const {activeElement} = document;
    if (this.#pad.contains(activeElement)) return !activeElement.matches("input[type=text], textarea");
    return this.#pad.matches(":hover") && !activeElement.closest(EDITORS);
  }

  #isOver(event) {
    return event.dataTransfer.types.includes("Files") && this.#pad.contains(event.target);
  }

  #over(event) {
    const mine = this.#isOver(event);
    this.#mark(mine);
    if (!mine) return;
    event.preventDefault(); // the browser would not let it drop
    event.stopPropagation();
    event.dataTransfer.dropEffect = "copy";
  }

  /** Beside the pad, where nothing takes files, the browser would leave the page. */
  #refuse(event) {
    if (event.defaultPrevented || !event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "none";
  }

  #mark(over) {
    this.#pad.classList.toggle("dp-over", over);
  }

  #receive(event, {files}) {
    event.preventDefault(); // the browser would open the file
    event.stopPropagation();
    this.model.send({arrives: true}); // opens the panel, which says what comes of it
    if (files.length) this.#take(files[0]);
    else this.#say("There is no picture in the clipboard.");
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
    const bytes = await content.arrayBuffer();
    if (this.#waits?.upload !== upload) return; // a later picture has come
    this.model.send({upload}, undefined, [bytes]);
    this.#waits.timer = setTimeout(
      () => this.#say("No answer yet. The kernel is busy, or the connection is lost."), PATIENCE);
  }

  #answered = () => {
    const {upload, problem, remark} = this.model.get("answer");
    if (!upload && !this.#waits) this.#say(""); // the picture has gone
    if (!upload || upload !== this.#waits?.upload) return;
    this.#end(problem || `${this.#waits.name} is on the canvas. ${remark}`.trim());
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

// The gallery of stored drawings. Python sends one page of them and receives the user's commands.
// Content of the file is only set as text, attribute or number, so nothing in it becomes markup.

const NO_DIGIT = 10;
const LABELS = [...Array(NO_DIGIT + 1).keys()];

const name = label => (label === NO_DIGIT ? "not a digit" : String(label));

const isMisread = ({label, predicted}) => predicted !== null && predicted !== label;

/** A phrase about a drawing, for tooltips and screen readers. */
export function describe(item) {
  if (item.predicted === null) return name(item.label);
  return `${name(item.label)}, read ${isMisread(item) ? `as ${name(item.predicted)}` : "correctly"}`;
}

const megabytes = bytes => `${(bytes / 1e6).toFixed(1)} MB`;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function button(text, action, properties = {}) {
  const made = element("button", {type: "button", className: "dp-action", textContent: text, ...properties});
  made.addEventListener("click", action);
  return made;
}

class View {
  #client = crypto.getRandomValues(new Uint32Array(2)).join("-");
  #selected = null; // id
  #view = {items: [], page: 0, start: 0, all: 0, said: "", undo: false, remark: "", limit: Infinity};

  constructor({model, el}) {
    this.model = model;
    this.layout = model.get("layout"); // anywidget's own model may drop messages: see ink.js
    this.listen = (message, buffers) => this.#receive(message, buffers);
    this.layout.on("msg:custom", this.listen);
    this.grid = element("div", {className: "dp-thumbs"});
    this.status = element("p", {className: "dp-said"});
    this.status.setAttribute("role", "status");
    this.pager = element("div", {className: "dp-pager"});
    this.remark = element("p", {className: "dp-remark"});
    this.folder = element("p", {className: "dp-folder"});
    el.classList.add("dp-gallery");
    el.replaceChildren(this.#controls(), this.status, this.grid, this.pager, this.remark, this.folder);
    this.#show(0);
  }

  remove() {
    this.layout.off("msg:custom", this.listen);
  }

  // --- to Python ------------------------------------------------------------------------------

  #send(content, buffers) {
    this.#say(""); // about the last command
    this.model.send(content, undefined, buffers);
  }

  #show(page) {
    this.#send({do: "show", page});
  }

  async #import(file) {
    if (!file) return;
    if (file.size > this.#view.limit) {
      this.#say(`The file has ${megabytes(file.size)}. The limit is ` +
        `${megabytes(this.#view.limit)}. For a larger file, use DrawingFile().import_file in Python.`);
      return;
    }
    this.#send({do: "import"}, [await file.arrayBuffer()]);
  }

  // --- from Python ----------------------------------------------------------------------------

  #receive(message, buffers) {
    if (message.items) this.#render(message);
    else if (message.client === this.#client) this.#save(buffers[0]);
  }

  #save(content) {
    const url = URL.createObjectURL(new Blob([content], {type: "application/jsonl"}));
    element("a", {href: url, download: "drawings.jsonl"}).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }

  // --- the page ------------------------------------------------------------------------------

  #controls() {
    const input = element("input", {type: "file", accept: ".jsonl,.json,.txt", hidden: true});
    input.addEventListener("change", () => {
      this.#import(input.files[0]);
      input.value = ""; // choosing the same file again must work
    });
    this.export = button("Export", () => this.#send({do: "export", client: this.#client}), {title: "Download all drawings as one file"});
    const load = button("Import", () => input.click(), {title: "Add drawings from an exported file"});
    return element("div", {className: "dp-controls"}, load, input, this.export);
  }

  #render(view) {
    this.#view = view;
    if (!view.items.some(item => item.id === this.#selected)) this.#selected = null;
    this.export.disabled = !view.all;
    this.#say(view.said, view.undo);
    this.remark.textContent = view.remark;
    this.folder.textContent = view.all ? `Saved in ${view.folder} on the computer that runs this pad.` : "";
    this.#fill();
    const last = view.start + view.items.length;
    this.pager.replaceChildren(...(view.all > view.items.length ? [
      button("Newer", () => this.#show(view.page - 1), {disabled: !view.start}),
      element("span", {textContent: `${view.start + 1}–${last} of ${view.all}`}),
      button("Older", () => this.#show(view.page + 1), {disabled: last >= view.all}),
    ] : []));
  }

  #say(text, undo = false) {
    const parts = text ? [text] : [];
    if (undo) parts.push(" ", button("Undo", () => this.#send({do: "undo"})));
    this.status.replaceChildren(...parts);
  }

  #fill() {
    const {items} = this.#view;
    const focused = this.grid.contains(document.activeElement);
    const none = "You have no drawings yet. Draw a digit, then click the digit you meant below the pad.";
    const shown = items.flatMap(item => item.id === this.#selected ? [this.#thumb(item), this.#details(item)] : [this.#thumb(item)]);
    this.grid.replaceChildren(...(shown.length ? shown : [element("p", {textContent: none})]));
    if (focused) this.grid.querySelector("[aria-expanded=true], .dp-thumb")?.focus({preventScroll: true});
  }

  #thumb(item) {
    const picture = element("img", {src: item.picture, alt: item.picture ? "" : "damaged"});
    const caption = element("span", {}, element("b", {textContent: name(item.label)}));
    if (isMisread(item)) caption.append(" ", element("s", {textContent: name(item.predicted)}));
    const made = button("", () => {
      this.#selected = this.#selected === item.id ? null : item.id;
      this.#fill();
      this.grid.querySelector(".dp-details")?.scrollIntoView({block: "nearest"});
    }, {className: "dp-thumb", title: describe(item)});
    made.append(picture, caption);
    made.setAttribute("aria-label", describe(item));
    made.setAttribute("aria-expanded", item.id === this.#selected);
    return made;
  }

  #details(item) {
    const {id} = item;
    const time = new Date(item.time);
    const labels = LABELS.map(label => {
      const current = label === item.label;
      return button(name(label), () => this.#send({do: "relabel", id, label}), {
        className: `dp-action dp-label ${current ? "dp-chosen" : ""}`, disabled: current,
        title: `This is ${name(label)}`, // studio.js makes it the name
      });
    });
    return element("div", {className: "dp-details"},
      element("p", {textContent: `${describe(item)}; ${isNaN(time) ? item.time : time.toLocaleString()}`}),
      element("div", {}, element("span", {textContent: "This is"}), ...labels),
      button("Delete", () => this.#send({do: "delete", id})));
  }
}

export default {
  render(context) {
    const view = new View(context);
    return () => view.remove();
  },
};

// The gallery of stored drawings. Python sends one page of them and receives the user's commands.
// Content of the file is only set as text, attribute or number, so nothing in it becomes markup.

const NO_DIGIT = 10;
const LABELS = [...Array(NO_DIGIT + 1).keys()];
const SIDE = 48; // units of a thumbnail's paths
const SVG = "http://www.w3.org/2000/svg";

const name = label => (label === NO_DIGIT ? "not a digit" : String(label));

export const isMisread = ({label, predicted}) => predicted !== null && predicted !== label;

/** A sentence about a drawing, for tooltips and screen readers. */
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

function drawn(paths) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${SIDE} ${SIDE}`);
  svg.setAttribute("aria-hidden", "true");
  for (const points of paths) {
    const line = document.createElementNS(SVG, "polyline");
    line.setAttribute("points", points.includes(" ") ? points : `${points} ${points}`); // a dot
    svg.append(line);
  }
  return svg;
}

class View {
  #client = crypto.getRandomValues(new Uint32Array(2)).join("-");
  #filter = {label: null, misread: false, page: 0};
  #selected = null; // id
  #view = {items: [], start: 0, kept: 0, all: 0, said: "", undo: false, remark: "", limit: 0};

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
    this.#show({});
  }

  remove() {
    this.layout.off("msg:custom", this.listen);
  }

  // --- to Python ------------------------------------------------------------------------------

  #send(content, buffers) {
    this.model.send(content, undefined, buffers);
  }

  #show(change) {
    Object.assign(this.#filter, {page: 0}, change);
    this.#send({do: "show", ...this.#filter});
  }

  async #import(file) {
    if (!file) return;
    if (file.size > this.#view.limit) {
      this.#say(`The file has ${megabytes(file.size)}. The page imports at most ` +
        `${megabytes(this.#view.limit)}. In Python, use DrawingFile().import_file(content).`);
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
    this.label = element("select", {}, new Option("all labels", ""), ...LABELS.map(label => new Option(name(label), label)));
    this.label.addEventListener("change", () => this.#show({label: this.label.value === "" ? null : Number(this.label.value)}));
    this.label.setAttribute("aria-label", "Show only this label");
    this.misread = element("input", {type: "checkbox"});
    this.misread.addEventListener("change", () => this.#show({misread: this.misread.checked}));
    const input = element("input", {type: "file", accept: ".jsonl,.json,.txt", hidden: true});
    input.addEventListener("change", () => {
      this.#import(input.files[0]);
      input.value = ""; // choosing the same file again must work
    });
    this.export = button("Export", () => this.#send({do: "export", client: this.#client}), {title: "Download all drawings as one file"});
    const load = button("Import", () => input.click(), {title: "Add drawings from an exported file"});
    return element("div", {className: "dp-controls"}, this.label,
      element("label", {}, this.misread, "misread only"),
      element("span", {className: "dp-files"}, load, input, this.export));
  }

  #render(view) {
    this.#view = view;
    this.#filter.page = view.page;
    if (!view.items.some(item => item.id === this.#selected)) this.#selected = null;
    this.export.disabled = !view.all;
    this.#say(view.said, view.undo);
    this.remark.textContent = view.remark;
    this.folder.textContent = view.all ? `Saved in ${view.folder} on the computer that runs this pad.` : "";
    this.#fill();
    const last = view.start + view.items.length;
    this.pager.replaceChildren(...(view.kept > view.items.length ? [
      button("Newer", () => this.#show({page: view.page - 1}), {disabled: !view.start}),
      element("span", {textContent: `${view.start + 1}–${last} of ${view.kept}`}),
      button("Older", () => this.#show({page: view.page + 1}), {disabled: last >= view.kept}),
    ] : []));
  }

  #say(text, undo = false) {
    const parts = text ? [text] : [];
    if (undo) parts.push(" ", button("Undo", () => this.#send({do: "undo"})));
    this.status.replaceChildren(...parts);
  }

  #fill() {
    const {items, all} = this.#view;
    const focused = this.grid.contains(document.activeElement);
    const none = all ? "No drawing matches." :
      "You have no drawings yet. Draw a digit, then click the digit you meant below the pad.";
    const shown = items.flatMap(item => item.id === this.#selected ? [this.#thumb(item), this.#details(item)] : [this.#thumb(item)]);
    this.grid.replaceChildren(...(shown.length ? shown : [element("p", {textContent: none})]));
    if (focused) this.grid.querySelector("[aria-expanded=true], .dp-thumb")?.focus({preventScroll: true});
  }

  #thumb(item) {
    const picture = item.paths ? drawn(item.paths) : element("img", {src: item.picture, alt: "damaged"});
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
    const labels = LABELS.map(label => button(name(label), () => this.#send({do: "relabel", id, label}), {
      className: "dp-action dp-label", disabled: label === item.label, title: `This is ${name(label)}`,
    }));
    return element("div", {className: "dp-details"},
      element("p", {textContent: `${describe(item)}; ${isNaN(time) ? item.time : time.toLocaleString()}`}),
      element("div", {}, button("Draw it again", () => this.#send({do: "draw", id})), button("Delete", () => this.#send({do: "delete", id}))),
      element("div", {}, element("span", {textContent: "This is"}), ...labels));
  }
}

export default {
  render(context) {
    const view = new View(context);
    return () => view.remove();
  },
};

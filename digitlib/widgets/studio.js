// The studio in its page. Keeps the drawing in the notebook and across a reload, brings an opened
// panel into view, and gives ipywidgets' buttons the names and states that screen readers need.

const SETTLES = 1500; // ms: an opened panel has its height within this time
const VIEW = "application/vnd.jupyter.widget-view+json";
const NAMED = ".dp-label, .dp-button"; // the text of these buttons is too short to be their name
const SWITCHES = "button.dp-switch, .dp-label";
const PARTS = ".dp-tools, .dp-correction, .dp-switches, .dp-panels"; // the parts with buttons

/** The notebook cell that shows the widget with this id, if the page is a notebook. */
export function cellOf(manager, id) {
  const cells = manager?.context?.model?.cells;
  return Array.from({length: cells?.length ?? 0}, (_, n) => cells.get(n)).find(cell =>
    cell.outputs?.toJSON().some(({data}) => data?.[VIEW]?.model_id === id));
}

/** Keeps text in the metadata of a cell, and in this tab until it is closed. */
export class Keeper {
  constructor(path, cell, storage) {
    Object.assign(this, {cell, storage, key: `digitlib:${path}:${cell?.id ?? ""}`});
  }

  /** The latest text; the tab may know one that isn't saved in the notebook. */
  get text() {
    return this.#inTab(() => this.storage.getItem(this.key)) ?? this.cell?.getMetadata("drawing") ?? "";
  }

  set text(text) {
    this.#inTab(() => this.storage.setItem(this.key, text));
    if (text) this.cell?.setMetadata("drawing", text);
    else this.cell?.deleteMetadata("drawing");
  }

  /** A browser may refuse to store anything, or more. */
  #inTab(action) {
    try {
      return action();
    } catch (problem) {
      console.warn("This tab can't keep the drawing:", problem);
      return null;
    }
  }
}

class View {
  #opening = null; // the title of the panel that was just opened, and until when its height changes

  constructor({model, el}) {
    this.controller = new AbortController();
    this.watcher = new MutationObserver(() => this.#describe());
    this.sizes = new ResizeObserver(() => this.#reveal());
    this.#keep(model);
    this.#enter(el);
  }

  remove() {
    this.controller.abort();
    this.watcher.disconnect();
    this.sizes.disconnect();
  }

  #keep(model) {
    const {widget_manager: manager} = model;
    const path = manager?.context?.path ?? location.pathname;
    const keeper = new Keeper(path, cellOf(manager, model.get("pad")), sessionStorage);
    if (keeper.text && !model.get("kept")) model.send({kept: keeper.text});
    const keep = () => { keeper.text = model.get("kept"); };
    model.on("change:kept", keep);
    this.controller.signal.addEventListener("abort", () => model.off("change:kept", keep));
  }

  /** This view gets into the pad after it is made. */
  #enter(el) {
    const {signal} = this.controller;
    this.pad = el.closest(".dp-pad");
    if (signal.aborted) return;
    if (!this.pad) {
      requestAnimationFrame(() => this.#enter(el));
      return;
    }
    this.pad.addEventListener("click", event => this.#click(event), {signal});
    this.sizes.observe(this.pad.querySelector(".dp-panels"));
    for (const part of this.pad.querySelectorAll(PARTS))
      this.watcher.observe(part, {
        subtree: true, childList: true, attributes: true, attributeFilter: ["class", "title"],
      });
    this.#describe();
  }

  #describe() {
    for (const button of this.pad.querySelectorAll(NAMED)) button.setAttribute("aria-label", button.title);
    for (const button of this.pad.querySelectorAll(SWITCHES))
      button.setAttribute("aria-pressed", button.matches(".mod-active, .dp-chosen"));
  }

  #click(event) {
    const opened = event.isTrusted && event.target.closest(".dp-switches .mod-active");
    if (opened) this.#opening = {title: opened.textContent, until: performance.now() + SETTLES};
  }

  /** On a phone, a panel would open below the screen. */
  #reveal() {
    if (!this.#opening || performance.now() > this.#opening.until) return;
    const {title} = this.#opening;
    const titled = panel => panel.querySelector("h3")?.textContent === title;
    [...this.pad.querySelectorAll(".dp-panel")].find(titled)?.scrollIntoView({block: "nearest"});
  }
}

export default {
  render(context) {
    const view = new View(context);
    return () => view.remove();
  },
};

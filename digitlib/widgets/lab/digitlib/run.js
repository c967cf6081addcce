// An extension for `make lab`: runs the cells of the drawing pad when its notebook opens and after you
// restart its kernel, so that you can draw at once. It runs only the code that digitlib ships. Other
// code runs only if JupyterLab trusts the notebook. There is no build step: this file is a prebuilt
// extension.

const NOTEBOOK = "notebooks/01_draw.ipynb"; // no other notebook runs by itself
const TAG = "run-on-open"; // of the cells to run
const SHIPPED = // SHA-256 of their code; tests/test_notebooks.py says when it is old
  "23dbe54dfd2738ac8ab1039ef7c15303bbec53fa58516c1bfd0c0998184f9ee0";

const VIEW = "application/vnd.jupyter.widget-view+json";

const known = new WeakSet(); // notebooks that have been opened
const due = new WeakSet(); // those to run as soon as they are in front
const waiting = new WeakMap(); // those that wait for their kernel, and the run that does

const isTagged = ({model}) => (model.getMetadata("tags") ?? []).includes(TAG);
const sources = cells => cells.map(({model}) => model.sharedModel.getSource()).join("\n");

async function isShipped(cells) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(sources(cells)));
  return [...new Uint8Array(digest)].map(byte => byte.toString(16).padStart(2, "0")).join("") === SHIPPED;
}

/** Does a cell show a widget that the kernel still knows, as after a reload of the page? */
async function isLive({model}, kernel) {
  const shown = model.outputs?.toJSON().map(({data}) => data?.[VIEW]?.model_id).filter(Boolean) ?? [];
  if (!shown.length) return false;
  const {content} = await kernel.requestCommInfo({target_name: "jupyter.widget"});
  return shown.some(id => id in (content.comms ?? {}));
}

/** Run the tagged cells, unless they show a pad already. */
async function run(app, panel) {
  const {content: notebook, context, sessionContext} = panel;
  const own = {};
  waiting.set(panel, own);
  await Promise.all([context.ready, sessionContext.ready]);
  const {kernel} = sessionContext.session ?? {};
  if (!kernel) return; // the user has chosen none
  await kernel.info;
  const cells = notebook.widgets.filter(isTagged);
  if (!cells.every(({model}) => model.trusted) && !await isShipped(cells)) return;
  const live = await Promise.all(cells.map(cell => isLive(cell, kernel)));
  if (waiting.get(panel) !== own) return; // a later run has begun
  waiting.delete(panel);
  if (live.includes(true)) return;
  const before = sources(notebook.widgets);
  for (const cell of cells) {
    if (app.shell.currentWidget !== panel) { // or the command would run another notebook
      due.add(panel);
      return;
    }
    notebook.activeCellIndex = notebook.widgets.indexOf(cell);
    await app.commands.execute("notebook:run-cell");
  }
  // The user has changed nothing, so there is nothing to save.
  if (sources(notebook.widgets) === before) context.model.dirty = false;
}

/** Call a function after each restart by the user, which announces the same kernel again. A kernel
    that has died would die again; its restart is only a change of the status. A kernel that starts
    has lost the questions of a run that waits for it. */
function onRestart(panel, action) {
  const {kernelChanged, statusChanged} = panel.sessionContext;
  kernelChanged.connect((_, {oldValue, newValue}) => {
    if (newValue && newValue === oldValue) action();
  });
  statusChanged.connect((_, status) => {
    if (status === "starting" && waiting.has(panel)) action();
  });
}

const plugin = {
  id: "digitlib:run",
  autoStart: true,
  activate(app) {
    const look = () => {
      const panel = app.shell.currentWidget;
      if (panel?.context?.path !== NOTEBOOK || !panel.sessionContext) return;
      const ask = () => {
        due.add(panel);
        look();
      };
      if (!known.has(panel)) {
        known.add(panel);
        due.add(panel);
        onRestart(panel, ask);
      }
      if (due.delete(panel))
        run(app, panel).catch(problem => console.error("The drawing pad isn't run:", problem));
    };
    app.shell.currentChanged.connect(look);
    app.restored.then(look);
  },
};

(globalThis._JUPYTERLAB ??= {}).digitlib = {
  init() {},
  get: async () => () => ({__esModule: true, default: plugin}),
};

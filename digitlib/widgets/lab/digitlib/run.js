// An extension for `make lab`: runs the cells of the drawing pad when its notebook opens, so that
// you can draw at once. JupyterLab loads it as a prebuilt extension, without a build step.

const NOTEBOOK = "notebooks/01_draw.ipynb"; // no other notebook runs by itself
const TAG = "run-on-open"; // of the cells to run

const VIEW = "application/vnd.jupyter.widget-view+json";

const opened = new WeakSet(); // notebooks that have run, or are about to

const isTagged = ({model}) => (model.getMetadata("tags") ?? []).includes(TAG);
const sources = ({widgets}) => JSON.stringify(widgets.map(({model}) => model.sharedModel.getSource()));

/** Does a cell show a widget that the kernel still knows, as after a reload of the page? */
async function isLive({model}, kernel) {
  const shown = model.outputs?.toJSON().map(({data}) => data?.[VIEW]?.model_id).filter(Boolean) ?? [];
  if (!shown.length) return false;
  const {content} = await kernel.requestCommInfo({target_name: "jupyter.widget"});
  return shown.some(id => id in (content.comms ?? {}));
}

/** Run the tagged cells that JupyterLab trusts. */
async function run(app, panel) {
  const {content: notebook, context, sessionContext} = panel;
  await Promise.all([context.ready, sessionContext.ready]);
  const {kernel} = sessionContext.session ?? {};
  if (!kernel) return; // the user has chosen none
  await kernel.info;
  const cells = notebook.widgets.filter(cell => isTagged(cell) && cell.model.trusted);
  for (const cell of cells) if (await isLive(cell, kernel)) return;
  const before = sources(notebook);
  for (const cell of cells) {
    if (app.shell.currentWidget !== panel) { // later, or the command would run another notebook
      opened.delete(panel);
      return;
    }
    notebook.activeCellIndex = notebook.widgets.indexOf(cell);
    await app.commands.execute("notebook:run-cell");
  }
  // The user has changed nothing, so there is nothing to save.
  if (sources(notebook) === before) context.model.dirty = false;
}

const plugin = {
  id: "digitlib:run",
  autoStart: true,
  activate(app) {
    const look = () => {
      const panel = app.shell.currentWidget;
      if (panel?.context?.path !== NOTEBOOK || !panel.sessionContext || opened.has(panel)) return;
      opened.add(panel);
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

// Loads a widget's module. Node would take a .js file outside a package for CommonJS.

import {readFile} from "node:fs/promises";
import {webcrypto} from "node:crypto";

// Globals of the browser that Node 18 lacks.
globalThis.crypto ??= webcrypto;
globalThis.CustomEvent ??= class extends Event {
  constructor(name, {detail}) {
    super(name);
    this.detail = detail;
  }
};
globalThis.document = {};

export async function load(path) {
  const source = await readFile(new URL(`../../digitlib/widgets/${path}`, import.meta.url));
  return import(`data:text/javascript;base64,${source.toString("base64")}`);
}

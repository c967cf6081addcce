// Runs after the page's modules, without the page: each line of the input is a list of a command and
// its arguments, in JSON, and each line of the output is what it returns.

const recognizer = new modules.recognizer.Recognizer();
const history = new modules.history.History();
const predictions = [];

const base64 = array => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");

const COMMANDS = {
  read(strokes, pen) {
    const found = recognizer.predictStrokes(strokes);
    const several = found.rejected && modules.strokes.sideBySide(strokes);
    predictions.push(found);
    const {probabilities, score, threshold, rejected, because} = found;
    return {
      probabilities, score, threshold, rejected, because: because?.id ?? null, frame: base64(found.frame),
      html: modules.display.digitHtml(found, "", {pen, several}), spoken: modules.display.spoken(found, "", false),
    };
  },
  run(graph, frame) {
    const {probabilities, score, embedding} = new modules.network.Network(graph).run(Float32Array.from(frame));
    return {probabilities: [...probabilities.data], score: score.data[0], embedding: [...embedding.data]};
  },
  fail: (error, pen) => modules.display.digitHtml(null, error, {pen}),
  remember: (id, label) => recognizer.memory.add(predictions.at(-1), label, id),
  forget: id => recognizer.memory.remove(id),
  change(action, ...values) {
    history[action](...values);
    const {traces, penDown, canUndo, canRedo} = history;
    return {traces, penDown, canUndo, canRedo};
  },
  record: (traces, label) => modules.drawing_file.toRecord(traces, predictions.at(-1), label),
};

const lines = require("node:fs").readFileSync(0, "utf8").split("\n").filter(Boolean);
for (const line of lines) {
  const [command, ...values] = JSON.parse(line);
  console.log(JSON.stringify(COMMANDS[command](...values) ?? null));
}

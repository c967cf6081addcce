// A network as a graph of ONNX operators, for one frame at a time. Values are {dims, data}.

/** a [K, M] transposed times b [K, N], M and N multiples of 4; each may start inside its array. */
function product(a, b, M, N, K, out, atA = 0, atB = 0, atOut = 0) {
  // Blocks of 4 by 4 sums stay in registers: two multiplications for each number that is read.
  for (let m = 0; m < M; m += 4) {
    for (let n = 0; n < N; n += 4) {
      let s00 = 0, s01 = 0, s02 = 0, s03 = 0, s10 = 0, s11 = 0, s12 = 0, s13 = 0;
      let s20 = 0, s21 = 0, s22 = 0, s23 = 0, s30 = 0, s31 = 0, s32 = 0, s33 = 0;
      for (let k = 0, i = atA + m, j = atB + n; k < K; k++, i += M, j += N) {
        const a0 = a[i], a1 = a[i + 1], a2 = a[i + 2], a3 = a[i + 3];
        const b0 = b[j], b1 = b[j + 1], b2 = b[j + 2], b3 = b[j + 3];
        s00 += a0 * b0; s01 += a0 * b1; s02 += a0 * b2; s03 += a0 * b3;
        s10 += a1 * b0; s11 += a1 * b1; s12 += a1 * b2; s13 += a1 * b3;
        s20 += a2 * b0; s21 += a2 * b1; s22 += a2 * b2; s23 += a2 * b3;
        s30 += a3 * b0; s31 += a3 * b1; s32 += a3 * b2; s33 += a3 * b3;
      }
      let o = atOut + m * N + n;
      out[o] = s00; out[o + 1] = s01; out[o + 2] = s02; out[o + 3] = s03; o += N;
      out[o] = s10; out[o + 1] = s11; out[o + 2] = s12; out[o + 3] = s13; o += N;
      out[o] = s20; out[o + 1] = s21; out[o + 2] = s22; out[o + 3] = s23; o += N;
      out[o] = s30; out[o + 1] = s31; out[o + 2] = s32; out[o + 3] = s33;
    }
  }
}
const fours = count => 4 * Math.ceil(count / 4);
const size = dims => dims.reduce((a, b) => a * b, 1);

// --- convolution -----------------------------------------------------------------------------

// A 3 by 3 kernel with stride 1 needs 9 multiplications for each output. Tiles of 3 by 3 outputs need
// 25, less than 3 for each, if inputs, kernels and outputs are transformed (Winograd; Lavin and Gray,
// arXiv 1509.09308). The transforms follow from the points 0, 1, -1, 2 and infinity. A larger kernel
// is several of 3 by 3, for inputs that are shifted by 3, 6, …
const STEP = 3, SIDE = 5; // of a tile of outputs, and of the inputs that it depends on
const OF_KERNEL = [[1/2, 0, 0], [1/2, 1/2, 1/2], [1/6, -1/6, 1/6], [1/6, 1/3, 2/3], [0, 0, 1]];

function transformInput(v, at, step) {
  const a = v[at], b = v[at + step], c = v[at + 2*step], d = v[at + 3*step], e = v[at + 4*step];
  v[at] = 2 * (a - c) - b + d;
  v[at + step] = 2 * b + c - d;
  v[at + 2*step] = 3 * c - 2 * b - d;
  v[at + 3*step] = d - b;
  v[at + 4*step] = 2 * (b - d) - c + e;
}

function transformOutput(v, at, step) {
  const a = v[at], b = v[at + step], c = v[at + 2*step], d = v[at + 3*step], e = v[at + 4*step];
  v[at] = a + b + c + d;
  v[at + step] = b - c + 2 * d;
  v[at + 2*step] = b + c + 4 * d + e;
}

/** Parts [k, k] of kernels [M, C, size, size], `parts` along each side. Their rows and columns are
    multiplied by a matrix [s, k]: s * s matrices [C * parts * parts, M]. */
function transformKernels({dims: [M, C, size], data}, matrix, parts) {
  const s = matrix.length, k = matrix[0].length, many = fours(M), inputs = C * parts * parts;
  const found = new Float32Array(s * s * inputs * many);
  for (let e = 0; e < s * s; e++) {
    const factors = matrix[Math.floor(e / s)].flatMap(row => matrix[e % s].map(column => row * column));
    for (let n = 0; n < inputs; n++) {
      const c = Math.floor(n / parts / parts), top = Math.floor(n / parts) % parts * k, left = n % parts * k;
      for (let m = 0; m < M; m++) {
        let sum = 0;
        for (let y = top; y < Math.min(top + k, size); y++)
          for (let x = left; x < Math.min(left + k, size); x++)
            sum += factors[(y - top) * k + x - left] * data[((m * C + c) * size + y) * size + x];
        found[(e * inputs + n) * many + m] = sum;
      }
    }
  }
  return found;
}
const identity = k => Array.from({length: k}, (_, i) => Array.from({length: k}, (_, j) => +(i === j)));

/** The numbers that each tile of outputs depends on, times the kernels. Without transforms, a tile is
    one output. */
function conv({dims: [, C, H, W], data: values}, w, b, node) {
  const {kernel_shape: kernel, pads, strides, relu} = node;
  const [M] = w.dims, quick = kernel >= 3 && strides === 1;
  const [rows, columns] = [H, W].map(all => Math.floor((all + 2 * pads - kernel) / strides) + 1);
  const [step, side, parts] = quick ? [STEP, SIDE, Math.ceil(kernel / 3)] : [1, kernel, 1];
  const [high, wide] = [rows, columns].map(all => Math.ceil(all / step)); // in tiles
  const many = fours(M), E = side * side, K = C * parts * parts, tiles = fours(high * wide);
  const N = K * tiles % 1024 ? tiles : tiles + 4; // numbers 4 KiB apart would share a place in the cache
  const {inputs, sums} = (node.room ??= { // made once, because new memory is slow
    inputs: new Float32Array(E * K * N), sums: new Float32Array((quick ? E : 1) * many * N),
  });
  inputs.fill(0);
  for (let e = 0; e < E; e++)
    for (let k = 0; k < K; k++) {
      const top = Math.floor(e / side) + Math.floor(k / parts) % parts * 3 - pads;
      const left = e % side + k % parts * 3 - pads, channel = Math.floor(k / parts / parts) * H * W;
      for (let row = 0; row < high; row++) {
        const y = top + row * step * strides, to = (e * K + k) * N + row * wide;
        for (let column = 0, z = left; column < wide; column++, z += step * strides)
          if (y >= 0 && y < H && z >= 0 && z < W) inputs[to + column] = values[channel + y * W + z];
      }
    }
  const kernels = (node.kernels ??= transformKernels(w, quick ? OF_KERNEL : identity(kernel), parts));
  if (quick) {
    transform(inputs, K * N, SIDE, transformInput);
    for (let e = 0; e < E; e++)
      product(kernels, inputs, many, N, K, sums, e * K * many, e * K * N, e * many * N);
    transform(sums, many * N, STEP, transformOutput);
  } else product(kernels, inputs, many, N, E * K, sums);
  const data = new Float32Array(M * rows * columns);
  for (let m = 0; m < M; m++) {
    const bias = b ? b.data[m] : 0;
    for (let y = 0; y < rows; y++) {
      const i = y % step, row = (y - i) / step * wide + m * N, to = (m * rows + y) * columns;
      for (let j = 0; j < step; j++)
        for (let z = j, at = (i * side + j) * many * N + row; z < columns; z += step, at++)
          data[to + z] = relu ? Math.max(sums[at] + bias, 0) : sums[at] + bias;
    }
  }
  return {dims: [1, M, rows, columns], data};
}

/** Transform tiles in place, first along their rows; `count` numbers are between those of a tile. */
function transform(tiles, count, columns, along) {
  for (let n = 0; n < count; n++) {
    for (let i = 0; i < SIDE; i++) along(tiles, n + i * SIDE * count, count);
    for (let j = 0; j < columns; j++) along(tiles, n + j * count, SIDE * count);
  }
}

// --- the other operators ---------------------------------------------------------------------

/** The largest number of each window. */
function maxPool(x, {kernel_shape: side, strides}) {
  const [, C, H, W] = x.dims;
  const [rows, columns] = [H, W].map(length => Math.floor((length - side) / strides) + 1);
  const {data: values} = x, data = new Float32Array(C * rows * columns);
  for (let c = 0, at = 0; c < C; c++)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++, at++) {
        let value = -Infinity;
        for (let i = 0, from = (c * H + row * strides) * W + column * strides; i < side; i++, from += W)
          for (let j = from; j < from + side; j++)
            value = Math.max(value, values[j]);
        data[at] = value;
      }
  return {dims: [1, C, rows, columns], data};
}

/** Weights [M, K] times a vector, plus M biases. */
function linear(x, w, b) {
  const [M, K] = w.dims, data = new Float32Array(M);
  for (let m = 0; m < M; m++) {
    let sum = b.data[m];
    for (let k = 0; k < K; k++) sum += x.data[k] * w.data[m * K + k];
    data[m] = sum;
  }
  return {dims: [1, M], data};
}

/** Number by number; b may be one number. */
const each = (a, b, f) => ({dims: a.dims, data: a.data.map((value, i) => f(value, b.data[i] ?? b.data[0]))});
const logSumExp = values => {
  const most = Math.max(...values);
  return most + Math.log(values.reduce((sum, value) => sum + Math.exp(value - most), 0));
};

// By name. graph.py makes sure that a network needs only these, with attributes that they know.
const OPERATORS = {
  Conv: ([x, w, b], how) => conv(x, w, b, how),
  Div: ([a, b]) => each(a, b, (x, y) => x / y),
  Flatten: ([x]) => ({dims: [1, x.data.length], data: x.data}),
  Gather: ([x, {data: [at]}]) => ({dims: [1], data: x.data.slice(at, at + 1)}),
  Gemm: ([x, w, b]) => linear(x, w, b),
  MaxPool: ([x], how) => maxPool(x, how),
  ReduceLogSumExp: ([x]) => ({dims: [1], data: Float32Array.of(logSumExp([...x.data]))}),
  Slice([x, {data: [start]}, {data: [end]}]) { // along the channels
    const [, channels, ...rest] = x.dims, last = Math.min(end, channels);
    const data = x.data.subarray(start * size(rest), last * size(rest));
    return {dims: [1, last - start, ...rest], data};
  },
  Softmax([x]) {
    const all = logSumExp([...x.data]);
    return {dims: x.dims, data: x.data.map(value => Math.exp(value - all))};
  },
  Sub: ([a, b]) => each(a, b, (x, y) => x - y),
};

/** A network that graph.py has read: nodes in order, constants by name, and all weights in base64. */
export class Network {
  constructor({nodes, constants, weights}) {
    const text = atob(weights), bytes = new Uint8Array(text.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
    const all = new Float32Array(bytes.buffer);
    this.nodes = nodes;
    this.constants = {...constants};
    for (const [name, {dims, start}] of Object.entries(constants))
      if (start !== undefined)
        this.constants[name] = {dims, data: all.subarray(start, start + size(dims))};
  }

  /** All values of the graph by name, for one frame, Float32Array [4, 28, 28]. */
  run(frame) {
    const values = {...this.constants, frames: {dims: [1, 4, 28, 28], data: frame}};
    for (const {operator, inputs, output, attributes} of this.nodes)
      values[output] = OPERATORS[operator](inputs.map(name => values[name]), attributes);
    return values;
  }
}

// A trained encoder or decoder on typed arrays. The values of an image lie as Keras flattens them: rows, columns,
// channels. Every layer with weights is a list of steps (from, to, tap): the channels at `from` of the input, times
// the tap's matrix (channels × filters), are added to the filters at `to` of the output.

const ACTIVATIONS = {
  linear: values => values,
  relu: values => {
    for (let i = 0; i < values.length; i++) if (values[i] < 0) values[i] = 0;
  },
  sigmoid: values => {
    for (let i = 0; i < values.length; i++) values[i] = 1 / (1 + Math.exp(-values[i]));
  },
};

const count = shape => shape.reduce((product, side) => product * side, 1);

// Pairs of places that a tap joins along one axis: large = small · stride + tap - padding. A convolution goes from the
// large side to the small one, a transposed convolution back; half of the padding, rounded down, comes before.
const joined = (small, large, taps, stride) => {
  const before = Math.max((small - 1) * stride + taps - large, 0) >> 1;
  const pairs = [];
  for (let s = 0; s < small; s++)
    for (let tap = 0; tap < taps; tap++) {
      const l = s * stride + tap - before;
      if (l >= 0 && l < large) pairs.push([s, l, tap]);
    }
  return pairs;
};

const stepsOf = ({ type, input, output, kernel, strides }) => {
  if (type === "dense") return [[0, 0, 0]];
  const transposed = type === "transposed";
  const [small, large] = transposed ? [input, output] : [output, input];
  const rows = joined(small[0], large[0], kernel[0], strides[0]);
  const columns = joined(small[1], large[1], kernel[1], strides[1]);
  const steps = rows.flatMap(([sy, ly, ky]) => columns.map(([sx, lx, kx]) => {
    const [s, l] = [sy * small[1] + sx, ly * large[1] + lx];
    const [from, to] = transposed ? [s, l] : [l, s];
    return [from * input[2], to * output[2], (ky * kernel[1] + kx) * input[2] * output[2]];
  }));
  return steps.sort((a, b) => a[0] - b[0]);
};

// Adds what every step brings. Channels that are zero (after ReLU about half) are left out, the others taken by fours.
const accumulate = (steps, kernel, channels, filters, input, output) => {
  const values = new Float32Array(channels + 3), rows = new Int32Array(channels + 3);
  let last = -1, used = 0;
  for (let s = 0; s < steps.length; s += 3) {
    const from = steps[s], to = steps[s + 1], tap = steps[s + 2];
    if (from !== last) {
      last = from;
      used = 0;
      for (let c = 0; c < channels; c++)
        if (input[from + c] !== 0) {
          values[used] = input[from + c];
          rows[used++] = c * filters;
        }
      for (; used & 3; used++) values[used] = rows[used] = 0;
    }
    for (let i = 0; i < used; i += 4) {
      const v0 = values[i], v1 = values[i + 1], v2 = values[i + 2], v3 = values[i + 3];
      const r0 = tap + rows[i], r1 = tap + rows[i + 1], r2 = tap + rows[i + 2], r3 = tap + rows[i + 3];
      for (let f = 0; f < filters; f++)
        output[to + f] += v0 * kernel[r0 + f] + v1 * kernel[r1 + f] + v2 * kernel[r2 + f] + v3 * kernel[r3 + f];
    }
  }
};

const weighted = (layer, kernel, bias) => {
  const steps = Int32Array.from(stepsOf(layer).flat());
  const channels = layer.input.at(-1), filters = layer.output.at(-1);
  const output = new Float32Array(count(layer.output)), activate = ACTIVATIONS[layer.activation];
  return input => {
    for (let i = 0; i < output.length; i += filters) output.set(bias, i);
    accumulate(steps, kernel, channels, filters, input, output);
    activate(output);
    return output;
  };
};

// One network: layers as `helpers.report.live.pack` describes them, weights in their order as 16-bit integers, each
// kernel (…, channels, filters) before its bias, each with its scale. Returns a function Float32Array → Float32Array.
export const network = (layers, weights, scales) => {
  let used = 0, arrays = 0;
  const take = size => {
    const scale = scales[arrays++];
    return Float32Array.from(weights.subarray(used, (used += size)), value => value * scale);
  };
  const stack = layers.filter(layer => layer.type !== "reshape").map(layer => {
    const filters = layer.output.at(-1);
    const kernel = take(count(layer.kernel ?? []) * layer.input.at(-1) * filters);
    return weighted(layer, kernel, take(filters));
  });
  if (used !== weights.length) throw new RangeError(`${weights.length} weights for layers that have ${used}`);
  const size = count(layers[0].input);
  return input => {
    if (input.length !== size) throw new RangeError(`${input.length} values for a network that takes ${size}`);
    return Float32Array.from(stack.reduce((values, run) => run(values), input));
  };
};

export const bytes = base64 => {
  const text = atob(base64), values = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) values[i] = text.charCodeAt(i);
  return values;
};

// {encoder, decoder} or one of them, as packed: each a function Float32Array → Float32Array. An encoder gives the
// latent means, then the log-variances.
export const load = packed => Object.fromEntries(Object.entries(packed).map(([part, { layers, weights, scales }]) =>
  [part, network(layers, new Int16Array(bytes(weights).buffer), scales)]));

// What the engine and the chain say to the inputs in `given`.

const results = {};
const run = (packed, part, inputs) => inputs.map(x => [...load(packed)[part](Float32Array.from(x))]);
for (const [name, { packed, encoder, decoder }] of Object.entries(given.cases))
  results[name] = { encoder: run(packed, "encoder", encoder.x), decoder: run(packed, "decoder", decoder.x) };

const { decoder } = load(given.cases.convolutional.packed), z = Float32Array.of(0.3, -0.8);
results.seconds = Math.min(...Array.from({ length: 12 }, () => {
  const start = performance.now();
  for (let i = 0; i < 10; i++) decoder(z);
  return (performance.now() - start) / 10_000;
}));

const { packed, digit, hole, noise, warm_up, steps } = given.gibbs;
for (const method of ["metropolis", "pseudo-gibbs"]) {
  const { normal, uniform } = noise[method], random = { normal: () => normal.shift(), uniform: () => uniform.shift() };
  const made = chain({ ...load(packed), loss: "bce", warm_up }, Float32Array.from(digit), hole, method, random);
  for (let i = 0; i < warm_up + steps; i++) made.step();
  const [filled, mean, first] = [made.state.filled, made.mean, made.first.filled].map(image => [...image]);
  results[method] = { filled, mean, first, share: made.taken / steps };
}

const refused = call => {
  try { call(); } catch (error) { return error.message; }
};
results.refused = [
  refused(() => decoder(Float32Array.of(1))),
  refused(() => network(given.cases.dense.packed.decoder.layers, new Int16Array(5), [1, 1, 1, 1, 1, 1, 1])),
];

// Insert vectors with random ids into a real Ruvector database, new or old.
//
//   node insert.mjs FILE COUNT DIMENSIONS SEED
//
// Finds @ruvector/core where the live tests install it.
import { createRequire } from 'node:module';

const require = createRequire(new URL('../live/package.json', import.meta.url));
const { VectorDb } = require('@ruvector/core');
const BATCH = 1000;

// mulberry32: small, and the same everywhere.
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const [file, ...numbers] = process.argv.slice(2);
const [count, dimensions, seed] = numbers.map(Number);
if (!file || !(count > 0 && dimensions > 0 && seed >= 0)) {
  console.error('usage: insert.mjs FILE COUNT DIMENSIONS SEED');
  process.exit(2);
}
const random = generator(seed);
const hex = () => Math.floor(random() * 0x100000000).toString(16).padStart(8, '0');
const db = new VectorDb({ dimensions, storagePath: file });
for (let left = count; left > 0; left -= BATCH) {
  const entries = [];
  for (let i = 0; i < Math.min(left, BATCH); i++)
    entries.push({
      id: `${hex()}-${hex()}-${hex()}-${hex()}`,
      vector: Float32Array.from({ length: dimensions }, () => random() * 2 - 1),
    });
  await db.insertBatch(entries);
}
console.log(await db.len());

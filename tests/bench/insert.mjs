// Insert vectors with random ids into a real Ruvector database, new or old.
//
//   node insert.mjs FILE COUNT DIMENSIONS SEED
import { BATCH, VectorDb, generator } from '../live/vectors.mjs';

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
  const entries = Array.from({ length: Math.min(left, BATCH) }, () => ({
    id: `${hex()}-${hex()}-${hex()}-${hex()}`,
    vector: Float32Array.from({ length: dimensions }, () => random() * 2 - 1),
  }));
  await db.insertBatch(entries);
}
console.log(await db.len());

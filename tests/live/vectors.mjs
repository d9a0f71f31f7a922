// What the live tests and benchmarks share: Ruvector itself, and seeded vectors.
import { createRequire } from 'node:module';

// By this file's place, for scripts of other folders have no modules of their own.
export const { VectorDb } = createRequire(import.meta.url)('@ruvector/core');
export const BATCH = 1000;
const FAMILY = 4;
const QUERIES = 10;

// mulberry32: small, and the same everywhere.
export function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// Vectors come in families: member 0 is random, the others move away from it
// step by step.  So each query has one right order of answers, and an index that
// only approximates cannot return another one by luck.
export function vectorAt(number, dimensions) {
  const random = generator(1 + Math.floor(number / FAMILY));
  const step = 0.05 * (number % FAMILY);
  return Float32Array.from({ length: dimensions }, () => random() * 2 - 1 + step * (random() * 2 - 1));
}

// COUNT entries from number FIRST on, named by idOf(number).
export function entriesAt(first, count, dimensions, idOf) {
  return Array.from({ length: count }, (_, i) => ({
    id: idOf(first + i),
    vector: vectorAt(first + i, dimensions),
  }));
}

// Insert the first COUNT vectors, a thousand in each transaction.
export async function fill(db, count, dimensions, idOf) {
  for (let start = 0; start < count; start += BATCH)
    await db.insertBatch(entriesAt(start, Math.min(BATCH, count - start), dimensions, idOf));
}

// What some fixed queries find: for each, ids and scores of a family.
export async function nearest(db, dimensions) {
  const answers = [];
  for (let i = 0; i < QUERIES; i++) {
    const found = await db.search({ vector: vectorAt(i * FAMILY, dimensions), k: FAMILY });
    answers.push(found.map(({ id, score }) => `${id} ${score.toFixed(4)}`));
  }
  return answers;
}

// A real Ruvector database for the live test.
//
//   node database.mjs make FILE COUNT DIMENSIONS    make one, say what it answers
//   node database.mjs ask FILE DIMENSIONS           open one, say what it answers
//
// The answer is one line of JSON: the number of vectors, the nearest ids and
// scores for some fixed queries, one stored vector.  The generator is seeded, so
// every run makes the same vectors and asks the same questions.
import ruvector from '@ruvector/core';

const { VectorDb } = ruvector;
const BATCH = 1000;
const FAMILY = 4;
const QUERIES = 10;

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

// Vectors come in families: member 0 is random, the others move away from it
// step by step.  So each query has one right order of answers, and an index that
// only approximates cannot return another one by luck.
function vectorAt(number, dimensions) {
  const random = generator(1 + Math.floor(number / FAMILY));
  const step = 0.05 * (number % FAMILY);
  return Float32Array.from({ length: dimensions }, () => random() * 2 - 1 + step * (random() * 2 - 1));
}

async function make(file, count, dimensions) {
  const db = new VectorDb({ dimensions, storagePath: file });
  for (let start = 0; start < count; start += BATCH) {
    const entries = [];
    for (let i = start; i < Math.min(start + BATCH, count); i++)
      entries.push({ id: `v${i}`, vector: vectorAt(i, dimensions) });
    await db.insertBatch(entries);
  }
  return db;
}

async function answer(db, dimensions) {
  const nearest = [];
  for (let i = 0; i < QUERIES; i++) {
    const found = await db.search({ vector: vectorAt(i * FAMILY, dimensions), k: FAMILY });
    nearest.push(found.map(({ id, score }) => `${id} ${score.toFixed(4)}`));
  }
  const stored = await db.get('v1');
  return { count: await db.len(), nearest, v1: Array.from(stored.vector.slice(0, 4)) };
}

const [verb, file, ...numbers] = process.argv.slice(2);
let db, dimensions;
if (verb === 'make' && numbers.length === 2) {
  dimensions = Number(numbers[1]);
  db = await make(file, Number(numbers[0]), dimensions);
} else if (verb === 'ask' && numbers.length === 1) {
  dimensions = Number(numbers[0]);
  db = new VectorDb({ dimensions, storagePath: file });
} else {
  console.error('usage: database.mjs make FILE COUNT DIMENSIONS | ask FILE DIMENSIONS');
  process.exit(2);
}
console.log(JSON.stringify(await answer(db, dimensions)));

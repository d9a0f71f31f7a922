// A real Ruvector database for the live test.
//
//   node database.mjs make FILE COUNT DIMENSIONS    make one, say what it answers
//   node database.mjs ask FILE DIMENSIONS           open one, say what it answers
//   node database.mjs count FILE... DIMENSIONS      open some, say how many vectors
//
// Counts are a line each.  The answer is one line of JSON: the number of vectors, the nearest ids and
// scores for some fixed queries, one stored vector.  The generator is seeded, so
// every run makes the same vectors and asks the same questions.
import { VectorDb, fill, nearest } from './vectors.mjs';

async function answer(db, dimensions) {
  const stored = await db.get('v1');
  return {
    count: await db.len(),
    nearest: await nearest(db, dimensions),
    v1: Array.from(stored.vector.slice(0, 4)),
  };
}

const verbs = {
  async make(file, count, dimensions) {
    const db = new VectorDb({ dimensions, storagePath: file });
    await fill(db, Number(count), dimensions, (number) => `v${number}`);
    console.log(JSON.stringify(await answer(db, dimensions)));
  },
  async ask(file, dimensions) {
    const db = new VectorDb({ dimensions, storagePath: file });
    console.log(JSON.stringify(await answer(db, dimensions)));
  },
  async count(...files) {
    const dimensions = files.pop();
    for (const file of files) console.log(await new VectorDb({ dimensions, storagePath: file }).len());
  },
};
const [verb, ...args] = process.argv.slice(2);
const dimensions = Number(args.pop());
if (!verbs[verb] || args.length === 0 || !(dimensions > 0)) {
  console.error('usage: database.mjs make FILE COUNT DIMENSIONS | ask FILE DIMENSIONS | count FILE... DIMENSIONS');
  process.exit(2);
}
await verbs[verb](...args, dimensions);

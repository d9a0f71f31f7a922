// Captures of a Ruvector database that is being written at full speed.
//
//   node redb_writer.mjs capture FOLDER COUNT DIMENSIONS BATCH CAPTURES PROGRAM...
//   node redb_writer.mjs open FILE DIMENSIONS
//
// `capture` makes FOLDER/live.db with COUNT vectors, then inserts BATCH vectors a
// transaction without a pause and meanwhile runs PROGRAM LIVE COPY, CAPTURES
// times.  Each copy is opened by `open` in a process of its own: it must open,
// hold no fewer vectors than were committed before the program started and no
// more than were begun when it ended, and answer a fixed query.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import ruvector from '@ruvector/core';

const { VectorDb } = ruvector;
const WARM_UP_MS = 300;
const FILL = 1000;
const PROBES = [0, 7, 42];

function vectorAt(number, dimensions) {
  const vector = new Float32Array(dimensions);
  for (let i = 0; i < dimensions; i++) vector[i] = Math.sin(number * 12.9898 + i * 78.233) * 0.5;
  return vector;
}

// Ids that fall all over the tree, as random ones do: multiplying by an odd number
// makes no two equal.
function idOf(number) {
  return (Math.imul(number, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0');
}

function entries(first, count, dimensions) {
  return Array.from({ length: count }, (_, i) => ({
    id: idOf(first + i),
    vector: vectorAt(first + i, dimensions),
  }));
}

// Runs a program to its end: its exit code and what it said.
async function run(program, args) {
  const child = spawn(program, args);
  let said = '';
  child.stdout.on('data', (data) => (said += data));
  child.stderr.on('data', (data) => (said += data));
  const [code] = await once(child, 'close');
  return { code, said: said.trim() };
}

// Writes until told to stop; knows what was begun and what was committed.
class Writer {
  constructor(db, dimensions, batch, count) {
    Object.assign(this, { db, dimensions, batch, begun: count, committed: count, running: true });
    this.done = this.write();
  }

  async write() {
    while (this.running) {
      const next = entries(this.begun, this.batch, this.dimensions);
      this.begun += this.batch;
      if (this.batch === 1) await this.db.insert(next[0]);
      else await this.db.insertBatch(next);
      this.committed += this.batch;
    }
  }

  async stop() {
    this.running = false;
    await this.done;
  }
}

async function captureOnce(writer, program, live, copy) {
  await sleep(WARM_UP_MS);
  const least = writer.committed;
  const { code, said } = await run(program[0], [...program.slice(1), live, copy]);
  const most = writer.begun;
  if (code !== 0) return { ok: false, said };

  await writer.stop(); // the check is not what is measured
  const opened = await run(process.execPath, [
    fileURLToPath(import.meta.url), 'open', copy, String(writer.dimensions),
  ]);
  if (opened.code !== 0) return { ok: false, least, most, said: opened.said.split('\n')[0] };
  const found = JSON.parse(opened.said);
  const ok = found.count >= least && found.count <= most && found.answers;
  let capture;
  try {
    capture = JSON.parse(said);
  } catch {
    capture = undefined; // some other program, such as cp
  }
  return { ok: ok && (!capture || capture.vectors === found.count), least, most, ...found, ...capture };
}

async function capture([folder, count, dimensions, batch, captures, ...program]) {
  const live = join(folder, 'live.db');
  const copy = join(folder, 'copy.db');
  rmSync(live, { force: true });
  const db = new VectorDb({ dimensions: +dimensions, storagePath: live, distanceMetric: 'Euclidean' });
  for (let i = 0; i < +count; i += FILL) await db.insertBatch(entries(i, FILL, +dimensions));

  let total = +count;
  let good = 0;
  for (let i = 0; i < +captures; i++) {
    const writer = new Writer(db, +dimensions, +batch, total);
    rmSync(copy, { force: true });
    const result = await captureOnce(writer, program, live, copy);
    await writer.stop();
    total = writer.committed;
    good += result.ok ? 1 : 0;
    console.log(JSON.stringify(result));
  }
  console.log(`${good} of ${captures} captures hold`);
  return good === +captures ? 0 : 1;
}

async function open([file, dimensions]) {
  const db = new VectorDb({ dimensions: +dimensions, storagePath: file, distanceMetric: 'Euclidean' });
  let answers = true;
  for (const number of PROBES) {
    const [nearest] = await db.search({ vector: vectorAt(number, +dimensions), k: 1 });
    const stored = await db.get(idOf(number));
    answers &&= stored !== null && nearest?.id === idOf(number) && nearest.score < 1e-3;
  }
  console.log(JSON.stringify({ count: await db.len(), answers }));
  return 0;
}

const [verb, ...args] = process.argv.slice(2);
const verbs = { capture, open };
if (!verbs[verb]) {
  console.error('usage: redb_writer.mjs capture FOLDER COUNT DIMENSIONS BATCH CAPTURES PROGRAM... | open FILE DIMENSIONS');
  process.exit(2);
}
process.exit(await verbs[verb](args));

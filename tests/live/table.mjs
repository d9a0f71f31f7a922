#!/usr/bin/env node
// Copies of a Ruvector database that is being written at full speed: how many of
// them are sound, and what they cost.
//
//   table.mjs [--databases small,large] [--writers single,batch] [--copies 20]
//             [--tools ruvsnap,cp,restic,borg] [--directory DIR] [--json]
//
// For each database, writer and tool: fill a new database; write without a pause,
// one new vector in each transaction, or a thousand of which a tenth is new and the
// others are written again; meanwhile take copies, one after another.  When all
// are taken, get each back, let Ruvector open it in a process of its own, and see
// whether it
//
// - opens,
// - holds no fewer vectors than were committed before the copy was begun and no
//   more than were begun when it was done, namely the first ones,
// - answers the fixed queries as the database did before.
//
// Prints a table, or with --json a line for each row.  Exit code 1 when a copy of
// ruvsnap's was refused or does not hold.  RUVSNAPFS names the program; tools that
// are not installed are left out.  The whole takes some ten minutes and, at the
// most, 20 GB below DIR.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, closeSync, readSync, fstatSync, mkdirSync, rmSync, renameSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BATCH, VectorDb, entriesAt, fill, generator, nearest, vectorAt } from './vectors.mjs';
import { tools } from './tools.mjs';

const DATABASES = {
  small: { vectors: 10_000, dimensions: 128 },
  large: { vectors: 100_000, dimensions: 384 },
};
const WRITERS = { single: { batch: 1, fresh: 1 }, batch: { batch: BATCH, fresh: BATCH / 10 } };
const PAGE = 4096;
const PIECE = 256 * PAGE;
const SAMPLES = 200;

// Ids that fall all over the tree, as random ones do: multiplying by an odd number
// makes no two equal.
const idOf = (number) => (Math.imul(number, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0');

// ---- checking a copy, in a process of its own ----------------------------------

async function isVector(db, number, dimensions) {
  const stored = await db.get(idOf(number));
  return stored !== null && vectorAt(number, dimensions).every((x, i) => x === stored.vector[i]);
}

// Whether the vectors are the first COUNT that were inserted.
async function holdsFirst(db, count, dimensions) {
  for (let i = 0; i <= SAMPLES; i++)
    if (!(await isVector(db, Math.floor(((count - 1) * i) / SAMPLES), dimensions))) return false;
  return (await db.get(idOf(count))) === null;
}

async function open([file, dimensions]) {
  const db = new VectorDb({ dimensions: +dimensions, storagePath: file });
  const count = await db.len();
  const first = await holdsFirst(db, count, +dimensions);
  console.log(JSON.stringify({ count, first, nearest: await nearest(db, +dimensions) }));
}

// The answers of FILE; null when Ruvector cannot open it, or dies.
function ask(file, dimensions) {
  const args = [fileURLToPath(import.meta.url), 'open', file, String(dimensions)];
  const asked = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return asked.status === 0 ? JSON.parse(asked.stdout) : null;
}

function holds(take, found, answers) {
  return found !== null && found.first && found.count >= take.least && found.count <= take.most &&
    JSON.stringify(found.nearest) === JSON.stringify(answers);
}

// Pages in which two files differ; those that only one has count too.
function pagesChanged(before, after) {
  const files = [before, after].map((path) => openSync(path, 'r'));
  const [short, long] = files.map((fd) => fstatSync(fd).size).sort((a, b) => a - b);
  const [old, now] = files.map(() => Buffer.alloc(PIECE));
  let changed = (long - short) / PAGE;
  for (let at = 0; at < short; at += PIECE) {
    const read = Math.min(PIECE, short - at);
    readSync(files[0], old, 0, read, at);
    readSync(files[1], now, 0, read, at);
    for (let i = 0; i < read; i += PAGE)
      changed += old.compare(now, i, Math.min(i + PAGE, read), i, Math.min(i + PAGE, read)) !== 0;
  }
  files.forEach(closeSync);
  return changed;
}

// ---- one row ---------------------------------------------------------------------

// Writes until told to stop; knows what was begun and what was committed.
class Writer {
  constructor(db, { vectors, dimensions }, { batch, fresh }) {
    Object.assign(this, { db, dimensions, fresh, again: batch - fresh, begun: vectors, committed: vectors });
    this.random = generator(1);
    this.running = true;
    this.done = this.write();
  }

  next() {
    const entries = entriesAt(this.begun, this.fresh, this.dimensions, idOf);
    for (let i = 0; i < this.again; i++)
      entries.push(...entriesAt(Math.floor(this.random() * this.committed), 1, this.dimensions, idOf));
    return entries;
  }

  async write() {
    while (this.running) {
      const next = this.next();
      this.begun += this.fresh;
      if (next.length === 1) await this.db.insert(next[0]);
      else await this.db.insertBatch(next);
      this.committed += this.fresh;
    }
  }

  async stop() {
    this.running = false;
    await this.done;
  }
}

async function takeAll(tool, writer, live, copies) {
  const taken = [];
  for (let i = 0; i < copies; i++) {
    const before = tool.used?.();
    const least = writer.committed;
    const start = performance.now();
    const { ok, said } = await tool.take(`copy-${i}`);
    const seconds = (performance.now() - start) / 1000;
    taken.push({
      name: `copy-${i}`, ok, said, least, most: writer.begun, seconds,
      size: statSync(live).size, stored: tool.stored(), before, after: tool.used?.(),
    });
    if (!ok) console.error(said);
  }
  return taken;
}

// Gets each copy back and asks it; says how many hold and what changed between
// one and the next.
async function checkAll(tool, taken, folder, dimensions, answers) {
  const [before, now] = ['before', 'now'].map((name) => join(folder, name));
  const told = { hold: 0, changed: 0 };
  for (const [i, take] of taken.entries()) {
    if (!take.ok) continue;
    await tool.giveBack(take.name, now);
    if (i > 0 && taken[i - 1].ok) told.changed += pagesChanged(before, now) * PAGE;
    rmSync(before, { force: true });
    spawnSync('cp', ['--sparse=always', now, before]); // opening changes it
    told.hold += holds(take, ask(now, dimensions), answers);
    rmSync(now);
  }
  return told;
}

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
const most = (numbers) => numbers.reduce((a, b) => Math.max(a, b), 0);
const each = (taken, what) => taken.filter((take) => take.after).map((take) => (take.after[what] - take.before[what]) / take.size);

function rowOf(names, taken, told, last) {
  const refused = taken.filter((take) => !take.ok).length;
  return {
    ...names, copies: taken.length, refused, hold: told.hold,
    seconds: sum(taken.map((take) => take.seconds)) / taken.length,
    added: last.most - taken[0].least,
    size_first: taken[0].size, size_last: last.size,
    stored_first: taken[0].stored, stored_later: last.stored - taken[0].stored,
    changed: told.changed,
    asked: most(each(taken, 'asked')) || undefined,
    fetched: most(each(taken, 'fetched')),
    memory: last.after?.memory,
  };
}

async function measure(names, copies, directory) {
  const kind = DATABASES[names.database];
  const folder = mkdtempSync(join(directory, 'table-'));
  const live = join(folder, 'db', 'live.db');
  const tool = new tools[names.tool](folder, live);
  try {
    mkdirSync(join(folder, 'db'));
    const db = new VectorDb({ dimensions: kind.dimensions, storagePath: live });
    await fill(db, kind.vectors, kind.dimensions, idOf);
    const answers = await nearest(db, kind.dimensions);
    await tool.start();
    const writer = new Writer(db, kind, WRITERS[names.writer]);
    const taken = await takeAll(tool, writer, live, copies);
    await writer.stop();
    const told = await checkAll(tool, taken, folder, kind.dimensions, answers);
    return rowOf(names, taken, told, taken.at(-1));
  } finally {
    await tool.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

// ---- the table -------------------------------------------------------------------

const mb = (bytes) => (bytes / 1e6).toFixed(1);
const COLUMNS = {
  database: (row) => `${mb(row.size_first)} to ${mb(row.size_last)} MB`,
  writer: (row) => row.writer,
  tool: (row) => row.tool,
  hold: (row) => `${row.hold} of ${row.copies}`,
  refused: (row) => row.refused,
  's each': (row) => row.seconds.toFixed(2),
  'vectors added': (row) => row.added,
  'first MB': (row) => mb(row.stored_first),
  'later MB': (row) => mb(row.stored_later),
  'changed pages MB': (row) => mb(row.changed),
  'asked/size': (row) => row.asked?.toFixed(2) ?? '',
  'fetched/size': (row) => (row.asked ? row.fetched.toFixed(2) : ''),
  'memory MB': (row) => (row.memory ? mb(row.memory) : ''),
};
const printed = (cells) => console.log(`| ${cells.join(' | ')} |`);

async function table(args) {
  const { values } = parseArgs({
    args,
    options: {
      databases: { type: 'string', default: 'small,large' },
      writers: { type: 'string', default: 'single,batch' },
      tools: { type: 'string', default: 'ruvsnap,cp,restic,borg' },
      copies: { type: 'string', default: '20' },
      directory: { type: 'string', default: tmpdir() },
      json: { type: 'boolean', default: false },
    },
  });
  let sound = true;
  if (!values.json) [Object.keys(COLUMNS), Object.keys(COLUMNS).map(() => '---')].forEach(printed);
  for (const database of values.databases.split(','))
    for (const writer of values.writers.split(','))
      for (const tool of values.tools.split(',').filter((name) => tools[name].isThere())) {
        const row = await measure({ database, writer, tool }, Number(values.copies), values.directory);
        if (values.json) console.log(JSON.stringify(row));
        else printed(Object.values(COLUMNS).map((column) => column(row)));
        sound &&= tool !== 'ruvsnap' || row.hold === row.copies;
      }
  return sound ? 0 : 1;
}

const args = process.argv.slice(2);
if (args[0] === 'open') await open(args.slice(1));
else process.exit(await table(args));

// Four ways to keep copies of a database that is being written.
//
// Each takes a copy under a name, gives the copy back as a file, says what its
// repository occupies, and stops.  take() resolves to { ok, said }.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, copyFileSync, mkdirSync, openSync, readFileSync, readdirSync, renameSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const build = fileURLToPath(new URL('../../build/', import.meta.url));
const RUVSNAPFS = process.env.RUVSNAPFS || join(build, 'fs/ruvsnapfs');
const MOUNT_TRIES = 200;
const MOUNT_TRY_MS = 25;

// Runs a program to its end: whether its exit code is one of FINE, what it said.
async function run(program, args, { fine = [0], ...options } = {}) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  let said = '';
  child.stdout?.on('data', (data) => (said += data));
  child.stderr.on('data', (data) => (said += data));
  const [code] = await once(child, 'close');
  return { ok: fine.includes(code), said: said.trim() };
}

async function must(program, args, options) {
  const { ok, said } = await run(program, args, options);
  if (!ok) throw new Error(`${program} ${args.join(' ')}: ${said}`);
}

// Runs a program whose output is the file COPY.
async function runInto(copy, program, args, options = {}) {
  const fd = openSync(copy, 'w');
  await must(program, args, { stdio: ['ignore', fd, 'pipe'], ...options });
  closeSync(fd);
}

function bytesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(folder, entry.name);
    return sum + (entry.isDirectory() ? bytesBelow(path) : entry.isFile() ? statSync(path).size : 0);
  }, 0);
}

const isThere = (program) => spawnSync(program, ['--version']).status === 0;

// `NAME: NUMBER` lines of a file below /proc.
function numbersOf(path) {
  return Object.fromEntries(
    readFileSync(path, 'latin1').split('\n').map((line) => line.split(/:\s+/))
      .map(([name, number]) => [name, parseInt(number, 10)]),
  );
}

// Through a mount: `echo NAME > .create`, and the files it shows.
class Ruvsnap {
  static isThere = () => true; // without it there is nothing to show

  constructor(folder, file) {
    Object.assign(this, { store: join(folder, 'store'), mount: join(folder, 'mnt'), file });
  }

  async start() {
    mkdirSync(this.mount);
    const args = ['-f', '--source', dirname(this.file), this.store, this.mount];
    this.driver = spawn(RUVSNAPFS, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    this.ended = once(this.driver, 'exit');
    for (let i = 0; i < MOUNT_TRIES && !(await run('mountpoint', ['-q', this.mount])).ok; i++) await sleep(MOUNT_TRY_MS);
  }

  async take(name) {
    const done = await run('sh', ['-c', 'echo "$1" >"$2/.create"', 'sh', name, this.mount]);
    return done.ok ? done : { ok: false, said: readFileSync(join(this.mount, '.create'), 'utf8') };
  }

  async giveBack(name, copy) {
    copyFileSync(join(this.mount, name, basename(this.file)), copy);
  }

  stored() {
    return bytesBelow(this.store);
  }

  // What the driver has read so far, and the most memory it ever held, bytes.
  used() {
    const io = numbersOf(`/proc/${this.driver.pid}/io`);
    const status = numbersOf(`/proc/${this.driver.pid}/status`);
    return { asked: io.rchar, fetched: io.read_bytes, memory: status.VmHWM * 1024 };
  }

  async stop() {
    await run('fusermount3', ['-u', this.mount]);
    await this.ended;
  }
}

class Cp {
  static isThere = () => true;

  constructor(folder, file) {
    Object.assign(this, { folder: join(folder, 'copies'), file });
  }

  async start() {
    mkdirSync(this.folder);
  }

  take(name) {
    return run('cp', [this.file, join(this.folder, name)]);
  }

  async giveBack(name, copy) {
    renameSync(join(this.folder, name), copy);
  }

  stored() {
    return bytesBelow(this.folder);
  }

  async stop() {}
}

class Restic {
  static isThere = () => spawnSync('restic', ['version']).status === 0;

  constructor(folder, file) {
    const repository = join(folder, 'restic');
    Object.assign(this, { repository, file });
    this.options = { env: { ...process.env, RESTIC_PASSWORD: 'x', RESTIC_REPOSITORY: repository } };
  }

  start() {
    return must('restic', ['init', '--no-cache'], this.options);
  }

  take(name) {
    return run('restic', ['backup', '--no-cache', '--tag', name, this.file], this.options);
  }

  giveBack(name, copy) {
    return runInto(copy, 'restic', ['dump', '--no-cache', '--tag', name, 'latest', this.file], this.options);
  }

  stored() {
    return bytesBelow(this.repository);
  }

  async stop() {}
}

class Borg {
  static isThere = () => isThere('borg');

  constructor(folder, file) {
    Object.assign(this, { repository: join(folder, 'borg'), file });
    this.options = { cwd: dirname(file), env: { ...process.env, BORG_BASE_DIR: join(folder, 'borg.base') } };
  }

  start() {
    return must('borg', ['init', '-e', 'none', this.repository], this.options);
  }

  take(name) {
    // 1 is a warning, that the file changed: the archive is made all the same.
    const options = { ...this.options, fine: [0, 1] };
    return run('borg', ['create', `${this.repository}::${name}`, basename(this.file)], options);
  }

  giveBack(name, copy) {
    const args = ['extract', '--stdout', `${this.repository}::${name}`, basename(this.file)];
    return runInto(copy, 'borg', args, this.options);
  }

  stored() {
    return bytesBelow(this.repository);
  }

  async stop() {}
}

export const tools = { ruvsnap: Ruvsnap, cp: Cp, restic: Restic, borg: Borg };

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SERVERS_SEEN_DIR } from './servers-seen.js';

/** Ends the output of a test run with the servers that it ran against. */
export default class ServersReporter {
  readonly #folder = mkdtempSync(join(tmpdir(), 'stepwell-servers-'));

  constructor() {
    process.env[SERVERS_SEEN_DIR] = this.#folder;
  }

  onRunComplete(): void {
    const path = join(this.#folder, 'seen');
    const lines = existsSync(path) ? new Set(readFileSync(path, 'utf8').trim().split('\n')) : new Set<string>();
    rmSync(this.#folder, { recursive: true });
    for (const line of [...lines].sort()) process.stderr.write(`${line}\n`);
  }
}

import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import type { StreamName } from '../event-store.js';
import { logPath, openForReading } from './log-file.js';
import { LogWriter } from './log-writer.js';

const FRAME_BYTES = 24 + 4096;
const WAL_HEADER_BYTES = 32;
const WRITER = { lockWaitMs: 0, walPages: 1_000_000 };
/** Where damage begins, from each frame's first byte: around it, inside each member of its header, and inside its page. */
const FRAME_PLACES = [-1, 0, 1, 4, 8, 16, 24, 2048];

/** Everything that a reader can see of a log, as one text. */
const contentOf = (folder: string): string => {
  const db = openForReading(logPath(folder));
  const rows = db
    .prepare(
      'SELECT a.id, s.name, first_revision, count, packed FROM appends a LEFT JOIN streams s ON s.id = stream ORDER BY a.id',
    )
    .raw()
    .all();
  const integrity = db.pragma('integrity_check', { simple: true });
  db.close();
  return `${String(integrity)} ${JSON.stringify(rows)}`;
};

type History = {
  readonly main: string;
  readonly wal: Buffer;
  /** After each commit: where its last frame ends in the WAL, and what the log then holds. */
  readonly commits: readonly { readonly endsAt: number; readonly content: string }[];
};

const COMMITS = 24;

/** Commits of 1 to 4 appends, some larger than a page, one of them an archive. */
const record = (folder: string): History => {
  // The schema goes to the main file, so that the WAL holds appends alone.
  new LogWriter({ folder, ...WRITER }).close();
  const writer = new LogWriter({ folder, ...WRITER });
  const wal = `${logPath(folder)}-wal`;
  const commits = [{ endsAt: 0, content: contentOf(folder) }];
  const revisions = new Map<string, number>();
  for (let commit = 0; commit < COMMITS; commit++) {
    const streams: StreamName[] = [];
    const expected: number[] = [];
    const packed: string[] = [];
    for (let index = 0; index <= commit % 4; index++) {
      const name = `run-${(commit * 7 + index) % 13}` as StreamName;
      streams.push(name);
      expected.push(revisions.get(name) ?? -1);
      revisions.set(name, (revisions.get(name) ?? -1) + 1);
      const filler = 'abcdefgh'.repeat(((commit * 31 + index * 17) % 9) * 80);
      packed.push(
        `{"envelope":{"commandId":"${commit}-${index}"},"events":[{"type":"Noted","v":1,"data":"${filler}"}]}`,
      );
    }
    const archives = commit === 18 ? [0] : [];
    const result = writer.commit({ streams, expected, counts: streams.map(() => 1), packed, archives });
    expect(result.every((id) => id > 0)).toBe(true);
    commits.push({ endsAt: statSync(wal).size, content: contentOf(folder) });
  }
  const main = join(folder, 'recorded.db');
  copyFileSync(logPath(folder), main);
  const history = { main, wal: readFileSync(wal), commits };
  writer.close();
  return history;
};

type Damage = { readonly name: string; readonly apply: (wal: Buffer, at: number) => Buffer };

const DAMAGES: readonly Damage[] = [
  { name: 'cut', apply: (wal, at) => wal.subarray(0, at) },
  { name: 'zeroed to the end', apply: (wal, at) => Buffer.from(wal).fill(0, at) },
  { name: 'zeroed for a sector', apply: (wal, at) => Buffer.from(wal).fill(0, at, Math.min(at + 512, wal.length)) },
  {
    name: 'garbled',
    apply: (wal, at) => {
      const garbled = Buffer.from(wal);
      for (let index = at; index < Math.min(at + 8, wal.length); index++) garbled[index]! ^= 0x5a;
      return garbled;
    },
  },
];

const firstDifference = (left: Buffer, right: Buffer): number => {
  const shared = Math.min(left.length, right.length);
  if (left.compare(right, 0, shared, 0, shared) === 0) return shared;
  let at = 0;
  while (left[at] === right[at]) at++;
  return at;
};

const places = (wal: Buffer): readonly number[] => {
  const found = new Set([0, 1, 8, 16, 24, 31]);
  for (let frame = WAL_HEADER_BYTES; frame <= wal.length; frame += FRAME_BYTES) {
    for (const place of FRAME_PLACES) if (frame + place < wal.length) found.add(frame + place);
  }
  return [...found];
};

describe('the log after damage to its WAL', () => {
  const folder = mkdtempSync(join(tmpdir(), 'stepwell-wal-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  const history = record(join(folder, 'recorded'));
  const reopened = join(folder, 'reopened');
  new LogWriter({ folder: reopened, ...WRITER }).close();

  const put = (damaged: Buffer): void => {
    rmSync(`${logPath(reopened)}-shm`, { force: true });
    copyFileSync(history.main, logPath(reopened));
    writeFileSync(`${logPath(reopened)}-wal`, damaged);
  };
  /** Every commit whose last frame ends at or before the first damaged byte, and no other. */
  const expectedAfter = (damaged: Buffer): string => {
    const at = firstDifference(history.wal, damaged);
    return history.commits.findLast((commit) => commit.endsAt <= at)!.content;
  };

  it('was recorded over many frames', () => {
    expect((history.wal.length - WAL_HEADER_BYTES) % FRAME_BYTES).toBe(0);
    expect((history.wal.length - WAL_HEADER_BYTES) / FRAME_BYTES).toBeGreaterThan(80);
    expect(new Set(history.commits.map((commit) => commit.content)).size).toBe(COMMITS + 1);
  });

  it.each(DAMAGES)(
    'holds every append before the damage, whole, and nothing after it: $name',
    ({ apply }) => {
      for (const at of places(history.wal)) {
        const damaged = apply(history.wal, at);
        put(damaged);
        if (contentOf(reopened) !== expectedAfter(damaged)) throw new Error(`not the commits before byte ${at}`);
      }
    },
    60_000,
  );

  it('goes on after the damage with the next append', () => {
    for (const { endsAt, content } of history.commits.slice(1, -1)) {
      put(history.wal.subarray(0, endsAt + FRAME_BYTES - 1));
      const writer = new LogWriter({ folder: reopened, ...WRITER });
      expect(contentOf(reopened)).toBe(content);
      const packed = '{"envelope":{"commandId":"after"},"events":[]}';
      const stream = 'run-after' as StreamName;
      writer.commit({ streams: [stream], expected: [-1], counts: [1], packed: [packed], archives: [] });
      writer.close();
      expect(contentOf(reopened)).toContain('run-after');
      expect(contentOf(reopened).startsWith('ok ')).toBe(true);
    }
  }, 60_000);
});

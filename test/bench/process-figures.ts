import { readdirSync, readFileSync } from 'node:fs';

/** What a process has used since its start, by the kernel's own books (Linux only: elsewhere nothing is known). */
export type ProcessFigures = {
  /** CPU microseconds by thread. Threads that share a name are told apart by their number. */
  readonly cpuUsByThread: ReadonlyMap<string, number>;
  /** Bytes handed to the block layer. */
  readonly writtenBytes: number;
};

export const readFigures = (pid: number): ProcessFigures => {
  const cpuUsByThread = new Map<string, number>();
  const names = new Map<string, number>();
  for (const thread of attempt(() => readdirSync(`/proc/${pid}/task`)) ?? []) {
    const comm = attempt(() => readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8'))?.trim();
    const schedstat = attempt(() => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8'));
    if (comm === undefined || schedstat === null) continue;
    const runningNs = Number(schedstat.split(' ')[0]);
    const name = threadName(comm);
    if (!SHARED_NAMES.has(name)) {
      const seen = (names.get(name) ?? 0) + 1;
      names.set(name, seen);
      cpuUsByThread.set(seen === 1 ? name : `${name} ${seen}`, runningNs / 1000);
    } else cpuUsByThread.set(name, (cpuUsByThread.get(name) ?? 0) + runningNs / 1000);
  }
  const io = attempt(() => readFileSync(`/proc/${pid}/io`, 'utf8')) ?? '';
  return { cpuUsByThread, writtenBytes: Number(/^write_bytes: (\d+)/m.exec(io)?.[1] ?? 0) };
};

/** Threads of Node's own that come in numbers are shown as one. */
const SHARED_NAMES = new Set(['V8 helpers', 'file and DNS pool']);

const threadName = (comm: string): string => {
  if (comm === 'MainThread' || comm === 'node') return 'main';
  if (comm === 'V8Worker' || comm === 'DelayedTaskSche') return 'V8 helpers';
  if (comm.startsWith('libuv-worker')) return 'file and DNS pool';
  return comm;
};

/** CPU by thread between two readings, in microseconds, the largest first. */
export const cpuBetween = (before: ProcessFigures, after: ProcessFigures): readonly (readonly [string, number])[] =>
  [...after.cpuUsByThread]
    .map(([name, us]) => [name, us - (before.cpuUsByThread.get(name) ?? 0)] as const)
    .filter(([, us]) => us > 0)
    .sort(([, left], [, right]) => right - left);

/** Resident memory of a process in bytes; 0 where the kernel does not tell. */
export const residentBytes = (pid: number): number => {
  const status = attempt(() => readFileSync(`/proc/${pid}/status`, 'utf8')) ?? '';
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
};

/** A thread or process may end between being listed and being read. */
const attempt = <T>(read: () => T): T | null => {
  try {
    return read();
  } catch {
    return null;
  }
};

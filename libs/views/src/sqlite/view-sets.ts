import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The set that is served, and the one before it, kept for rolling back. */
export type ViewSets = { readonly current: string; readonly previous: string | null };

const POINTER = 'current';
const SET = /^set-([1-9]\d{0,8})$/;
const SET_FILE = /^(set-[1-9]\d{0,8})\.sqlite(?:-wal|-shm|-journal)?$/;
const FIRST: ViewSets = { current: 'set-1', previous: null };

export const setFile = (folder: string, set: string): string => join(folder, `${set}.sqlite`);

/** What the pointer file names; a folder without one gets its first set. */
export const readOrMakeSets = (folder: string): ViewSets => {
  mkdirSync(folder, { recursive: true });
  const sets = readSets(folder);
  if (sets !== null) return sets;
  writePointer(folder, FIRST);
  return FIRST;
};

/** What the pointer file names; `null` when there is none, or it was not written by us. */
export const readSets = (folder: string): ViewSets | null => {
  let text: string;
  try {
    text = readFileSync(join(folder, POINTER), 'utf8');
  } catch (error) {
    // Its absence is the answer; the code is Node's own.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const [current = '', previous = ''] = text.split('\n');
  return SET.test(current) ? { current, previous: SET.test(previous) ? previous : null } : null;
};

/** A name that no set of the folder has, nor the pointer names. */
export const nextSet = (folder: string): string => {
  const sets = readSets(folder);
  const names = [...readdirSync(folder).map((file) => SET_FILE.exec(file)?.[1]), sets?.current, sets?.previous];
  const numbers = names.flatMap((name) => (typeof name === 'string' ? [Number(SET.exec(name)![1])] : []));
  return `set-${Math.max(0, ...numbers) + 1}`;
};

/** From now on `set` is served, by a service that is running too. The one served before is kept, older ones are removed. */
export const switchTo = (folder: string, set: string): void => {
  const before = readSets(folder);
  const sets: ViewSets = { current: set, previous: before?.current ?? null };
  writePointer(folder, sets);
  removeSets(folder, sets);
};

/** Removes all sets but those, half-built ones of a killed rebuild too. */
export const removeSets = (folder: string, { current, previous }: ViewSets): void => {
  for (const file of readdirSync(folder)) {
    const name = SET_FILE.exec(file)?.[1];
    if (name !== undefined && name !== current && name !== previous) rmSync(join(folder, file), { force: true });
  }
};

/** Replaced by rename, so that a reader sees the old text or the new one. */
const writePointer = (folder: string, { current, previous }: ViewSets): void => {
  const temporary = join(folder, `${POINTER}.new`);
  writeFileSync(temporary, `${current}\n${previous === null ? '' : `${previous}\n`}`, { flush: true });
  renameSync(temporary, join(folder, POINTER));
};

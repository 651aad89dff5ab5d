import type { EventStoreDbDouble } from './eventstoredb-double.js';

type Act = (double: EventStoreDbDouble, parts: { readonly count: number; readonly ms: number }) => void | Promise<void>;

const each = (count: number): readonly undefined[] => Array.from({ length: count });

/** Faults by name: `POST /control/<name>?count=3&ms=500`. `count` is of the next appends. */
const ACTS: Readonly<Record<string, Act>> = {
  cut: (double) => double.cut(),
  freeze: (double) => double.faults.freeze(),
  thaw: (double) => double.faults.thaw(),
  restart: (double) => void setImmediate(() => void double.restart()),
  'not-ready': (double, { ms }) => double.faults.becomeReady(ms),
  'lose-request': ({ faults }, { count }) =>
    faults.nextAppends(...each(count).map(() => ({ type: 'lose-request' }) as const)),
  'lose-answer': ({ faults }, { count }) =>
    faults.nextAppends(...each(count).map(() => ({ type: 'lose-answer' }) as const)),
  refuse: ({ faults }, { count }) => faults.nextAppends(...each(count).map(() => ({ type: 'refuse' }) as const)),
  delay: ({ faults }, { count, ms }) =>
    faults.nextAppends(...each(count).map(() => ({ type: 'delay', wait: () => faults.after(ms) }) as const)),
  'answer-late': ({ faults }, { count, ms }) =>
    faults.nextAppends(...each(count).map(() => ({ type: 'answer-late', wait: () => faults.after(ms) }) as const)),
};

/** Does what a path asks for; false when it is not known. */
export const control = async (double: EventStoreDbDouble, url: URL): Promise<boolean> => {
  const act = ACTS[url.pathname.replace('/control/', '')];
  if (act === undefined) return false;
  const number = (name: string, otherwise: number): number => Number(url.searchParams.get(name) ?? otherwise);
  await act(double, { count: number('count', 1), ms: number('ms', 0) });
  return true;
};

import { expect, it } from '@jest/globals';
import {
  APPEND_EVENTS_MAX,
  PAGE_BYTES_MAX,
  PAGE_EVENTS_MAX,
  type Append,
  type RecordedEvent,
} from '../src/event-store.js';
import { appendOf, revision, stream, type Case } from './contract-cases.js';

/** The cases of the contract about reads of what is too much for one answer. */
export const readingPages = ({ store: current, given, origin, appendsRead }: Case): void => {
  const wide = (expected: number, events: number, bytes: number): Append =>
    appendOf('a', expected, ...Array.from({ length: events }, (_, index) => `${expected + index}${'x'.repeat(bytes)}`));
  const pagesFrom = async (from: number): Promise<readonly (readonly RecordedEvent[])[]> => {
    const pages: (readonly RecordedEvent[])[] = [];
    for await (const page of current().readPages(stream('a'), { from: revision(from) })) pages.push(page);
    return pages;
  };
  const revisionsOf = (pages: readonly (readonly RecordedEvent[])[]) => pages.flat().map((event) => event.revision);
  const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

  it('gives a long stream page by page, looks at each append once, and lets the process go on between pages', async () => {
    const [appends, each] = [40, 100];
    for (let index = 0; index < appends; index++) await given(wide(index * each - 1, each, 0));
    let turns = 0;
    let reading = true;
    const turn = (): void => {
      turns += 1;
      if (reading) setImmediate(turn);
    };
    setImmediate(turn);
    for (const from of [0, 250]) {
      const before = appendsRead();
      turns = 0;
      const pages = await pagesFrom(from);
      expect(pages.length).toBeGreaterThanOrEqual(3);
      expect(turns).toBeGreaterThanOrEqual(pages.length - 1);
      for (const page of pages) expect(page.length).toBeLessThan(PAGE_EVENTS_MAX + APPEND_EVENTS_MAX);
      expect(revisionsOf(pages)).toEqual(numbers(from, appends * each));
      if (before !== null) expect(appendsRead()! - before).toBeLessThanOrEqual(appends);
    }
    reading = false;
    const before = appendsRead();
    const { length } = await current().readStream(stream('a'), { from: revision(150), limit: 100 });
    expect(length).toBe(100);
    if (before !== null) expect(appendsRead()! - before).toBe(2);
    expect(await pagesFrom(appends * each)).toEqual([]);
    for await (const page of current().readPages(stream('none'))) expect(page).toBe('none');
  });

  it('bounds a page by what it holds as well, and a read of the whole log when it is asked to', async () => {
    const bytes = 400 * 1024;
    for (let index = 0; index < 12; index++) await given(wide(index - 1, 1, bytes));
    const pages = await pagesFrom(0);
    expect(revisionsOf(pages)).toEqual(numbers(0, 12));
    for (const page of pages) expect((page.length - 1) * bytes).toBeLessThanOrEqual(PAGE_BYTES_MAX);
    const filter = { prefixes: [stream('')] };
    const some = await current().readAll(origin(), { limit: 100, bytesMax: 3 * bytes - 1, filter });
    expect(some).toHaveLength(3);
    const one = await current().readAll(some[2]!.position, { limit: 100, bytesMax: 1, filter });
    expect(one.map((commit) => commit.firstRevision)).toEqual([3]);
    expect(await current().readAll(origin(), { limit: 2, bytesMax: Infinity, filter })).toHaveLength(2);
  });
};

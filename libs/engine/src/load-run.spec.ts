import { afterEach, describe, expect, it } from '@jest/globals';
import { MemoryEventStore, PAGE_EVENTS_MAX, type Revision, type StreamName } from '#event-store';
import { newEngine, runIdOf, stopEngines } from './testing/engine-world.js';
import { appendRun } from './testing/finished-runs.js';

afterEach(stopEngines);

describe('a very long run', () => {
  it('is folded page by page', async () => {
    const pages: number[] = [];
    class Counting extends MemoryEventStore {
      override async *readPages(stream: StreamName, options: { from?: Revision } = {}) {
        for await (const page of super.readPages(stream, options)) {
          pages.push(page.length);
          yield page;
        }
      }
    }
    const store = new Counting();
    await appendRun(store, 'long', { events: 50_000 });
    const { engine } = await newEngine(null, store);
    const loaded = await engine.load(runIdOf('long'));
    expect(loaded).toMatchObject({ revision: 49_999, run: { status: 'completed' } });
    expect(Math.max(...pages)).toBeLessThan(PAGE_EVENTS_MAX + 256);
    expect(pages.reduce((sum, page) => sum + page, 0)).toBe(50_000);
  });
});

import { afterEach, describe, expect, it } from '@jest/globals';
import { MemoryEventStore, type Revision, type StreamName } from '#event-store';
import { newEngine, runIdOf, stopEngines } from './testing/engine-world.js';
import { appendRun } from './testing/finished-runs.js';

afterEach(stopEngines);

describe('a very long run', () => {
  it('is folded page by page', async () => {
    const pages: number[] = [];
    class Counting extends MemoryEventStore {
      override async readStream(stream: StreamName, options: { from?: Revision; limit?: number } = {}) {
        const page = await super.readStream(stream, options);
        pages.push(page.length);
        return page;
      }
    }
    const store = new Counting();
    await appendRun(store, 'long', { events: 50_000 });
    const { engine } = await newEngine(null, store);
    const loaded = await engine.load(runIdOf('long'));
    expect(loaded).toMatchObject({ revision: 49_999, run: { status: 'completed' } });
    expect(Math.max(...pages)).toBeLessThanOrEqual(5_000);
    expect(pages.reduce((sum, page) => sum + page, 0)).toBe(50_000);
  });
});

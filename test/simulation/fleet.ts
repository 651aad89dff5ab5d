import type { Shard } from '#event-store';
import type { Clock } from '#runtime';
import type { DispatcherProcess, SplitWorld } from '../../libs/dispatch/src/testing/split-world.js';
import type { Chance } from '../support/chance.js';

const SHARDS = [...Array(64).keys()] as Shard[];

/** Two dispatchers that share all shards between them; shards move, processes are killed, held up and replaced. */
export class Fleet {
  private readonly living: DispatcherProcess[] = [];
  private made = 0;

  constructor(
    private readonly world: SplitWorld,
    private readonly clock: Clock,
    private readonly chance: Chance,
    private readonly trace: (line: string) => void,
  ) {}

  async start(): Promise<void> {
    await this.add(SHARDS.filter((shard) => shard % 2 === 0));
    await this.add(SHARDS.filter((shard) => shard % 2 === 1));
  }

  /** One trouble more, until it is over. */
  async trouble(): Promise<void> {
    const [one, other] = this.chance.yes(0.5) ? this.living : this.living.toReversed();
    if (one === undefined || other === undefined) throw new Error('there are two dispatchers');
    switch (this.chance.oneOf(['move', 'kill', 'lose', 'deaf', 'leave'] as const)) {
      case 'move':
        return this.move(one, other);
      case 'kill':
        return this.kill(one);
      case 'lose':
        return this.lose(one, other);
      case 'deaf':
        return this.deafen(one);
      case 'leave':
        return this.leave(one);
    }
  }

  private async add(shards: readonly Shard[]): Promise<void> {
    const name = `d${++this.made}`;
    this.trace(`${name} starts with ${shards.length} shards`);
    this.living.push(await this.world.dispatcher(name, shards, { clock: this.clock, graceMs: 2_000 }));
  }

  private some(process: DispatcherProcess): readonly Shard[] {
    return process.ownership.status().shards.filter(() => this.chance.yes(0.5));
  }

  /** In good order: an attempt in flight may keep its shard where it is. */
  private async move(from: DispatcherProcess, to: DispatcherProcess): Promise<void> {
    const asked = this.some(from);
    await from.ownership.release(asked);
    const kept = new Set(from.ownership.status().shards);
    const gone = asked.filter((shard) => !kept.has(shard));
    this.trace(`${gone.length} of ${asked.length} shards move`);
    to.ownership.gain(gone);
  }

  /** As when a lease has ended: what is in flight is in flight. */
  private async lose(from: DispatcherProcess, to: DispatcherProcess): Promise<void> {
    const lost = this.some(from);
    this.trace(`${lost.length} shards are lost, and taken`);
    from.ownership.lose(lost);
    await this.pass(this.chance.between(0, 500));
    to.ownership.gain(lost);
  }

  private async kill(process: DispatcherProcess): Promise<void> {
    const shards = process.ownership.status().shards;
    this.trace(`a dispatcher with ${shards.length} shards is killed`);
    process.kill();
    this.living.splice(this.living.indexOf(process), 1);
    await this.pass(this.chance.between(0, 3_000));
    await this.add(shards);
  }

  private async leave(process: DispatcherProcess): Promise<void> {
    const shards = process.ownership.status().shards;
    this.trace(`a dispatcher with ${shards.length} shards stops`);
    this.living.splice(this.living.indexOf(process), 1);
    await process.dispatcher.stop();
    await this.add(shards);
  }

  private async deafen(process: DispatcherProcess): Promise<void> {
    const ms = this.chance.between(100, 5_000);
    this.trace(`a dispatcher hears nothing of the log for ${Math.round(ms)} ms`);
    process.client.deaf = this.pass(ms);
    await process.client.deaf;
    process.client.deaf = null;
  }

  private pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(ms, resolve));
  }
}

import type { Chance } from '../support/chance.js';
import { ApiProcess, DispatcherProcess, type World } from './processes.js';
import { chanceOf } from './seeded.js';
import type { SimulatedProcess } from './simulated-process.js';

/** The wall clock of a process is set back in some worlds only: in the others it is judged by it when attempts are made. */
const CLOCKS_SET = 0.25;

/** The processes of a world: two dispatchers and two APIs when all is well. Troubles come over them, several at once. */
export class Fleet {
  private dispatchers: DispatcherProcess[] = [];
  private apis: ApiProcess[] = [];
  private made = 0;
  private readonly chance: Chance;
  private readonly underWay = new Set<Promise<void>>();
  readonly areClocksSet: boolean;
  /** Some process could not read the log for a while: a run of which it had news then waits for the look at all rows. */
  wereReadsCut = false;

  constructor(private readonly world: World) {
    this.chance = chanceOf(world.seed, 'fleet');
    this.areClocksSet = this.chance.yes(CLOCKS_SET);
  }

  async start(): Promise<void> {
    this.apis = [this.newApi(), this.newApi()];
    await Promise.all([this.addDispatcher(), this.addDispatcher()]);
  }

  /** Where somebody may ask; whether it will answer is another matter. */
  livingApis(): readonly ApiProcess[] {
    return this.apis;
  }

  livingDispatchers(): readonly DispatcherProcess[] {
    return this.dispatchers;
  }

  /** So many troubles, one after another, of which each lasts as long as it lasts. Resolves when the last one is over. */
  async troubles(count: number): Promise<void> {
    for (let trouble = 0; trouble < count; trouble++) {
      await this.pass(this.chance.between(100, 4_000));
      const lasts = this.trouble().finally(() => this.underWay.delete(lasts));
      this.underWay.add(lasts);
    }
    await Promise.all(this.underWay);
  }

  async stop(): Promise<void> {
    await Promise.all(this.dispatchers.map(({ dispatcher }) => dispatcher.stop()));
    await Promise.all(this.apis.map(({ engine }) => engine.stop()));
  }

  private trouble(): Promise<void> {
    switch (this.chance.oneOf(TROUBLES)) {
      case 'kill dispatcher':
        return this.killDispatcher();
      case 'stop dispatcher':
        return this.stopDispatcher();
      case 'join dispatcher':
        return this.joinDispatcher();
      case 'kill api':
        return this.killApi();
      case 'freeze':
        return this.freeze();
      case 'cut from log':
        return this.during('does not reach the log', this.some(), 6_000, (process, isOn) => {
          process.isCutFromLog = isOn;
          this.wereReadsCut = true;
          if (isOn) process.cut();
        });
      case 'cut from table':
        return this.during('does not reach the table of shards', this.someDispatcher(), 12_000, (process, isOn) => {
          process.isCutFromTable = isOn;
        });
      case 'slow reads':
        return this.during('reads the log late', this.some(), 5_000, (process, isOn) => {
          process.readsMs = isOn ? 1_500 : 3;
        });
      case 'no reads':
        return this.during('cannot read the log', this.some(), 4_000, (process, isOn) => {
          process.areReadsCut = isOn;
          process.newsMs = isOn ? 1_500 : 3;
          this.wereReadsCut = true;
        });
      case 'late news':
        return this.during('hears of the log late', this.some(), 5_000, (process, isOn) => {
          process.newsMs = isOn ? 2_000 : 3;
        });
      case 'unreachable':
        return this.unreachable();
      case 'clock':
        return this.setClock();
    }
  }

  private async killDispatcher(): Promise<void> {
    const killed = this.take(this.dispatchers);
    if (killed === null) return;
    killed.process.kill();
    this.note(`${killed.process.name} is killed`);
    await this.pass(this.chance.between(0, 9_000));
    await this.addDispatcher();
  }

  private async stopDispatcher(): Promise<void> {
    const stopped = this.take(this.dispatchers);
    if (stopped === null) return;
    this.note(`${stopped.process.name} stops`);
    const next = this.pass(this.chance.between(0, 5_000)).then(() => this.addDispatcher());
    await new Promise<void>((resolve) => {
      stopped.process.enter(() => void stopped.dispatcher.stop().then(resolve));
      // It may be killed, or never come to its end otherwise; the world does not wait for it for ever.
      this.world.time.after(60_000, resolve);
    });
    this.note(`${stopped.process.name} has stopped`);
    stopped.process.kill();
    await next;
  }

  private async joinDispatcher(): Promise<void> {
    if (this.dispatchers.length > 2) return;
    await this.addDispatcher();
    await this.pass(this.chance.between(1_000, 8_000));
    const stopped = this.take(this.dispatchers);
    if (stopped === null) return;
    this.note(`${stopped.process.name} is killed: it was one too many`);
    stopped.process.kill();
    if (this.dispatchers.length < 2) await this.addDispatcher();
  }

  private async killApi(): Promise<void> {
    const killed = this.take(this.apis);
    if (killed === null) return;
    killed.process.kill();
    this.note(`${killed.process.name} is killed`);
    await this.pass(this.chance.between(0, 3_000));
    this.apis.push(this.newApi());
  }

  private async freeze(): Promise<void> {
    const process = this.some();
    if (process === null || process.state !== 'running') return;
    // Longer than a peer waits before it takes the shards of one that is silent, or much shorter.
    const ms = this.chance.yes(0.5) ? this.chance.between(100, 2_000) : this.chance.between(7_000, 15_000);
    this.note(`${process.name} stands still for ${Math.round(ms)} ms`);
    process.freeze();
    await this.pass(ms);
    this.note(`${process.name} goes on, unless it was killed`);
    process.thaw();
  }

  private async during(
    what: string,
    process: SimulatedProcess | null,
    mostMs: number,
    set: (process: SimulatedProcess, isOn: boolean) => void,
  ): Promise<void> {
    if (process === null) return;
    const ms = this.chance.between(100, mostMs);
    this.note(`${process.name} ${what} for ${Math.round(ms)} ms`);
    set(process, true);
    await this.pass(ms);
    set(process, false);
  }

  private async unreachable(): Promise<void> {
    const { application } = this.world;
    const ms = this.chance.between(100, 5_000);
    this.note(`the application cannot be reached for ${Math.round(ms)} ms`);
    application.unreachable += 1;
    await this.pass(ms);
    application.unreachable -= 1;
  }

  private setClock(): Promise<void> {
    const process = this.some();
    if (process !== null && this.areClocksSet) {
      const ms = Math.round(this.chance.between(300, 20_000));
      this.note(`the clock of ${process.name} is set back by ${ms} ms`);
      process.aheadMs -= ms;
    }
    return Promise.resolve();
  }

  private async addDispatcher(): Promise<void> {
    const made = new DispatcherProcess(this.world, `d${++this.made}`);
    this.note(`${made.process.name} starts`);
    this.dispatchers.push(made);
    const started = made.dispatcher.start().then(
      () => true,
      () => false,
    );
    // One that is killed or frozen meanwhile may never come to the end of its start.
    if (await Promise.race([started, this.pass(10_000).then(() => true)])) return;
    // Its process ends, and somebody starts another.
    this.note(`${made.process.name} could not start`);
    made.process.kill();
    this.dispatchers = this.dispatchers.filter((other) => other !== made);
    await this.pass(1_000);
    await this.addDispatcher();
  }

  private newApi(): ApiProcess {
    const made = new ApiProcess(this.world, `api${++this.made}`);
    this.note(`${made.process.name} starts`);
    return made;
  }

  private take<Process>(from: Process[]): Process | null {
    return from.splice(Math.floor(this.chance.between(0, from.length)), 1)[0] ?? null;
  }

  private some(): SimulatedProcess | null {
    const all = [...this.dispatchers, ...this.apis];
    return all.length === 0 ? null : this.chance.oneOf(all).process;
  }

  private someDispatcher(): SimulatedProcess | null {
    return this.dispatchers.length === 0 ? null : this.chance.oneOf(this.dispatchers).process;
  }

  private note(line: string): void {
    this.world.note(`-- ${line}`);
  }

  private pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.world.time.after(ms, resolve));
  }
}

const TROUBLES = [
  'kill dispatcher',
  'stop dispatcher',
  'join dispatcher',
  'kill api',
  'freeze',
  'freeze',
  'cut from log',
  'cut from table',
  'slow reads',
  'no reads',
  'late news',
  'unreachable',
  'clock',
] as const;

import pg from 'pg';
import type { Share } from '../share-allotment.js';

/** One dispatcher's part of one limit: slots, and starts a second in thousandths. */
export type Entry = {
  readonly limit: string;
  readonly holder: string;
  readonly slots: Share;
  readonly rate: Share;
};

export type Reading = { readonly entries: readonly Entry[]; readonly epochSeconds: number };

const CHANNEL = 'stepwell_limit_shares';
/** Any number that nothing else of ours locks: one writer at a time keeps the sums true. */
const LOCK = 7_246_011_905;
const QUERY_TIMEOUT_MS = 3_000;

const CREATE = `
  create table if not exists limit_shares (
    limit_id     text not null,
    holder       text not null,
    slots        bigint not null,
    slots_wanted bigint not null,
    rate         bigint not null,
    rate_wanted  bigint not null,
    leased_until timestamptz not null,
    primary key (limit_id, holder)
  )`;

// By the primary key. A row past its lease counts for nothing: whoever held it has stopped to use it.
const READ = `
  select limit_id, holder, slots, slots_wanted, rate, rate_wanted,
         extract(epoch from clock_timestamp())::float8 as epoch_seconds
  from limit_shares
  where limit_id = any($1::text[]) and leased_until > clock_timestamp()`;

const CLEAN = 'delete from limit_shares where leased_until <= clock_timestamp()';

const WRITE = `
  insert into limit_shares (limit_id, holder, slots, slots_wanted, rate, rate_wanted, leased_until)
  select limit_id, $2, slots, slots_wanted, rate, rate_wanted, clock_timestamp() + $7 * interval '1 millisecond'
  from unnest($1::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
    as own (limit_id, slots, slots_wanted, rate, rate_wanted)
  on conflict (limit_id, holder) do update
    set slots = excluded.slots, slots_wanted = excluded.slots_wanted,
        rate = excluded.rate, rate_wanted = excluded.rate_wanted, leased_until = excluded.leased_until`;

const GIVE_BACK = 'delete from limit_shares where holder = $1 and limit_id = any($2::text[])';
const GIVE_ALL_BACK = 'delete from limit_shares where holder = $1';

/** What `pg` gives for a row: bigints as text. */
type Row = Record<'limit_id' | 'holder' | 'slots' | 'slots_wanted' | 'rate' | 'rate_wanted', string> & {
  readonly epoch_seconds: number;
};

/** The table of shares, on a connection of its own. Any error ends it; its user opens another. */
export class LimitLedger {
  /** The connection is no more. */
  lost = false;

  private constructor(
    private readonly client: pg.Client,
    private readonly holder: string,
    private readonly leaseMs: number,
  ) {
    client.on('end', () => (this.lost = true));
  }

  static async open(
    { url, holder, leaseMs }: { readonly url: string; readonly holder: string; readonly leaseMs: number },
    onNews: () => void,
  ): Promise<LimitLedger> {
    const client = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: QUERY_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      application_name: `stepwell limits ${holder}`,
    });
    // The query that meets it, or the next, tells of it as well.
    client.on('error', () => undefined);
    client.on('notification', ({ payload }) => {
      if (payload !== holder) onNews();
    });
    try {
      await client.connect();
      await client.query(`begin; select pg_advisory_xact_lock(${LOCK}); ${CREATE}; commit; listen ${CHANNEL}`);
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
    return new LimitLedger(client, holder, leaseMs);
  }

  /**
   * Alone with the table: reads what all have of these limits, writes what this holder is to have, its lease begun anew.
   * `decide` is called between the two; when it throws, or this does, nothing is certain but what was before.
   */
  async exchange(
    limits: readonly string[],
    left: readonly string[],
    decide: (reading: Reading) => { readonly own: readonly Entry[]; readonly tell: boolean },
  ): Promise<void> {
    await this.client.query(`begin; select pg_advisory_xact_lock(${LOCK}); ${CLEAN}`);
    const { rows } = await this.client.query<Row>(READ, [limits]);
    const { own, tell } = decide({ entries: rows.map(entryOf), epochSeconds: rows[0]?.epoch_seconds ?? 0 });
    const column = (of: (entry: Entry) => number): number[] => own.map(of);
    await this.client.query(WRITE, [
      own.map(({ limit }) => limit),
      this.holder,
      column(({ slots }) => slots.has),
      column(({ slots }) => slots.wants),
      column(({ rate }) => rate.has),
      column(({ rate }) => rate.wants),
      this.leaseMs,
    ]);
    if (left.length > 0) await this.client.query(GIVE_BACK, [this.holder, left]);
    if (tell || left.length > 0) await this.tell();
    await this.client.query('commit');
  }

  async giveAllBack(): Promise<void> {
    await this.client.query(GIVE_ALL_BACK, [this.holder]);
    await this.tell();
  }

  async close(): Promise<void> {
    await this.client.end();
  }

  private async tell(): Promise<void> {
    await this.client.query('select pg_notify($1, $2)', [CHANNEL, this.holder]);
  }
}

const entryOf = (row: Row): Entry => ({
  limit: row.limit_id,
  holder: row.holder,
  slots: { holder: row.holder, has: Number(row.slots), wants: Number(row.slots_wanted) },
  rate: { holder: row.holder, has: Number(row.rate), wants: Number(row.rate_wanted) },
});

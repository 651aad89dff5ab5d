/** By what a dispatcher reaches the world; in a simulated world it is reached by something else. */
export type {
  ClaimedShard,
  MemberOfTables,
  Membership,
  OwnershipNews,
  OwnershipTablesOptions,
} from '../shards/postgres/ownership-tables.js';
export type { Exchange, ExchangeOutcome, ExchangeRequest } from '../undici/undici-exchange.js';

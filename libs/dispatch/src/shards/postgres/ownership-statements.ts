/** What a dispatcher says of itself and of the others. */
export const memberStatements = (schema: string) => ({
  // The server, too, notices in time that the other host is gone. Without effect on a local socket.
  keepAlive: `select set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '2', false),
    set_config('tcp_keepalives_count', '3', false)`,

  endEarlier: `
    with earlier as (
      delete from ${schema}.dispatchers where boot = $1 returning id, backend_pid, backend_start
    ), theirs as (
      select shard from ${schema}.shards where owner in (select id from earlier) order by shard for update
    ), freed as (
      update ${schema}.shards set owner = null, claim = null, freed = 'died'
      from theirs where shards.shard = theirs.shard
    )
    select pg_terminate_backend(session.pid) from earlier
    join pg_stat_activity session on session.pid = backend_pid and session.backend_start = earlier.backend_start`,

  join: `
    insert into ${schema}.dispatchers (id, name, boot, backend_pid, backend_start)
    select $1, $2, $3, pid, backend_start from pg_stat_activity where pid = pg_backend_pid() returning backend_pid as pid`,

  beat: `
    update ${schema}.dispatchers set beat_at = clock_timestamp()
    where id = $1 and backend_pid = pg_backend_pid() and not ended`,

  members: `
    select id, name, session.pid is null as gone,
      beat_at < clock_timestamp() - $1 * interval '1 millisecond' as late,
      beat_at < clock_timestamp() - $2 * interval '1 millisecond' as silent,
      (select count(*) from ${schema}.shards where owner = id)::integer as shards
    from ${schema}.dispatchers
    left join pg_stat_activity session on session.pid = backend_pid and session.backend_start = dispatchers.backend_start
    order by joined_at, id`,

  // The number of a session's process may be another's by now: its start tells them apart.
  end: `
    with silent as (
      update ${schema}.dispatchers set ended = true from pg_stat_activity session
      where id = any($1) and beat_at < clock_timestamp() - $2 * interval '1 millisecond'
        and session.pid = backend_pid and session.backend_start = dispatchers.backend_start
      returning name, session.pid
    )
    select name, pg_terminate_backend(pid) from silent`,

  remove: `
    with removed as (
      delete from ${schema}.dispatchers
      where id = any($1) and beat_at < clock_timestamp() - $2 * interval '1 millisecond' and not exists (
        select from pg_stat_activity session
        where session.pid = backend_pid and session.backend_start = dispatchers.backend_start
      )
      returning id, ended
    ), theirs as (
      select shard, case when ended then 'silent' else 'died' end as freed
      from ${schema}.shards join removed on owner = removed.id order by shard for update of shards
    )
    update ${schema}.shards set owner = null, claim = null, freed = theirs.freed
    from theirs where shards.shard = theirs.shard`,

  leave: `delete from ${schema}.dispatchers where id = $1`,
});

/** What it does with shards. */
export const shardStatements = (schema: string) => ({
  free: `select shard from ${schema}.shards where owner is null order by shard`,

  lock: `select shard from unnest($2::smallint[]) as shard where pg_try_advisory_lock($1, shard)`,

  // A row that a write still holds is left for the next turn: nothing may keep the beat waiting.
  claim: `
    with found as (
      select shard, holder, coalesce(freed, 'joined') as reason from ${schema}.shards
      where shard = any($3) and owner is null order by shard for update skip locked
    ), claimed as (
      update ${schema}.shards set owner = $1, holder = $2, claim = gen_random_uuid(), written = 0, freed = null
      from found where shards.shard = found.shard returning shards.shard, claim
    ), noted as (
      insert into ${schema}.shard_moves (shard, from_dispatcher, to_dispatcher, reason)
      select shard, holder, $2, reason from found
    )
    select shard, claim, reason from claimed join found using (shard)`,

  forgetMoves: `
    delete from ${schema}.shard_moves where id <= (select max(id) from ${schema}.shard_moves) - $1`,

  release: `
    with mine as (
      select shard from ${schema}.shards where shard = any($2) and owner = $1 order by shard for update
    )
    update ${schema}.shards set owner = null, claim = null, freed = $3 from mine where shards.shard = mine.shard`,

  unlock: `select pg_advisory_unlock($1, shard) from unnest($2::smallint[]) as shard`,
});

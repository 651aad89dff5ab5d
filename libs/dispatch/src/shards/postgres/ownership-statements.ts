/** What a dispatcher says of itself and of the others. */
export const memberStatements = (schema: string) => ({
  removeEarlier: `
    with earlier as (
      delete from ${schema}.dispatchers where boot = $1 returning id
    ), theirs as (
      select shard from ${schema}.shards where owner in (select id from earlier) order by shard for update
    )
    update ${schema}.shards set owner = null, claim = null, freed = 'died'
    from theirs where shards.shard = theirs.shard`,

  join: `insert into ${schema}.dispatchers (id, name, boot) values ($1, $2, $3)`,

  beat: `update ${schema}.dispatchers set beat_at = clock_timestamp() where id = $1`,

  members: `
    select id, name, beat_at < clock_timestamp() - $1 * interval '1 millisecond' as silent,
      (select count(*) from ${schema}.shards where owner = id)::integer as shards
    from ${schema}.dispatchers order by joined_at, id`,

  remove: `
    with removed as (
      delete from ${schema}.dispatchers
      where id = any($1) and beat_at < clock_timestamp() - $2 * interval '1 millisecond'
      returning id, name
    ), theirs as (
      select shard from ${schema}.shards join removed on owner = removed.id order by shard for update of shards
    ), freed as (
      update ${schema}.shards set owner = null, claim = null, freed = 'silent'
      from theirs where shards.shard = theirs.shard
    )
    select name from removed`,

  leave: `delete from ${schema}.dispatchers where id = $1`,
});

/** What it does with shards. */
export const shardStatements = (schema: string) => ({
  free: `select shard from ${schema}.shards where owner is null order by shard`,

  // A row that a write still holds is left for the next turn: nothing may keep the beat waiting. Whoever was removed meanwhile
  // fails by the foreign key of the owner.
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
});

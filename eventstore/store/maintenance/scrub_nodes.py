"""Rewrite the shards of a store's tables on each node of a Citus cluster.

Called by scrub.py and vacuum.py. A VACUUM (FULL) on the coordinator is not enough: it waits for
locks on the workers without a limit, and it leaves the statistics of shards that are empty, and the
rows of pg_statistic that were replaced. So each node is sent what it has to do with its own tables.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from eventstore.errors import DatabaseUnavailableError
from eventstore.store.database.transaction import Transaction, autocommit
from eventstore.store.maintenance.cluster_nodes import inactive_nodes, run_on_all_nodes
from eventstore.store.maintenance.older_transactions import waiting

#: How long to wait for the lock of one shard in use, as a setting of PostgreSQL.
LOCK_WAIT = "10s"
#: How long pg_statistic may take on all nodes. It is small, and locked for moments only.
STATISTICS_WAIT = "60s"

QUALIFIED = (
    "SELECT format('%I.%I', n.nspname, c.relname)"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(?)"
)
ON_COORDINATOR = "SELECT nodeid, success, result FROM run_command_on_coordinator(?)"
# The old copy of a shard that was moved to another node stays until Citus deletes it.
DELETE_MOVED = "CALL citus_cleanup_orphaned_resources()"
LEFT_BY_MOVES = (
    "SELECT c.object_name, n.nodename || ':' || n.nodeport FROM pg_dist_cleanup c"
    " LEFT JOIN pg_dist_node n ON n.groupid = c.node_group_id WHERE c.object_type = 1 LIMIT 1"
)
NOT_ACTIVE = "it is not active; activate it, or remove it from the cluster"
STATISTICS_FILE = "SELECT pg_relation_filenode('pg_catalog.pg_statistic')"
REWRITE_STATISTICS = "VACUUM (FULL) pg_catalog.pg_statistic"

#: The store's tables on one node: shards have rows, and the tables by which they are named have
#: none. These may have statistics from the time before the tables were distributed.
RELATIONS_OF_NODE = """
SELECT to_regclass(shard_name(logicalrelid, shardid)) AS relation, true AS has_files
FROM pg_dist_shard WHERE logicalrelid IN (SELECT to_regclass(t) FROM unnest({tables}) t)
UNION ALL SELECT to_regclass(t), false FROM unnest({tables}) t"""
# CLUSTER rewrites a table as VACUUM (FULL) does, and can be run in a transaction, which limits the
# wait for its lock. A table that never had a row, or was rewritten since, has no block of its own
# and one block for each index. ANALYZE does not change the statistics of a table that is empty, so
# they are cleared; before PostgreSQL 18 by ALTER TYPE, which it refuses for a table with views: the
# statistics of the names of distributed tables, from before that, stay there.
REWRITE = """
DO $rewrite$
DECLARE
  one record;
  is_empty boolean;
BEGIN
  FOR one IN
    SELECT r.*, (SELECT indexrelid::regclass FROM pg_index
                 WHERE indrelid = r.relation AND indisprimary) AS key
    FROM ({relations}) r WHERE r.relation IS NOT NULL
  LOOP
    BEGIN
      PERFORM set_config('lock_timeout', '{wait}', true),
              set_config('citus.override_table_visibility', 'off', true),
              set_config('citus.enable_ddl_propagation', 'off', true);
      is_empty := true;
      IF one.has_files THEN
        EXECUTE format('LOCK TABLE %s', one.relation);
        EXECUTE format('SELECT NOT EXISTS (SELECT 1 FROM %s)', one.relation) INTO is_empty;
        IF EXISTS (
          SELECT 1 FROM pg_class c WHERE c.oid = one.relation AND (
            pg_relation_size(c.oid) > 0
            OR c.reltoastrelid <> 0 AND pg_relation_size(c.reltoastrelid) > 0
            OR pg_indexes_size(c.oid) > current_setting('block_size')::bigint
               * (SELECT COUNT(*) FROM pg_index WHERE indrelid = c.oid)))
        THEN
          EXECUTE format('CLUSTER %s USING %I', one.relation,
                         (SELECT relname FROM pg_class WHERE oid = one.key));
          EXECUTE format('ALTER TABLE %s SET WITHOUT CLUSTER', one.relation);
          EXECUTE format('ANALYZE %s', one.relation);
        END IF;
      END IF;
      IF is_empty AND EXISTS (
        SELECT 1 FROM pg_stats WHERE (schemaname, tablename) IN (
          SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE c.oid = one.relation
             OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = one.relation)))
      THEN
        IF to_regprocedure('pg_catalog.pg_clear_attribute_stats(text,text,text,boolean)')
           IS NOT NULL
        THEN
          EXECUTE 'SELECT pg_catalog.pg_clear_attribute_stats('
            'schemaname, tablename, attname, inherited) FROM pg_stats'
            ' WHERE (schemaname, tablename) IN ('
            'SELECT n.nspname, c.relname FROM pg_class c'
            ' JOIN pg_namespace n ON n.oid = c.relnamespace'
            ' WHERE c.oid = $1 OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = $1))'
          USING one.relation;
        ELSIF NOT EXISTS (
          SELECT 1 FROM pg_depend d WHERE d.refobjid = one.relation AND d.refobjsubid > 0
          AND d.classid = 'pg_rewrite'::regclass)
        THEN
          EXECUTE (
            SELECT format('ALTER TABLE %s %s', one.relation, string_agg(
              format('ALTER %I TYPE %s', a.attname, format_type(a.atttypid, a.atttypmod))
              || CASE WHEN c.oid IS NULL THEN ''
                 ELSE format(' COLLATE %I.%I', n.nspname, c.collname) END, ', '))
            FROM pg_attribute a
            LEFT JOIN pg_collation c ON c.oid = a.attcollation
            LEFT JOIN pg_namespace n ON n.oid = c.collnamespace
            WHERE a.attrelid = one.relation AND a.attnum > 0 AND NOT a.attisdropped);
        END IF;
      END IF;
    EXCEPTION WHEN OTHERS THEN
      RAISE EXCEPTION '%: %', one.relation, SQLERRM;
    END;
    COMMIT;
  END LOOP;
END
$rewrite$"""


def scrub_on_nodes(engine: Engine, of_tables: Sequence[str]) -> None:
    """Rewrite the shards of tables on all nodes, and remove statistics with values of deleted rows.

    Each shard is locked while it is rewritten.

    Args:
        of_tables: The names of the tables.

    Raises:
        DatabaseUnavailableError: A node could not be scrubbed. The error names it. The others are
            scrubbed.
    """
    with autocommit(engine) as tx:
        problems = [*_inactive(tx), *_delete_moved_shards(tx), *_problems(tx, waiting())]
        problems += _rewrite_shards(tx, of_tables)
        # What was waited for in vain is not waited for again.
        problems += _problems(tx, waiting(of_catalogs=True, is_patient=not problems))
        problems += _rewrite_statistics(tx)
    _raise("what was erased may still be in files of a node", problems)


def rewrite_on_nodes(engine: Engine, of_tables: Sequence[str]) -> None:
    """Rewrite the shards of tables on all nodes, to give the space of deleted rows back.

    Raises:
        DatabaseUnavailableError: A shard of a node could not be rewritten, for example because
            another process holds it for longer than `LOCK_WAIT`. The error names the node. The
            shards of the others are rewritten.
    """
    with autocommit(engine) as tx:
        problems = [*_inactive(tx), *_rewrite_shards(tx, of_tables)]
    _raise("the space of deleted rows was not given back on a node", problems)


def _raise(what: str, problems: Sequence[str]) -> None:
    """Raise DatabaseUnavailableError if there are problems."""
    if problems:
        more = f" (and {len(problems) - 1:,} more)" if len(problems) > 1 else ""
        raise DatabaseUnavailableError(f"{what}: {problems[0]}{more}; run the same command again")


def _inactive(tx: Transaction) -> list[str]:
    return [f"{node}: {NOT_ACTIVE}" for node in inactive_nodes(tx)]


def _rewrite_shards(tx: Transaction, of_tables: Sequence[str]) -> list[str]:
    names = [tx.rows(QUALIFIED, (table,))[0][0] for table in of_tables]
    return _problems(tx, rewriting(RELATIONS_OF_NODE, names))


def _problems(tx: Transaction, command: str) -> list[str]:
    """Run a command on all nodes, and return the problem of each node that has failed."""
    answers = run_on_all_nodes(tx, command)
    return [f"{one.node}: {one.problem}" for one in answers if one.problem]


def rewriting(relations: str, names: Sequence[str]) -> str:
    """Return the command that rewrites the tables of one node.

    Args:
        relations: A query for the tables, with `{tables}` for their names.
        names: The names, with their schema.
    """
    quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    return REWRITE.format(
        relations=relations.format(tables=f"ARRAY[{quoted}]::text[]"),
        wait=LOCK_WAIT,
    )


def _delete_moved_shards(tx: Transaction) -> list[str]:
    """Delete the old copies of moved shards, and return a problem if one stays."""
    answers = tx.rows(ON_COORDINATOR, (DELETE_MOVED,))
    left = tx.row(LEFT_BY_MOVES)
    if left is None:
        return []
    shard, node = left
    why = " ".join(f": {result}" for _, success, result in answers if not success)
    return [f"{node}: the old copy {shard} of a moved shard was not deleted{why}"]


def _rewrite_statistics(tx: Transaction) -> list[str]:
    """Rewrite pg_statistic on all nodes, and return a problem for each node that has not done so.

    A node does not fail if the user has no right to do this; it leaves the file as it is.
    """
    with tx.connection.transaction():  # the nodes run commands outside of it
        tx.run(f"SET LOCAL statement_timeout = '{STATISTICS_WAIT}'")
        before, done, after = (
            run_on_all_nodes(tx, command)
            for command in (STATISTICS_FILE, REWRITE_STATISTICS, STATISTICS_FILE)
        )
    files = {one.node: one.result for one in before}
    problems = [f"{one.node}: {one.problem}" for one in done if one.problem]
    return problems or [
        f"{one.node}: its statistics were not written again; the user must own the database there"
        for one in after
        if files.get(one.node) == one.result
    ]

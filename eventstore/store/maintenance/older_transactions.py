"""Wait until nothing in PostgreSQL keeps the bytes of what was deleted.

VACUUM (FULL) and CLUSTER keep a deleted row for as long as somebody could still read it, and they
do not say so. Called before tables are rewritten, by vacuum_postgresql.py and scrub_nodes.py.

PostgreSQL keeps a deleted row for (GetOldestNonRemovableTransactionId in its procarray.c):

- transactions of this database that began before the row was deleted;
- transactions of any database that have written, and prepared ones, because each snapshot in this
  database is as old as the oldest of them;
- the `xmin` of a replication slot, which a standby with `hot_standby_feedback` sets;
- the `backend_xmin` of the process that sends to such a standby without a slot;
- in system catalogs alone, such as pg_statistic, the `catalog_xmin` of a replication slot, which
  every logical slot has.

It does not keep rows for a VACUUM without FULL, however long that runs.
"""

from __future__ import annotations

#: How long to wait, as an interval of PostgreSQL.
WAIT = "30s"
#: Stands in the command for the connection that sends it to several nodes, and waits for it.
CALLER = ":caller"
IDENTIFIED = "format('%s %s', pid, extract(epoch FROM backend_start))"

# What is older than `mark`, the most lasting first. A logical slot that is being created keeps the
# rows of tables, too, and shows that by its catalog_xmin alone. A slot that PostgreSQL has
# invalidated keeps nothing. The column that says so came with version 17, so the statement does not
# name it.
HOLDERS = f"""
SELECT 1 AS place, format('the replication slot %s', slot_name) AS holder
FROM pg_replication_slots slot
WHERE to_jsonb(slot) ->> 'invalidation_reason' IS NULL AND (
  age(xmin) > age(mark::xid) OR age(catalog_xmin) > age(mark::xid)
  AND ({{of_catalogs}} OR slot_type = 'logical' AND confirmed_flush_lsn IS NULL))
UNION ALL
SELECT 2, format('the prepared transaction %s', gid)
FROM pg_prepared_xacts WHERE age(transaction) > age(mark::xid)
UNION ALL
SELECT 3, CASE WHEN datname IS NULL THEN format('the standby %s', application_name)
  ELSE format('a transaction of process %s of the user %s', pid, usename) END
FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND {IDENTIFIED} <> '{CALLER}' AND (
  age(backend_xid) > age(mark::xid) OR age(backend_xmin) > age(mark::xid) AND (
    pid IN (SELECT pid FROM pg_stat_replication) OR datname = current_database()
    AND COALESCE(leader_pid, pid) NOT IN (SELECT pid FROM pg_stat_progress_vacuum)))
ORDER BY place LIMIT 3"""

# A logical slot shows its new catalog_xmin a moment before PostgreSQL goes by it: the file of the
# slot is written in between.
COMMAND = f"""
DO $wait$
DECLARE
  mark xid8 := pg_current_xact_id();
  give_up timestamptz := clock_timestamp() + interval '{{wait}}';
  holders text;
BEGIN
  COMMIT;
  LOOP
    SELECT COALESCE(string_agg(holder, ', '), CASE
      WHEN pg_snapshot_xmin(pg_current_snapshot()) < mark THEN 'a transaction that is still open'
    END) INTO holders FROM ({HOLDERS}) found;
    EXIT WHEN holders IS NULL;
    IF clock_timestamp() > give_up THEN
      RAISE EXCEPTION 'deleted rows are kept by %', holders USING ERRCODE = 'lock_not_available';
    END IF;
    PERFORM pg_sleep(0.02), pg_stat_clear_snapshot();
  END LOOP;
  IF {{of_catalogs}} AND EXISTS (
    SELECT 1 FROM pg_replication_slots WHERE slot_type = 'logical' AND active)
  THEN
    PERFORM pg_sleep(1);
  END IF;
END
$wait$"""


def waiting(of_catalogs: bool = False, is_patient: bool = True) -> str:
    """Return the command that waits until nothing keeps what was deleted before it.

    The command stands alone, outside of a transaction. If something keeps deleted rows for longer
    than `WAIT`, it fails with `lock_not_available`, and its message names up to three that do.

    Args:
        of_catalogs: True if system catalogs are rewritten next, and False if only tables are.
        is_patient: False makes it fail at once.
    """
    wait = WAIT if is_patient else "0s"
    return COMMAND.format(wait=wait, of_catalogs=str(of_catalogs).lower())

"""Wait until no transaction of PostgreSQL can still see what was deleted.

VACUUM (FULL) and CLUSTER keep the bytes of deleted rows for as long as there is such a transaction,
and they do not say so. Called before tables are rewritten, by vacuum_postgresql.py and
scrub_nodes.py.
"""

from __future__ import annotations

#: How long to wait, as an interval of PostgreSQL.
WAIT = "30s"
#: Stands in the command for the connection that sends it to several nodes, and waits for it.
CALLER = ":caller"
IDENTIFIED = "format('%s %s', pid, extract(epoch FROM backend_start))"

#: A command of its own, outside of a transaction. A transaction of any database that has written
#: may be older than the deletion. So may one of this database that only reads; of other users'
#: transactions only an administrator sees how old they are.
WAIT_FOR_OLDER = f"""
DO $wait$
DECLARE
  mark xid8 := pg_current_xact_id();
  give_up timestamptz := clock_timestamp() + interval '{WAIT}';
BEGIN
  COMMIT;
  LOOP
    EXIT WHEN pg_snapshot_xmin(pg_current_snapshot()) >= mark AND NOT EXISTS (
      SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
      AND pid <> pg_backend_pid() AND {IDENTIFIED} <> '{CALLER}'
      AND age(backend_xmin) > age(mark::xid));
    IF clock_timestamp() > give_up THEN
      RAISE EXCEPTION 'a transaction that began before this one is still open'
        USING ERRCODE = 'lock_not_available';
    END IF;
    PERFORM pg_sleep(0.02), pg_stat_clear_snapshot();
  END LOOP;
END
$wait$"""

#!/bin/sh
# Makes a backup of the store that EVENTSTORE_URL names, and then deletes those of it that are old.
#
#   backup.sh FOLDER [DAYS]
#
# An SQLite store becomes FOLDER/calls-TIME.db, a PostgreSQL one FOLDER/calls-TIME.dump, which
# pg_restore reads. A backup has its name once it is complete. If making one fails, none is deleted,
# and files with other names never are. PostgreSQL's password is taken from PGPASSFILE or ~/.pgpass,
# as pg_dump does, and never from the URL: other users of the machine see the arguments of programs.
#
# BACKUP_METRICS names a file FILE.prom, which tells Prometheus' node_exporter of the last backup.
set -eu
umask 077

folder=${1:?name the folder of the backups}
days=${2:-14}
url=${EVENTSTORE_URL:?name the database}
export EVENTSTORE_URL

fail() {
  echo "backup.sh: $1" >&2
  exit 2
}

case $days in
  '' | *[!0-9]*) fail "the number of days is no number: $days" ;;
esac
# With the slash, `find` looks into the folder if its name is a link; a name may begin with a hyphen.
case $folder in
  /*) folder=$folder/ ;;
  *) folder=./$folder/ ;;
esac
name=calls-$(date -u +%Y%m%dT%H%M%SZ)
written=$folder.$name.dump.partial
told=${BACKUP_METRICS:+$BACKUP_METRICS.$$}
trap 'rm -f "$written" ${told:+"$told"}' EXIT
# A shell that a signal ends does not run what it would at its exit.
trap 'exit 143' HUP INT TERM

case $url in
  sqlite*)
    made=$folder$name.db
    eventstore backup "$made"
    ;;
  postgres*)
    made=$folder$name.dump
    # The command has the server in the words of pg_dump, quoted for a shell, and no password.
    command=$(eventstore backup --show-command "$written")
    eval "$command" || {
      echo "backup.sh: pg_dump failed; it takes a password from PGPASSFILE, not from the URL" >&2
      exit 1
    }
    # `ln` refuses a name that is taken. Where there are no hard links, `mv` does.
    ln "$written" "$made" 2>/dev/null || mv -n "$written" "$made"
    [ ! -e "$written" ] || [ "$written" -ef "$made" ] || fail "$made exists"
    echo "Backed up to $made."
    ;;
  *)
    fail "EVENTSTORE_URL names neither SQLite nor PostgreSQL"
    ;;
esac

if [ -n "$told" ]; then
  size=$(wc -c < "$made")
  cat > "$told" <<END
# HELP eventstore_backup_time_seconds When the last backup was complete, in seconds since 1970.
# TYPE eventstore_backup_time_seconds gauge
eventstore_backup_time_seconds $(date +%s)
# HELP eventstore_backup_bytes How large the last backup is.
# TYPE eventstore_backup_bytes gauge
eventstore_backup_bytes $((size))
END
  chmod 644 "$told"
  mv "$told" "$BACKUP_METRICS"
fi

# What a backup that was killed has left begins with a dot. Each digit of a time stands here.
time='[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]T[0-9][0-9][0-9][0-9][0-9][0-9]Z'
find "$folder" -maxdepth 1 -type f \( \
  \( -name "calls-$time.db" -o -name "calls-$time.dump" \) -mtime "+$days" -o \
  -name ".calls-$time.*.partial" -mtime +0 \) -delete

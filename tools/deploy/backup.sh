#!/bin/sh
# Makes a backup of the store that EVENTSTORE_URL names, and then deletes those of it that are old.
#
#   backup.sh FOLDER [DAYS]
#
# An SQLite store becomes FOLDER/calls-TIME.db, a PostgreSQL one FOLDER/calls-TIME.dump, which
# pg_restore reads. A backup has its name once it is complete. If making one fails, none is deleted.
# PostgreSQL's password is taken from PGPASSFILE or ~/.pgpass, as pg_dump does: a URL with a password
# is refused, because other users of the machine see the arguments of programs.
set -eu
umask 077

folder=${1:?name the folder of the backups}
days=${2:-14}
url=${EVENTSTORE_URL:?name the database}
name=calls-$(date -u +%Y%m%dT%H%M%SZ)

case $url in
  sqlite:*)
    eventstore backup "$folder/$name.db"
    ;;
  postgres*)
    case ${url%%\?*} in
      *://*:*@*)
        echo "backup.sh: put the password into PGPASSFILE, not into EVENTSTORE_URL" >&2
        exit 2
        ;;
    esac
    partial=$folder/.$name.partial
    trap 'rm -f "$partial"' EXIT
    pg_dump --format=custom --file="$partial" "postgresql://${url#*://}"
    # `ln` refuses a name that is taken.
    ln "$partial" "$folder/$name.dump"
    echo "Backed up to $folder/$name.dump."
    ;;
  *)
    echo "backup.sh: EVENTSTORE_URL names neither SQLite nor PostgreSQL" >&2
    exit 2
    ;;
esac

find "$folder" -maxdepth 1 -type f \( -name 'calls-*.db' -o -name 'calls-*.dump' \) \
  -mtime "+$days" -delete

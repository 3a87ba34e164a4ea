#!/bin/sh
# Makes the passwords that docker-compose.yml reads: once, and never anew. Run it in the clone.
#   secrets/db_password      of the database
#   secrets/admin_password   of the dashboard: look, write notes, rename and delete studies
#   secrets/viewer_password  of the dashboard: look
# The folder is yours alone; the files in it are readable, because containers read them as
# another user, each through a mount of its own.
set -eu
cd "$(dirname "$0")/.."
umask 022
mkdir -p secrets
chmod 700 secrets
for name in db_password admin_password viewer_password; do
  file=secrets/$name
  if [ -s "$file" ]; then
    echo "kept  $file"
  else
    [ ! -d "$file" ] || rmdir "$file"  # what `docker run -v` makes of a file that was missing
    head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$file"
    echo "made  $file"
  fi
  chmod 644 "$file"
done
echo "log in to the dashboard with: cat secrets/admin_password"

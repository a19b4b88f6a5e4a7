#!/bin/sh
# Says which replica answers, which version it is, and from which address the question came.
printf 'Content-Type: text/plain\r\n\r\n'
asker=${REMOTE_ADDR#"[::ffff:"}
echo "$(hostname) version ${VERSION:-0} answers ${asker%]}"

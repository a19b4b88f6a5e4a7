#!/bin/sh
# Says which replica answers, which version it is, and from which address the question came.
printf 'Content-Type: text/plain\r\n\r\n'
echo "$(hostname) version ${VERSION:-0} answers ${REMOTE_ADDR}"

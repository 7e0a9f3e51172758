# lib.sh - what the component scripts share. POSIX sh; sourced, not run.
#
# Every script:
#	NAME.sh start DIR PORT [OPTION...]  start or find running, wait until ready, print facts
#	NAME.sh info DIR                    print the facts again (KEY=value lines)
#	NAME.sh stop DIR                    end what was started in DIR, by recorded pid
# DIR is made, holds all state and may be removed after stop. Everything listens on 127.0.0.1.
# A pid file holds "PID STARTTIME", so that a pid used again by somebody else is never signalled.
# shellcheck shell=sh disable=SC2034 # variables for those that source this
set -eu
umask 022
PATH=$PATH:/usr/sbin:/sbin
LC_ALL=C.UTF-8
export LC_ALL
# Debian's own: the first python3 on PATH may be another one, without Debian's modules.
PYTHON=${IAM_PYTHON:-/usr/bin/python3}
HOST=127.0.0.1
READY_SECONDS=120
HERE=$(cd "$(dirname "$0")" && pwd)

die()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

# failed LOG MESSAGE: ends with the end of a log.
failed()
{
	echo "--- the end of $1" >&2
	tail -n 25 "$1" >&2 2>/dev/null || :
	die "$2"
}

need()
{
	for need_c in "$@"; do
		command -v "$need_c" >/dev/null 2>&1 || die "no $need_c here (see README.md for its package)"
	done
}

make_dir()
{
	mkdir -p "$1" && (cd "$1" && pwd)
}

# The start time of a process; nothing when it is gone or a zombie.
start_time()
{
	[ -r "/proc/$1/stat" ] || return 0
	sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" && $1 != "X" { print $20 }'
}

alive()
{
	[ -s "$1" ] || return 1
	read -r alive_pid alive_start <"$1" || return 1
	alive_now=$(start_time "$alive_pid")
	[ -n "$alive_now" ] && [ "$alive_now" = "$alive_start" ]
}

pid_of()
{
	cut -d' ' -f1 "$1"
}

# spawn PIDFILE LOG COMMAND...: in a session of its own, without input.
spawn()
{
	spawn_file=$1 spawn_log=$2
	shift 2
	setsid "$@" >>"$spawn_log" 2>&1 </dev/null &
	echo "$! $(start_time $!)" >"$spawn_file"
}

# end_pid PIDFILE: SIGTERM, after 15 s SIGKILL; then whatever is left of the session it led.
end_pid()
{
	if ! alive "$1"; then
		rm -f "$1"
		return 0
	fi
	end_p=$(pid_of "$1") end_n=150
	kill -s TERM "$end_p" 2>/dev/null || :
	while alive "$1" && [ "$end_n" -gt 0 ]; do
		end_n=$((end_n - 1))
		sleep 0.1
	done
	kill -s KILL -- "-$end_p" 2>/dev/null || :
	rm -f "$1"
}

# wait_for PIDFILE COMMAND...: until the command succeeds; fails at once when the process has ended.
wait_for()
{
	wait_file=$1 wait_end=$(($(date +%s) + READY_SECONDS))
	shift
	until "$@" >/dev/null 2>&1; do
		alive "$wait_file" || return 1
		[ "$(date +%s)" -lt "$wait_end" ] || return 1
		sleep 0.1
	done
}

tcp_open()
{
	"$PYTHON" -c 'import socket, sys
socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()' "$1" 2>/dev/null
}

check_free()
{
	for check_port in "$@"; do
		! tcp_open "$check_port" || die "port $check_port of 127.0.0.1 is taken"
	done
}

# use_pki PKI: makes the certificates unless they are there.
use_pki()
{
	sh "$HERE/ca.sh" "$1" || die "no certificates in $1"
}

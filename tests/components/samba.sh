#!/bin/sh
# samba.sh - Samba as an Active Directory domain controller, with test data. Needs root.
# Packages: samba samba-ad-dc samba-ad-provision samba-dsdb-modules samba-vfs-modules winbind
# ldb-tools ldap-utils openssl iproute2
#	samba.sh start DIR PORT [OPTION...] | info DIR | stop DIR
# Samba cannot move its LDAP ports: it runs in a network namespace and tcp_proxy.py brings them out,
# PORT ldap with StartTLS, PORT + 1 ldaps, PORT + 2 and PORT + 3 the same of the global catalogue.
#	--tls-port PORT     another port for ldaps
#	--gc-ports P Q      others for the global catalogue
#	--pki DIR           certificates of ca.sh (default DIR/pki)
#	--server-cert NAME  server, wronghost, expired or untrusted
#	--allow-plain       simple binds without TLS; AD's own rule refuses them (8 strongerAuthRequired)
#	--users N --big N   users with a password (20), members of the group big (2000)
# shellcheck source=tests/components/lib.sh
. "$(dirname "$0")/lib.sh"

usage()
{
	die "usage: samba.sh start DIR PORT [OPTION...] | info DIR | stop DIR"
}

[ $# -ge 2 ] || usage
command=$1 dir=$(make_dir "$2")
pid=$dir/samba.pid relay=$dir/relay.pid log=$dir/samba.log ad=$dir/ad base=DC=example,DC=test

stop()
{
	end_pid "$relay"
	end_pid "$pid"
}

case $command in
info) cat "$dir/facts"; exit ;;
stop) stop; exit ;;
start) [ $# -ge 3 ] || usage ;;
*) usage ;;
esac
port=$3 tls_port=$((port + 1)) gc_port=$((port + 2)) gc_tls_port=$((port + 3))
pki=$dir/pki cert=server strong=yes users=20 big=2000
shift 3
while [ $# -gt 0 ]; do
	case $1 in
	--allow-plain) strong=no; shift; continue ;;
	esac
	[ $# -ge 2 ] || usage
	case $1 in
	--tls-port) tls_port=$2 ;;
	--gc-ports) gc_port=$2 gc_tls_port=$3; shift ;;
	--pki) pki=$(make_dir "$2") ;;
	--server-cert) cert=$2 ;;
	--users) users=$2 ;;
	--big) big=$2 ;;
	*) usage ;;
	esac
	shift 2
done
if alive "$pid" && alive "$relay"; then
	cat "$dir/facts"
	exit 0
fi
stop
need samba samba-tool unshare ip ldapsearch openssl
[ "$(id -u)" -eq 0 ] || die "needs root, for a network namespace"
check_free "$port" "$tls_port" "$gc_port" "$gc_tls_port"
use_pki "$pki"

provision()
{
	rm -rf "$ad"
	mkdir -p "$ad/run" "$ad/log" "$ad/cache" "$ad/lock"
	# Nothing is read from /etc/samba.
	cat >"$ad/base.conf" <<-CONF
		[global]
		private dir = $ad/private
		lock directory = $ad/lock
		state directory = $ad/state
		cache directory = $ad/cache
		pid directory = $ad/run
		ncalrpc dir = $ad/run/ncalrpc
		winbindd socket directory = $ad/run/winbindd
		ntp signd socket directory = $ad/run/ntp_signd
		log file = $ad/log/%m.log
	CONF
	samba-tool domain provision --configfile="$ad/base.conf" --targetdir="$ad" \
		--realm=EXAMPLE.TEST --domain=EXAMPLE --adminpass=Admin-passw0rd --server-role=dc \
		--dns-backend=NONE --use-rfc2307 --host-name=dc1 --host-ip=127.0.0.1 \
		--option="posix:eadb=$ad/private/eadb.tdb" &&
		"$PYTHON" "$HERE/samba_populate.py" "$ad/etc/smb.conf" "$users" "$big"
}

if [ ! -e "$dir/provisioned" ]; then
	provision >"$dir/provision.log" 2>&1 || failed "$dir/provision.log" "provisioning failed"
	: >"$dir/provisioned"
fi
install -m 600 "$pki/$cert.key" "$ad/private/tls.key"
# Without the services rpc and winbindd a bind of an unknown user is never answered.
# shellcheck disable=SC2016 # the inner shell expands it
spawn "$pid" "$log" unshare -n sh -c 'ip link set lo up && exec "$@"' samba-namespace \
	samba --configfile="$ad/etc/smb.conf" --foreground --no-process-group --debug-stdout -d 1 \
	--option="server services=ldap cldap kdc rpc winbindd" --option="interfaces=127.0.0.1/8" \
	--option="bind interfaces only=yes" --option="pid directory=$ad/run" \
	--option="ncalrpc dir=$ad/run/ncalrpc" --option="lock directory=$ad/lock" \
	--option="winbindd socket directory=$ad/run/winbindd" \
	--option="ntp signd socket directory=$ad/run/ntp_signd" \
	--option="log file=$ad/log/%m.log" --option="prefork children=2" \
	--option="tls enabled=yes" --option="tls certfile=$pki/$cert.crt" \
	--option="tls keyfile=$ad/private/tls.key" --option="tls cafile=$pki/ca.crt" \
	--option="ldap server require strong auth=$strong"
# The namespace is there once unshare has become the shell, then samba.
in_namespace()
{
	[ "$(readlink "/proc/$(pid_of "$pid")/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}
wait_for "$pid" in_namespace || failed "$log" "samba did not start"
rm -f "$dir/relay.ready"
spawn "$relay" "$dir/relay.log" "$PYTHON" "$HERE/tcp_proxy.py" --netns-pid "$(pid_of "$pid")" \
	--ready "$dir/relay.ready" "$port:389" "$tls_port:636" "$gc_port:3268" "$gc_tls_port:3269"

# bind USER PASSWORD
bind()
{
	LDAPTLS_REQCERT=never timeout 5 ldapsearch -x -H "ldaps://$HOST:$tls_port" -D "$1@example.test" \
		-w "$2" -b '' -s base dn
}
ready()
{
	[ -e "$dir/relay.ready" ] && bind reader Reader-passw0rd
}
wait_for "$pid" ready || { stop; failed "$log" "samba did not start"; }
if [ ! -e "$dir/locked" ]; then
	for try in 1 2 3; do
		bind locked "wrong$try" >/dev/null 2>&1 || :
	done
	: >"$dir/locked"
fi
cat >"$dir/facts" <<FACTS
HOST=$HOST
PORT=$port
LDAPS_PORT=$tls_port
GC_PORT=$gc_port
GC_LDAPS_PORT=$gc_tls_port
BASE=$base
USER_BASE=OU=People,$base
GROUP_BASE=OU=Groups,$base
BIND_DN=CN=reader,OU=Services,$base
BIND_PASSWORD=Reader-passw0rd
ADMIN_DN=CN=Administrator,CN=Users,$base
ADMIN_PASSWORD=Admin-passw0rd
USER=user000000
USER_PASSWORD=User-passw0rd
REALM=EXAMPLE.TEST
DOMAIN=EXAMPLE
CA=$pki/ca.crt
LOG=$log
PID=$(pid_of "$pid")
FACTS
cat "$dir/facts"

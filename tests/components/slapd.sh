#!/bin/sh
# slapd.sh - OpenLDAP with test data. Packages: slapd ldap-utils openssl
#	slapd.sh start DIR PORT [OPTION...] | info DIR | stop DIR
# PORT speaks ldap with StartTLS, PORT + 1 ldaps. The log holds every operation.
#	--tls-port PORT        another port for ldaps
#	--pki DIR              certificates of ca.sh (default DIR/pki)
#	--server-cert NAME     server, wronghost, expired or untrusted
#	--client-cert RULE     never, try (default) or demand a client's certificate
#	--require-tls          without TLS nobody binds or searches (13 confidentialityRequired)
#	--anonymous            anybody may search without a bind
#	--no-sync              without content synchronisation (RFC 4533)
#	--sizelimit N          entries a search without paging gets (500)
#	--ldif FILE            these entries instead of ldif_gen.py's
#	--users N --groups N   so many of ldif_gen.py's
#	--large                ldif_gen.py --large: for measurements
# shellcheck source=tests/components/lib.sh
. "$(dirname "$0")/lib.sh"

usage()
{
	die "usage: slapd.sh start DIR PORT [OPTION...] | info DIR | stop DIR"
}

[ $# -ge 2 ] || usage
command=$1 dir=$(make_dir "$2")
pid=$dir/slapd.pid log=$dir/slapd.log base=dc=example,dc=test
case $command in
info) cat "$dir/facts"; exit ;;
stop) end_pid "$pid"; exit ;;
start) [ $# -ge 3 ] || usage ;;
*) usage ;;
esac
port=$3 tls_port=$((port + 1)) pki=$dir/pki cert=server verify=try security='' limit=500 sync=yes
users=20 groups=5 ldif='' kind=--special anonymous=no
shift 3
while [ $# -gt 0 ]; do
	case $1 in
	--require-tls) security='security simple_bind=128 tls=128'; shift; continue ;;
	--anonymous) anonymous=yes; shift; continue ;;
	--no-sync) sync=no; shift; continue ;;
	--large) kind=--large; shift; continue ;;
	esac
	[ $# -ge 2 ] || usage
	case $1 in
	--tls-port) tls_port=$2 ;;
	--pki) pki=$(make_dir "$2") ;;
	--server-cert) cert=$2 ;;
	--client-cert) verify=$2 ;;
	--sizelimit) limit=$2 ;;
	--ldif) ldif=$2 ;;
	--users) users=$2 ;;
	--groups) groups=$2 ;;
	*) usage ;;
	esac
	shift 2
done
if alive "$pid"; then
	cat "$dir/facts"
	exit 0
fi
need slapd slapadd openssl
check_free "$port" "$tls_port"
use_pki "$pki"

modules=$(dirname "$(find /usr/lib/ldap /usr/lib*/openldap -name 'back_mdb.*' 2>/dev/null | head -n 1)")
schema=/etc/ldap/schema
[ -d $schema ] || schema=/etc/openldap/schema
# RFC 2307bis: a posixGroup may be a groupOfNames as well.
sed '/NAME .posixGroup/,/^$/s/SUP top STRUCTURAL/SUP top AUXILIARY/' $schema/nis.schema \
	>"$dir/rfc2307bis.schema"
who='users' rule='disallow bind_anon
require authc'
[ $anonymous = no ] || who='*' rule=
overlay_sync=
[ $sync = no ] || overlay_sync='overlay syncprov
syncprov-sessionlog 1000'

cat >"$dir/slapd.conf" <<CONF
include $schema/core.schema
include $schema/cosine.schema
include $dir/rfc2307bis.schema
include $schema/inetorgperson.schema
include $schema/namedobject.schema
modulepath $modules
moduleload back_mdb
moduleload memberof
moduleload ppolicy
moduleload syncprov
pidfile $dir/slapd.run
argsfile $dir/slapd.args
threads 8
$rule
$security
TLSCACertificateFile $pki/ca.crt
TLSCertificateFile $pki/$cert.crt
TLSCertificateKeyFile $pki/$cert.key
TLSVerifyClient $verify
# SASL EXTERNAL: client.crt is the account reader.
authz-regexp "^cn=svc-client,o=example$" "cn=reader,ou=services,$base"
sizelimit size.soft=$limit size.hard=$limit size.prtotal=unlimited
database mdb
suffix "$base"
rootdn "cn=admin,$base"
rootpw admin-password
directory $dir/db
maxsize 4294967296
dbnosync
index objectClass eq
index uid,cn,sn,mail eq,sub
index member,uniqueMember,memberUid,memberOf eq
index uidNumber,gidNumber eq
index entryUUID,entryCSN,modifyTimestamp eq
access to attrs=userPassword by self =xw by anonymous auth by * none
access to * by dn.exact="cn=reader,ou=services,$base" read by self read by $who read by anonymous auth
overlay memberof
memberof-group-oc groupOfNames
memberof-member-ad member
memberof-memberof-ad memberOf
memberof-dangling ignore
overlay memberof
memberof-group-oc groupOfUniqueNames
memberof-member-ad uniqueMember
memberof-memberof-ad memberOf
memberof-dangling ignore
overlay ppolicy
ppolicy_default "cn=default,ou=policies,$base"
ppolicy_use_lockout
$overlay_sync
CONF

load()
{
	rm -rf "$dir/db"
	mkdir "$dir/db"
	if [ -n "$ldif" ]; then
		slapadd -q -f "$dir/slapd.conf" -l "$ldif"
	else
		"$PYTHON" "$HERE/ldif_gen.py" $kind --memberof --openldap --users "$users" \
			--groups "$groups" --base $base >"$dir/data.ldif" &&
			slapadd -q -f "$dir/slapd.conf" -l "$dir/data.ldif"
	fi
}

if [ ! -e "$dir/loaded" ]; then
	load >"$dir/slapadd.log" 2>&1 || failed "$dir/slapadd.log" "the entries could not be loaded"
	rm -f "$dir/data.ldif"
	: >"$dir/loaded"
fi
spawn "$pid" "$log" slapd -f "$dir/slapd.conf" -d stats \
	-h "ldap://$HOST:$port/ ldaps://$HOST:$tls_port/"
ready()
{
	tcp_open "$port" && tcp_open "$tls_port"
}
wait_for "$pid" ready || failed "$log" "slapd did not start"
cat >"$dir/facts" <<FACTS
HOST=$HOST
PORT=$port
LDAPS_PORT=$tls_port
BASE=$base
USER_BASE=ou=people,$base
GROUP_BASE=ou=groups,$base
BIND_DN=cn=reader,ou=services,$base
BIND_PASSWORD=reader-password
ADMIN_DN=cn=admin,$base
ADMIN_PASSWORD=admin-password
USER=user000000
USER_PASSWORD=user-password
CA=$pki/ca.crt
LOG=$log
PID=$(pid_of "$pid")
FACTS
cat "$dir/facts"

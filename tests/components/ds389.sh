#!/bin/sh
# ds389.sh - 389 Directory Server with test data, without systemd.
# Packages: 389-ds-base python3-lib389 ldap-utils openssl
#	ds389.sh start DIR PORT [OPTION...] | info DIR | stop DIR
# PORT speaks ldap with StartTLS, PORT + 1 ldaps. The log (written late) holds every operation.
#	--tls-port PORT        another port for ldaps
#	--pki DIR              certificates of ca.sh (default DIR/pki)
#	--users N --groups N   so many of ldif_gen.py's
# Root gives its rights up to dirsrv, which must be able to reach DIR: no parent may be closed.
# shellcheck source=tests/components/lib.sh
. "$(dirname "$0")/lib.sh"

usage()
{
	die "usage: ds389.sh start DIR PORT [OPTION...] | info DIR | stop DIR"
}

[ $# -ge 2 ] || usage
command=$1 dir=$(make_dir "$2")
pid=$dir/ns-slapd.pid base=dc=example,dc=test instance=iam
config=$dir/etc/dirsrv/slapd-$instance admin_password=admin-password
case $command in
info) cat "$dir/facts"; exit ;;
stop) end_pid "$pid"; exit ;;
start) [ $# -ge 3 ] || usage ;;
*) usage ;;
esac
port=$3 tls_port=$((port + 1)) pki=$dir/pki users=20 groups=5
shift 3
while [ $# -gt 0 ]; do
	[ $# -ge 2 ] || usage
	case $1 in
	--tls-port) tls_port=$2 ;;
	--pki) pki=$(make_dir "$2") ;;
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
need dscreate ns-slapd ldapmodify certutil pk12util openssl
check_free "$port" "$tls_port"
owner=$(id -un)
[ "$owner" != root ] || owner=dirsrv
chmod 755 "$dir"
use_pki "$pki"

# lib389 takes every path from $PREFIX/share/dirsrv/inf/defaults.inf: one that stays inside DIR.
create_instance()
{
	rm -rf "${dir:?}/etc" "${dir:?}/var" "${dir:?}/share"
	mkdir -p "$dir/etc/dirsrv" "$dir/etc/default" "$dir/var/run" "$dir/var/lock" "$dir/var/log" \
		"$dir/var/lib" "$dir/share/dirsrv/inf"
	ln -s /etc/dirsrv/schema /etc/dirsrv/config "$dir/etc/dirsrv/"
	sed -e "s|= /etc|= $dir/etc|" -e "s|= /run/lock/dirsrv|= $dir/var/lock|" \
		-e "s|= /run/dirsrv|= $dir/var/run|" -e "s|= /run|= $dir/var/run|" \
		-e "s|= /var/log/dirsrv|= $dir/var/log|" -e "s|= /var/lib/dirsrv|= $dir/var/lib|" \
		-e "s|= /var$|= $dir/var|" -e "s|= /tmp$|= $dir/var|" \
		-e "s|^db_home_dir.*|db_home_dir = $dir/var/lib/slapd-{instance_name}/db|" \
		-e "s|^with_systemd.*|with_systemd = 0|" \
		/usr/share/dirsrv/inf/defaults.inf >"$dir/share/dirsrv/inf/defaults.inf"
	cat >"$dir/instance.inf" <<-INF
		[general]
		config_version = 2
		full_machine_name = localhost.localdomain
		strict_host_checking = False
		systemd = False
		selinux = False
		start = False
		[slapd]
		instance_name = $instance
		user = $owner
		group = $owner
		port = $port
		secure_port = $tls_port
		root_password = $admin_password
		self_sign_cert = True
	INF
	PREFIX="$dir" dscreate -v from-file "$dir/instance.inf"
}

# What FreeIPA's schema adds and its entries here use; the object ids are not FreeIPA's.
ipa_schema()
{
	cat >"$config/schema/98ipa-like.ldif" <<-'LDIF'
		dn: cn=schema
		attributeTypes: ( ipaUniqueID-oid NAME 'ipaUniqueID' EQUALITY caseIgnoreMatch
		  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE X-ORIGIN 'user defined' )
		attributeTypes: ( krbPrincipalName-oid NAME 'krbPrincipalName' EQUALITY caseIgnoreMatch
		  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 X-ORIGIN 'user defined' )
		objectClasses: ( ipaObject-oid NAME 'ipaObject' SUP top AUXILIARY
		  MUST ( ipaUniqueID ) X-ORIGIN 'user defined' )
		objectClasses: ( krbPrincipalAux-oid NAME 'krbPrincipalAux' SUP top AUXILIARY
		  MAY ( krbPrincipalName ) X-ORIGIN 'user defined' )
		objectClasses: ( nestedGroup-oid NAME 'nestedGroup' SUP groupOfNames STRUCTURAL
		  MAY ( memberOf ) X-ORIGIN 'user defined' )
		objectClasses: ( ipaUserGroup-oid NAME 'ipaUserGroup' SUP nestedGroup STRUCTURAL
		  X-ORIGIN 'user defined' )
	LDIF
}

# The certificate of ca.sh instead of the instance's own.
use_certificate()
{
	cat "$config/pwdfile.txt" >"$dir/nss-password"
	echo >>"$dir/nss-password"
	openssl pkcs12 -export -in "$pki/server.crt" -inkey "$pki/server.key" -name Test-Cert \
		-passout pass:x -out "$dir/server.p12"
	certutil -D -d "$config" -n Server-Cert -f "$dir/nss-password" 2>/dev/null || :
	certutil -A -d "$config" -n Test-CA -t CT,, -a -i "$pki/ca.crt" -f "$dir/nss-password"
	pk12util -i "$dir/server.p12" -d "$config" -k "$dir/nss-password" -W x >/dev/null
	certutil --rename -d "$config" -n Test-Cert --new-n Server-Cert -f "$dir/nss-password"
	rm -f "$dir/server.p12" "$dir/nss-password"
}

# Before its first start: a running server would want some of this only after a restart.
configure()
{
	"$PYTHON" - "$config/dse.ldif" "$base" <<-'PY'
		import re, sys
		path, base = sys.argv[1:]
		text = open(path, encoding="utf-8").read()

		def put(dn, **values):
		    global text
		    at = re.search(rf"^dn: {re.escape(dn)}\n", text, re.M | re.I)
		    end = text.find("\n\n", at.end())
		    entry = text[at.end():end]
		    for name, value in values.items():
		        name = name.replace("_", "-")
		        entry = re.sub(rf"^{name}:.*(\n .*)*\n?", "", entry, flags=re.M | re.I)
		        entry = entry.rstrip("\n") + f"\n{name}: {value}"
		    text = text[:at.end()] + entry + text[end:]

		put("cn=config", nsslapd_listenhost="127.0.0.1", nsslapd_securelistenhost="127.0.0.1",
		    nsslapd_allow_anonymous_access="off", nsslapd_allow_hashed_passwords="on",
		    passwordLockout="on", passwordMaxFailure="3", passwordUnlock="off", passwordExp="on",
		    passwordMaxAge="1000000000", passwordWarning="0",
		    nsslapd_accesslog_logbuffering="off", nsslapd_enable_upgrade_hash="off")
		put("cn=7-bit check,cn=plugins,cn=config", nsslapd_pluginEnabled="off")
		put("cn=MemberOf Plugin,cn=plugins,cn=config", nsslapd_pluginEnabled="on")
		open(path, "w", encoding="utf-8").write(text)
	PY
}

as_admin()
{
	as_admin_c=$1
	shift
	"$as_admin_c" -x -H "ldap://$HOST:$port" -D "cn=Directory Manager" -w $admin_password "$@"
}

add_suffix()
{
	as_admin ldapadd <<-LDIF
		dn: cn=iamroot,cn=ldbm database,cn=plugins,cn=config
		objectClass: top
		objectClass: extensibleObject
		objectClass: nsBackendInstance
		cn: iamroot
		nsslapd-suffix: $base

		dn: cn="$base",cn=mapping tree,cn=config
		objectClass: top
		objectClass: extensibleObject
		objectClass: nsMappingTree
		cn: $base
		nsslapd-state: backend
		nsslapd-backend: iamroot

		dn: $base
		objectClass: top
		objectClass: domain
		dc: example
		aci: (targetattr != "userPassword")(version 3.0; acl "reader"; allow (read,search,compare)
		  userdn = "ldap:///cn=reader,ou=services,$base";)
		aci: (targetattr != "userPassword")(version 3.0; acl "self"; allow (read,search,compare)
		  userdn = "ldap:///self";)
	LDIF
}

# States of passwords as the server itself keeps them; "locked" gets real wrong ones. With
# passwordMustChange on before the load, everybody would have to change.
set_states()
{
	as_admin ldapmodify <<-LDIF || return 1
		dn: uid=expired,ou=people,$base
		changetype: modify
		replace: passwordExpirationTime
		passwordExpirationTime: 20200101000000Z

		dn: uid=mustchange,ou=people,$base
		changetype: modify
		replace: passwordExpirationTime
		passwordExpirationTime: 19700101000000Z

		dn: cn=config
		changetype: modify
		replace: passwordMustChange
		passwordMustChange: on
	LDIF
	for try in 1 2 3; do
		! ldapwhoami -x -H "ldap://$HOST:$port" -D "uid=locked,ou=people,$base" -w "wrong$try" || return 1
	done
}

load()
{
	"$PYTHON" "$HERE/ldif_gen.py" --special --ds389 --users "$users" --groups "$groups" \
		--base $base >"$dir/data.ldif" &&
		add_suffix && as_admin ldapadd -f "$dir/data.ldif" && set_states
}

if [ ! -e "$dir/created" ]; then
	create_instance >"$dir/dscreate.log" 2>&1 || failed "$dir/dscreate.log" "dscreate failed"
	{ ipa_schema && use_certificate && configure; } >>"$dir/dscreate.log" 2>&1 ||
		failed "$dir/dscreate.log" "the instance could not be configured"
	[ "$(id -u)" -ne 0 ] || chown -R "$owner" "$config"
	: >"$dir/created"
fi
spawn "$pid" "$dir/ns-slapd.log" ns-slapd -D "$config" -i "$dir/var/run/slapd-$instance.pid" -d 0
ready()
{
	tcp_open "$port" && tcp_open "$tls_port"
}
wait_for "$pid" ready || failed "$dir/ns-slapd.log" "ns-slapd did not start"
if [ ! -e "$dir/loaded" ]; then
	load >"$dir/load.log" 2>&1 || { end_pid "$pid"; failed "$dir/load.log" "the entries could not be loaded"; }
	rm -f "$dir/data.ldif"
	: >"$dir/loaded"
fi
cat >"$dir/facts" <<FACTS
HOST=$HOST
PORT=$port
LDAPS_PORT=$tls_port
BASE=$base
USER_BASE=ou=people,$base
GROUP_BASE=ou=groups,$base
BIND_DN=cn=reader,ou=services,$base
BIND_PASSWORD=reader-password
ADMIN_DN=cn=Directory Manager
ADMIN_PASSWORD=$admin_password
USER=user000000
USER_PASSWORD=user-password
CA=$pki/ca.crt
LOG=$dir/var/log/slapd-$instance/access
PID=$(pid_of "$pid")
FACTS
cat "$dir/facts"

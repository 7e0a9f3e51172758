#!/bin/sh
# ca.sh - certificates for tests: ca.sh DIR. Nothing to do when they are there.
#	ca.crt, ca.key  the trusted authority        other-ca.crt  another one
#	server          localhost, this machine's name, 127.0.0.1, ::1, *.example.test
#	wronghost       wrong.invalid only           expired       ended in 2020
#	untrusted       server's names, by other-ca
#	client          for clients: CN=svc-client,O=Example  otherclient  the same by other-ca
# Each as NAME.crt and NAME.key; client.pem is the client's key and certificate together.
# RSA 2048, because GnuTLS, NSS and OpenSSL take it alike.
# shellcheck source=tests/components/lib.sh
. "$(dirname "$0")/lib.sh"
[ $# -eq 1 ] || die "usage: ca.sh DIR"
need openssl
dir=$(make_dir "$1")
cd "$dir" || exit
[ ! -s .done ] || exit 0
umask 077

# authority NAME CN
authority()
{
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.crt" -days 3650 -sha256 \
		-subj "/O=Example/CN=$2" -addext basicConstraints=critical,CA:TRUE \
		-addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
}

request()
{
	openssl req -new -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" \
		-subj "/O=Example/CN=$2" 2>/dev/null
}

# issue NAME AUTHORITY CN NAMES USE
issue()
{
	request "$1" "$3"
	{
		echo "basicConstraints=CA:FALSE"
		echo "keyUsage=critical,digitalSignature,keyEncipherment"
		echo "extendedKeyUsage=$5"
		echo "subjectAltName=$4"
	} >"$1.ext"
	openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -days 3650 -sha256 \
		-set_serial "0x$(openssl rand -hex 8)" -extfile "$1.ext" -out "$1.crt" 2>/dev/null
	rm -f "$1.csr" "$1.ext"
}

# "x509 -req" cannot begin in the past before OpenSSL 3.2; "ca" can.
issue_expired()
{
	request expired localhost
	: >index
	mkdir -p new
	cat >ca.cnf <<-CONF
		[ca]
		default_ca = one
		[one]
		database = index
		new_certs_dir = new
		default_md = sha256
		policy = any
		rand_serial = yes
		email_in_dn = no
		unique_subject = no
		[any]
		O = optional
		CN = supplied
		[ext]
		extendedKeyUsage = serverAuth
		subjectAltName = $1
	CONF
	openssl ca -batch -config ca.cnf -cert ca.crt -keyfile ca.key -in expired.csr -out expired.crt \
		-notext -startdate 20200101000000Z -enddate 20200201000000Z -extensions ext >/dev/null 2>&1
	rm -rf expired.csr index* new ca.cnf
}

# libldap holds a certificate for "localhost" against the machine's own name: it is there too.
names="DNS:localhost,DNS:$(uname -n),DNS:*.example.test,IP:127.0.0.1,IP:::1"
authority ca "Test CA"
authority other-ca "Other CA"
issue server ca localhost "$names" serverAuth
issue wronghost ca wrong.invalid DNS:wrong.invalid serverAuth
issue untrusted other-ca localhost "$names" serverAuth
issue client ca svc-client email:svc-client@example.test clientAuth
issue otherclient other-ca svc-client email:svc-client@example.test clientAuth
issue_expired "$names"
cat client.key client.crt >client.pem
chmod 644 ./*.crt
echo ok >.done

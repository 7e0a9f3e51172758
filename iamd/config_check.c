/*
 * config_check - rules over several options, and the grammar of address lists.
 *
 * What a single option's row of config.def cannot say. Opens nothing and resolves no names: an
 * address is a number. Sockets passed by the service manager are judged where they are taken over.
 */
#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

#include "iam/rid.h"
#include "iamd/api/authzen_actions.h"
#include "iamd/config.h"
#include "libacl/base/str.h"

/* LIMIT: longest numeric address, "[...]" not counted. */
#define ADDRESS_MAX_BYTES INET6_ADDRSTRLEN

struct address {
	bool is_ipv6;
	unsigned char bytes[16];
};

static bool address_parse(struct str text, struct address *ret)
{
	char buf[ADDRESS_MAX_BYTES];

	if (text.len == 0 || text.len >= sizeof(buf) || str_find(text, '\0') >= 0)
		return false;
	memcpy(buf, text.ptr, text.len);
	buf[text.len] = '\0';
	ret->is_ipv6 = str_find(text, ':') >= 0;
	return inet_pton(ret->is_ipv6 ? AF_INET6 : AF_INET, buf, ret->bytes) == 1;
}

static bool address_is_loopback(const struct address *a)
{
	static const unsigned char one[16] = {[15] = 1};

	if (a->is_ipv6)
		return memcmp(a->bytes, one, sizeof(one)) == 0;
	return a->bytes[0] == 127;
}

/* "127.0.0.1:8101", "[::1]:8101". */
static bool endpoint_parse(struct str text, struct address *ret)
{
	struct str host, port;
	size_t colon = text.len;
	int64_t number;

	while (colon > 0 && text.ptr[colon - 1] != ':')
		colon--;
	if (colon == 0)
		return false;
	host = str_sub(text, 0, colon - 1);
	port = str_sub(text, colon, text.len);
	if (!str_to_i64(port, 0, 65535, &number))
		return false;
	if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
		host = str_sub(host, 1, host.len - 1);
		return address_parse(host, ret) && ret->is_ipv6;
	}
	return address_parse(host, ret) && !ret->is_ipv6;
}

static bool unix_path_valid(struct str path)
{
	return path.len > 1 && path.ptr[0] == '/' &&
		path.len < sizeof(((struct sockaddr_un *)0)->sun_path);
}

static enum iam_err check_endpoint(struct str text, const char *option, bool is_gateway,
	struct iam_error *err)
{
	struct address address;

	if (!endpoint_parse(text, &address))
		return iam_error_set(err, IAM_CONFIG,
			"%s: \"%.*s\" is not ADDRESS:PORT (a numeric address; [::1]:8101 for IPv6)",
			option, (int)(text.len > 64 ? 64 : text.len), text.ptr);
	if (is_gateway && !address_is_loopback(&address))
		return iam_error_set(err, IAM_CONFIG,
			"%s: \"%.*s\" is not a loopback address; api_access = gateway does no "
			"authentication and listens on loopback addresses and Unix sockets only",
			option, (int)(text.len > 64 ? 64 : text.len), text.ptr);
	return IAM_OK;
}

static enum iam_err check_listen(const struct config *c, struct iam_error *err)
{
	struct str rest = str_c(c->listen);
	bool is_gateway = c->api_access == API_GATEWAY;
	enum iam_err e;

	if (str_eq_c(str_trim(rest), "none"))
		return IAM_OK;
	while (rest.ptr != NULL) {
		struct str item = str_trim(str_split(&rest, ','));

		if (str_starts(item, STR("unix:"))) {
			if (!unix_path_valid(str_sub(item, 5, item.len)))
				return iam_error_set(err, IAM_CONFIG,
					"listen: unix: needs an absolute path shorter than %zu "
					"bytes",
					sizeof(((struct sockaddr_un *)0)->sun_path));
			continue;
		}
		e = check_endpoint(item, "listen", is_gateway, err);
		if (e != IAM_OK)
			return e;
	}
	return IAM_OK;
}

/* "10.0.0.0/8", "::1", "unix:". */
static bool network_valid(struct str text)
{
	struct str bits = text;
	struct str host = str_split(&bits, '/');
	struct address address;
	int64_t number;

	if (str_eq_c(text, "unix:"))
		return true;
	if (!address_parse(host, &address))
		return false;
	return bits.ptr == NULL ||
		str_to_i64(bits, 0, address.is_ipv6 ? 128 : 32, &number);
}

static enum iam_err check_proxies(const struct config *c, struct iam_error *err)
{
	struct str rest = str_c(c->trusted_proxies);

	if (str_trim(rest).len == 0)
		return IAM_OK;
	while (rest.ptr != NULL) {
		struct str item = str_trim(str_split(&rest, ','));

		if (!network_valid(item))
			return iam_error_set(err, IAM_CONFIG,
				"trusted_proxies: \"%.*s\" is no address, network (10.0.0.0/8) or "
				"unix:",
				(int)(item.len > 64 ? 64 : item.len), item.ptr);
	}
	return IAM_OK;
}

static enum iam_err check_pairs(const struct config *c, struct iam_error *err)
{
	const struct {
		const char *name_a, *a, *name_b, *b;
	} pairs[] = {
		{"tls_certificate_file", c->tls_certificate_file, "tls_key_file",
			c->tls_key_file},
		{"id_token_issuer", c->id_token_issuer, "id_token_audience",
			c->id_token_audience},
		{"superuser_username", c->superuser_username, "superuser_password_hash",
			c->superuser_password_hash},
		{"superuser_service_account_uid", c->superuser_service_account_uid,
			"superuser_service_account_public_key",
			c->superuser_service_account_public_key},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if ((pairs[i].a[0] == '\0') != (pairs[i].b[0] == '\0'))
			return iam_error_set(err, IAM_CONFIG,
				"%s and %s: set both or neither", pairs[i].name_a,
				pairs[i].name_b);
	}
	return IAM_OK;
}

static enum iam_err check_uid(const char *option, const char *uid, struct iam_error *err)
{
	if (uid[0] == '\0' || iam_uid_valid(str_c(uid)))
		return IAM_OK;
	return iam_error_set(err, IAM_CONFIG,
		"%s: not a user id (1 to %d of a-z A-Z 0-9 - _ @ . and not \"anonymous\")",
		option, IAM_UID_MAX_BYTES);
}

/* A path on the origin that the browser is at: "/x", but neither "//host" nor "/\\host". */
static enum iam_err check_login_page(const struct config *c, struct iam_error *err)
{
	const char *p = c->login_page;
	bool ok = p[0] == '/' && p[1] != '/';

	for (; ok && *p != '\0'; p++)
		ok = *p > ' ' && *p < 0x7f && *p != '\\' && *p != '"';
	if (ok)
		return IAM_OK;
	return iam_error_set(err, IAM_CONFIG,
		"login_page: must be a path that begins with one '/', in ASCII without "
		"blanks, '\\' or '\"'");
}

/* What discovery puts paths behind. */
static enum iam_err check_public_url(const char *url, struct iam_error *err)
{
	struct str s = str_c(url);
	size_t scheme = str_starts(s, STR("https://")) ? 8
		: str_starts(s, STR("http://"))        ? 7
						       : 0;
	bool ok = scheme > 0 && s.len > scheme && url[scheme] != '/' &&
		url[s.len - 1] != '/';

	for (size_t i = 0; i < s.len; i++)
		ok = ok && url[i] > ' ' && url[i] < 0x7f &&
			strchr("?#@\\\"<>", url[i]) == NULL;
	if (ok || s.len == 0)
		return IAM_OK;
	return iam_error_set(err, IAM_CONFIG,
		"public_url: must be https://HOST[:PORT][/PATH] (or http://), in ASCII, "
		"without query, fragment, user name or a '/' at the end");
}

enum iam_err config_check(const struct config *c, struct iam_error *err)
{
	enum iam_err e = check_listen(c, err);

	if (e == IAM_OK && c->metrics_listen[0] != '\0')
		e = check_endpoint(str_trim(str_c(c->metrics_listen)), "metrics_listen",
			c->api_access == API_GATEWAY, err);
	if (e == IAM_OK)
		e = check_proxies(c, err);
	if (e == IAM_OK)
		e = check_pairs(c, err);
	if (e == IAM_OK)
		e = check_login_page(c, err);
	if (e == IAM_OK)
		e = check_public_url(c->public_url, err);
	if (e == IAM_OK)
		e = authzen_actions_check(c->authzen_actions, err);
	if (e == IAM_OK)
		e = check_uid("superuser_username", c->superuser_username, err);
	if (e == IAM_OK)
		e = check_uid("superuser_service_account_uid",
			c->superuser_service_account_uid, err);
	if (e == IAM_OK && c->signing_key_bits != 2048 && c->signing_key_bits != 3072 &&
		c->signing_key_bits != 4096)
		e = iam_error_set(err, IAM_CONFIG,
			"signing_key_bits: must be 2048, 3072 or 4096");
	return e;
}

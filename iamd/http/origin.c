/*
 * origin - where a request comes from: which page, which address, which scheme.
 *
 * Does: the cross-site rule, the client's address behind trusted proxies, lists of
 * networks.
 * Does not: look names up, or trust a forwarding header from anybody who is not in the
 * list.
 * Invariant: addresses are compared as 16 bytes; IPv4 is held in its mapped form (RFC
 * 4291 section 2.5.5.2), so "::ffff:10.0.0.1" and "10.0.0.1" are the same address.
 */
#include "iamd/http/origin.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libacl/base/steal.h"

/* LIMIT: networks in one list. */
#define NETWORKS_MAX 64

struct network {
	unsigned char address[16];
	unsigned bits;
};

struct proxy_list {
	bool has_unix;
	unsigned n;
	struct network networks[NETWORKS_MAX];
};

/*
 * "10.1.2.3" or "::1" to 16 bytes; *ret_bits: the width the text itself has (32 or 128).
 */
static bool parse_address(struct str text, unsigned char address[16], unsigned *ret_width)
{
	char buf[INET6_ADDRSTRLEN];

	if (text.len == 0 || text.len >= sizeof(buf))
		return false;
	memcpy(buf, text.ptr, text.len);
	buf[text.len] = '\0';
	*ret_width = 128;
	if (inet_pton(AF_INET6, buf, address) == 1)
		return true;
	*ret_width = 32;
	memset(address, 0, 10);
	memset(address + 10, 0xFF, 2);
	return inet_pton(AF_INET, buf, address + 12) == 1;
}

static bool parse_network(struct str item, struct network *ret)
{
	struct str bits = item;
	struct str address = str_split(&bits, '/');
	unsigned width;
	int64_t n;

	if (!parse_address(address, ret->address, &width))
		return false;
	n = width;
	if (bits.ptr != NULL && !str_to_i64(bits, 0, width, &n))
		return false;
	ret->bits = (unsigned)n + 128 - width;
	return true;
}

enum iam_err proxy_list_parse(const char *text, struct proxy_list **ret_list,
	struct iam_error *err)
{
	struct proxy_list *l = calloc(1, sizeof(*l));
	struct str rest = str_c(text);

	if (l == NULL)
		return iam_error_set(err, IAM_NO_MEMORY, "out of memory");
	while (rest.ptr != NULL) {
		struct str item = str_trim(str_split(&rest, ','));

		if (item.len == 0)
			continue;
		if (str_eq_c(item, "unix:")) {
			l->has_unix = true;
			continue;
		}
		if (l->n == NETWORKS_MAX || !parse_network(item, &l->networks[l->n])) {
			proxy_list_free(l);
			return iam_error_set(err, IAM_CONFIG,
				"trusted_proxies: '%.*s' is no address, network or \"unix:\""
				" (or there are more than %d)",
				STR_FMT(item), NETWORKS_MAX);
		}
		l->n++;
	}
	*ret_list = STEAL(l);
	return IAM_OK;
}

void proxy_list_free(struct proxy_list *l)
{
	free(l);
}

static bool in_network(const struct network *n, const unsigned char address[16])
{
	unsigned bytes = n->bits / 8;
	unsigned rest = n->bits % 8;
	unsigned char mask = (unsigned char)(0xFF00U >> rest);

	if (memcmp(n->address, address, bytes) != 0)
		return false;
	return rest == 0 || (n->address[bytes] & mask) == (address[bytes] & mask);
}

static bool has_address(const struct proxy_list *l, const unsigned char address[16])
{
	for (unsigned i = 0; i < l->n; i++)
		if (in_network(&l->networks[i], address))
			return true;
	return false;
}

bool proxy_list_has(const struct proxy_list *l, bool is_unix, const char *ip)
{
	unsigned char address[16];
	unsigned width;

	if (l == NULL)
		return false;
	if (is_unix)
		return l->has_unix;
	return parse_address(str_c(ip), address, &width) && has_address(l, address);
}

bool origin_is_tls(const struct req *r)
{
	struct str proto;

	if (r->tls)
		return true;
	if (!r->peer_is_trusted)
		return false;
	/* of several, the last was added by the proxy we trust */
	proto = req_header(r, "X-Forwarded-Proto");
	while (str_find(proto, ',') >= 0)
		(void)str_split(&proto, ',');
	return str_ieq_c(str_trim(proto), "https");
}

/* "host" and "host:<default port>" are the same origin. */
static struct str without_default_port(struct str host, bool tls)
{
	struct str port = tls ? STR(":443") : STR(":80");

	return str_ends(host, port) ? str_sub(host, 0, host.len - port.len) : host;
}

static bool origin_is_ours(const struct req *r)
{
	bool tls = origin_is_tls(r);
	struct str scheme = tls ? STR("https://") : STR("http://");
	struct str origin = req_header(r, "Origin");
	struct str host = req_header(r, "Host");

	if (req_header_count(r, "Origin") != 1 || req_header_count(r, "Host") != 1)
		return false;
	if (!str_ieq(str_sub(origin, 0, scheme.len), scheme))
		return false;
	origin = str_sub(origin, scheme.len, origin.len);
	return host.len > 0 &&
		str_ieq(without_default_port(origin, tls),
			without_default_port(host, tls));
}

bool origin_is_own(const struct req *r)
{
	unsigned sites = req_header_count(r, "Sec-Fetch-Site");
	struct str site = req_header(r, "Sec-Fetch-Site");

	if (sites == 1 && (str_ieq_c(site, "same-origin") || str_ieq_c(site, "none")))
		return true;
	if (sites == 0 && req_header_count(r, "Origin") == 0)
		return true;
	return origin_is_ours(r);
}

bool origin_says_foreign(const struct req *r)
{
	struct str site = req_header(r, "Sec-Fetch-Site");

	return str_ieq_c(site, "cross-site") || str_ieq_c(site, "same-site");
}

/* The last comma-separated hop is returned and cut off *list. */
static struct str last_hop(struct str *list)
{
	size_t at = list->len;
	struct str hop;

	while (at > 0 && list->ptr[at - 1] != ',')
		at--;
	hop = str_trim(str_sub(*list, at, list->len));
	*list = at == 0 ? STR_NONE : str_sub(*list, 0, at - 1);
	return hop;
}

void origin_resolve_client(struct req *r, const struct proxy_list *trusted)
{
	struct str hops = req_header(r, "X-Forwarded-For");
	unsigned char address[16];
	unsigned width;

	r->client_ip[0] = '\0';
	if (!r->peer_is_trusted || trusted == NULL ||
		req_header_count(r, "X-Forwarded-For") != 1)
		return;
	while (hops.ptr != NULL) {
		struct str hop = last_hop(&hops);

		/* beyond something that is no address nothing can be believed */
		if (!parse_address(hop, address, &width))
			return;
		(void)snprintf(r->client_ip, sizeof(r->client_ip), "%.*s", STR_FMT(hop));
		if (!has_address(trusted, address))
			return;
	}
}

struct str origin_client_ip(struct req *r)
{
	return str_c(r->client_ip[0] != '\0' ? r->client_ip : r->peer_ip);
}

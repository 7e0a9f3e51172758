/*
 * fuzz_sanitize - a whole request head: what passes has one reading.
 *
 * The input is lines: the target, then "Name: value" each; a first byte of '0' makes it HTTP/1.0.
 * Properties of what passes, checked by other code than the sanitizer's: at most one length, of
 * digits; not both framings; one Host; no control characters; a path that begins with '/'. The
 * origin rule and the forwarded address must survive everything that passes.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "iamd/http/cookie.h"
#include "iamd/http/origin.h"
#include "iamd/http/sanitize.h"

#define INPUT_MAX ((size_t)64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_bytes(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		assert((unsigned char)s.ptr[i] >= 0x20 || s.ptr[i] == '\t');
}

static void check_passed(const struct req *r)
{
	struct str length = req_header(r, "content-length");
	struct str coding = req_header(r, "transfer-encoding");
	int64_t n;

	assert(r->path.len > 0 && r->path.ptr[0] == '/');
	assert(r->path.len + r->query.len <= SANITIZE_TARGET_MAX);
	assert(str_find(r->path, '\0') < 0 && str_find(r->path, ' ') < 0);
	assert(req_header_count(r, "content-length") <= 1);
	assert(length.ptr == NULL || str_to_i64(length, 0, INT64_MAX, &n));
	assert(length.ptr == NULL || coding.ptr == NULL);
	assert(coding.ptr == NULL || str_ieq_c(coding, "chunked"));
	assert(coding.ptr == NULL || !r->http10);
	assert(req_header_count(r, "host") <= 1);
	assert(r->http10 || req_header_count(r, "host") == 1);
	for (unsigned i = 0; i < r->n_headers; i++) {
		check_bytes(r->headers[i].value);
		assert(str_find(r->headers[i].name, ' ') < 0);
		assert(r->headers[i].name.len > 0);
	}
}

static void check_origin(struct req *r)
{
	unsigned char address[16];
	struct proxy_list *trusted;
	bool is_foreign = origin_says_foreign(r);

	/* a browser that says another site made it cannot also have sent our own Origin */
	if (is_foreign && req_header_count(r, "origin") == 0)
		assert(!origin_is_own(r));
	if (proxy_list_parse("10.0.0.0/8", &trusted, NULL) != IAM_OK)
		return;
	r->peer_is_trusted = true;
	origin_resolve_client(r, trusted);
	if (r->client_ip[0] != '\0')
		assert(inet_pton(AF_INET, r->client_ip, address) == 1 ||
			inet_pton(AF_INET6, r->client_ip, address) == 1);
	(void)origin_is_tls(r);
	req_adopt_id(r);
	assert(strlen(r->id) >= 8 && strlen(r->id) <= 32);
	(void)cookie_find(req_header(r, "cookie"), COOKIE_AUTH);
	proxy_list_free(trusted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = {(const char *)data, size < INPUT_MAX ? size : INPUT_MAX};
	bool http10 = rest.len > 0 && rest.ptr[0] == '0';
	struct req *r;
	const char *why = NULL;
	unsigned status;

	if (http10)
		rest = str_sub(rest, 1, rest.len);
	r = req_new(HTTP_GET, STR("GET"), str_split(&rest, '\n'));
	if (r == NULL)
		return 0;
	r->http10 = http10;
	while (rest.ptr != NULL && r->n_headers < REQ_HEADERS_MAX) {
		struct str value = str_split(&rest, '\n');
		struct str name = str_split(&value, ':');

		r->headers[r->n_headers++] = (struct req_header){name,
			value.ptr == NULL ? STR("") : str_trim(value)};
	}
	status = sanitize_request(r, &why);
	assert(status == 0 || status == 400 || status == 414 || status == 431);
	assert((status == 0) == (why == NULL));
	if (status == 0) {
		check_passed(r);
		check_origin(r);
	}
	req_free(r);
	return 0;
}

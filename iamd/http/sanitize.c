/*
 * sanitize - refuses requests that two HTTP parsers could read in two ways.
 *
 * Does: RFC 9112 sections 3.2, 5.1, 6.1-6.3 for what the HTTP library accepts but must
 * not.
 * Does not: match routes, decode, or look at bodies.
 * Invariant: nothing is repaired; a request is fine as it stands or it is refused and the
 * connection closed, because what follows on it cannot be trusted.
 */
#include "iamd/http/sanitize.h"

#include <string.h>

static unsigned refuse(unsigned status, const char **ret_why, const char *why)
{
	*ret_why = why;
	return status;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7F;
}

/*
 * RFC 9110 section 5.6.2: letters, digits and !#$%&'*+-.^_`|~, a bit each. A table, because every
 * byte of every field name is asked for.
 */
static const uint32_t token_bits[8] = {0, 0x03FF6CFA, 0xC7FFFFFE, 0x57FFFFFF};

static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if ((token_bits[c / 32] >> c % 32 & 1) == 0)
			return false;
	}
	return s.len > 0;
}

/*
 * A malformed escape in the path is refused; in the query it only makes that parameter
 * absent, for unknown parameters must be ignored. NUL is refused in both.
 */
static const char *check_escapes(struct str s, bool strict)
{
	for (size_t i = 0; i < s.len; i++) {
		bool is_escape;

		if (is_control(s.ptr[i]) || s.ptr[i] == ' ')
			return "control character in the target";
		if (s.ptr[i] != '%')
			continue;
		is_escape = s.len - i > 2 && is_hex(s.ptr[i + 1]) && is_hex(s.ptr[i + 2]);
		if (!is_escape && strict)
			return "bad percent escape in the path";
		if (is_escape && s.ptr[i + 1] == '0' && s.ptr[i + 2] == '0')
			return "encoded NUL in the target";
	}
	return NULL;
}

static unsigned check_target(const struct req *r, const char **ret_why)
{
	const char *why;

	if (r->path.len + r->query.len > SANITIZE_TARGET_MAX)
		return refuse(414, ret_why, "target too long");
	if (r->path.len == 0 || r->path.ptr[0] != '/')
		return refuse(400, ret_why, "target does not begin with '/'");
	why = check_escapes(r->path, true);
	if (why == NULL)
		why = check_escapes(r->query, false);
	return why == NULL ? 0 : refuse(400, ret_why, why);
}

/* A tab is fine. No early end, so that the compiler takes many bytes at once: tokens are long. */
static bool has_control(struct str value)
{
	unsigned char any = 0;

	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];

		any |= (unsigned char)(((c < ' ') & (c != '\t')) | (c == 0x7f));
	}
	return any != 0;
}

static unsigned check_fields(const struct req *r, const char **ret_why)
{
	size_t sum = 0;

	for (unsigned i = 0; i < r->n_headers; i++) {
		struct str value = r->headers[i].value;

		sum += r->headers[i].name.len + value.len;
		if (!is_token(r->headers[i].name))
			return refuse(400, ret_why, "field name is no token");
		if (has_control(value))
			return refuse(400, ret_why, "control character in a field value");
	}
	if (sum > SANITIZE_HEADERS_MAX)
		return refuse(431, ret_why, "header fields too large");
	return 0;
}

static bool is_length(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
	/* 18 digits never overflow a signed 64-bit number */
	return s.len > 0 && s.len <= 18;
}

static unsigned check_framing(const struct req *r, const char **ret_why)
{
	unsigned lengths = req_header_count(r, "Content-Length");
	unsigned codings = req_header_count(r, "Transfer-Encoding");

	if (lengths > 1)
		return refuse(400, ret_why, "several Content-Lengths");
	if (lengths == 1 && !is_length(req_header(r, "Content-Length")))
		return refuse(400, ret_why, "odd Content-Length");
	if (codings == 0)
		return 0;
	if (lengths == 1)
		return refuse(400, ret_why, "Content-Length with Transfer-Encoding");
	if (codings > 1 || r->http10 ||
		!str_ieq(req_header(r, "Transfer-Encoding"), STR("chunked")))
		return refuse(400, ret_why, "odd Transfer-Encoding");
	return 0;
}

/*
 * Loose on names, strict on what could end or change an authority (RFC 3986 section 3.2).
 */
static bool is_authority(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] <= ' ' ||
			strchr("/?#@\\,\"<>^`{|}", s.ptr[i]) != NULL)
			return false;
	return s.len > 0;
}

static unsigned check_host(const struct req *r, const char **ret_why)
{
	unsigned hosts = req_header_count(r, "Host");

	if (hosts > 1)
		return refuse(400, ret_why, "several Hosts");
	if (hosts == 0)
		return r->http10 ? 0 : refuse(400, ret_why, "no Host");
	if (!is_authority(req_header(r, "Host")))
		return refuse(400, ret_why, "odd Host");
	return 0;
}

unsigned sanitize_request(const struct req *r, const char **ret_why)
{
	unsigned status = check_target(r, ret_why);

	if (status == 0)
		status = check_fields(r, ret_why);
	if (status == 0)
		status = check_framing(r, ret_why);
	if (status == 0)
		status = check_host(r, ret_why);
	return status;
}

const char *sanitize_next_line(const char *name, size_t name_len, const char *value,
	size_t value_len)
{
	const char *at = name + name_len;

	/* a folded line's text is appended to a copy of the name, which lies elsewhere */
	if (value <= at || *at++ != '\0')
		return NULL;
	while (at < value && (*at == ' ' || *at == '\t'))
		at++;
	if (at != value || value[value_len] != '\0' || value[value_len + 1] != '\0')
		return NULL;
	return value + value_len + 2;
}

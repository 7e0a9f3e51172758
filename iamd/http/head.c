/*
 * head - copies header fields, and checks that they stood in plain lines.
 *
 * Does: copies into the request's arena (a cancelled request outlives the library's memory of
 * it), the number of fields, trailing blanks.
 * Does not: judge what the fields say; sanitize does.
 * Invariant: it reads no byte behind the end of a line that the library has parsed.
 */
#include "iamd/http/head.h"

#include <string.h>

#include "iamd/http/sanitize.h"

static void refuse(struct head *h, unsigned status, const char *why)
{
	h->status = status;
	h->why = why;
}

void head_begin(struct head *h, struct req *r, const char *version, bool lines_in_place)
{
	*h = (struct head){.req = r};
	if (lines_in_place)
		h->next = version + strlen("HTTP/1.x") + strlen("\r\n");
}

static bool is_next_line(struct head *h, const char *name, size_t name_len,
	const char *value, size_t value_len)
{
	if (h->next == NULL)
		return true;
	if (value == NULL || name != h->next)
		return false;
	h->next = sanitize_next_line(name, name_len, value, value_len);
	return h->next != NULL;
}

/* Of the framing fields every byte counts, as the library does not trim them either. */
static struct str trimmed(struct str name, struct str value)
{
	if (str_ieq_c(name, "Content-Length") || str_ieq_c(name, "Transfer-Encoding"))
		return value;
	while (value.len > 0 &&
		(value.ptr[value.len - 1] == ' ' || value.ptr[value.len - 1] == '\t'))
		value.len--;
	return value;
}

bool head_add(struct head *h, const char *name, size_t name_len, const char *value,
	size_t value_len)
{
	struct req *r = h->req;
	struct str n = arena_str(r->arena, (struct str){.ptr = name, .len = name_len});
	struct str v = STR("");

	if (value != NULL)
		v = arena_str(r->arena, (struct str){.ptr = value, .len = value_len});
	h->failed = n.ptr == NULL || v.ptr == NULL;
	if (r->n_headers == REQ_HEADERS_MAX)
		refuse(h, 431, "too many header fields");
	else if (!is_next_line(h, name, name_len, value, value_len))
		refuse(h, 400, "a header line is folded, cut or not ended by CRLF");
	if (h->failed || h->status != 0)
		return false;
	r->headers[r->n_headers++] =
		(struct req_header){.name = n, .value = trimmed(n, v)};
	return true;
}

void head_end(struct head *h)
{
	if (h->failed || h->status != 0 || h->next == NULL)
		return;
	if (h->next[0] != '\0' || h->next[1] != '\0')
		refuse(h, 400, "a header line without a name");
}

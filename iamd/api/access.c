/*
 * access - the access log line of a finished request.
 *
 * `<X-Forwarded-For or peer> [time] "REQUEST" status bytes "referer" "user-agent" (secs s) id`: the
 * form operators know, with the request id at its end. Everything a client sent is escaped.
 */
#include "iamd/api/access.h"

#include "iamd/http/origin.h"
#include "iamd/sys/clock.h"
#include "iamd/sys/log.h"

/* LIMIT: of one quoted value; longer ones are cut. */
#define VALUE_MAX 512

/* At most VALUE_MAX bytes of s, so that nothing of them can end the value or the line. */
static void add_escaped(struct sb *sb, struct str s)
{
	size_t n = s.len > VALUE_MAX ? VALUE_MAX : s.len;
	size_t from = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c >= ' ' && c < 0x7f && c != '"' && c != '\\')
			continue;
		sb_add(sb, str_sub(s, from, i));
		sb_addf(sb, "\\x%02x", c);
		from = i + 1;
	}
	sb_add(sb, str_sub(s, from, n));
}

static void add_quoted(struct sb *sb, struct str s)
{
	if (s.ptr == NULL) {
		sb_add_c(sb, "\"-\"");
		return;
	}
	sb_add_char(sb, '"');
	add_escaped(sb, s);
	sb_add_char(sb, '"');
}

static void add_seconds(struct sb *sb, int64_t us)
{
	char fraction[6];

	sb_add_int(sb, us / 1000000);
	us %= 1000000;
	for (unsigned i = sizeof fraction; i-- > 0; us /= 10)
		fraction[i] = (char)('0' + us % 10);
	sb_add_char(sb, '.');
	sb_add(sb, (struct str){fraction, sizeof fraction});
}

/* One a request: no formatted output here, it was a twelfth of a cached answer's CPU time. */
void access_log_request(struct req *r, const struct resp *out, int64_t sent_bytes,
	int64_t took_us)
{
	struct sb sb;
	char when[32];

	if (!access_log_enabled())
		return;
	sb_init(&sb, r->arena, 8192);
	clock_iso_us(clock_now_us(), when, sizeof when);
	sb_add(&sb, origin_client_ip(r));
	sb_add_c(&sb, " [");
	sb_add_c(&sb, when);
	sb_add_c(&sb, "] \"");
	add_escaped(&sb, r->method_text);
	sb_add_char(&sb, ' ');
	add_escaped(&sb, r->path);
	sb_add_c(&sb, r->http10 ? " HTTP/1.0\" " : " HTTP/1.1\" ");
	sb_add_int(&sb, out->status);
	sb_add_char(&sb, ' ');
	sb_add_int(&sb, sent_bytes);
	sb_add_char(&sb, ' ');
	add_quoted(&sb, req_header(r, "Referer"));
	sb_add_char(&sb, ' ');
	add_quoted(&sb, req_header(r, "User-Agent"));
	sb_add_c(&sb, " (");
	add_seconds(&sb, took_us);
	sb_add_c(&sb, " s) ");
	sb_add_c(&sb, r->id);
	if (!sb.failed)
		access_log_add(sb_str(&sb));
}

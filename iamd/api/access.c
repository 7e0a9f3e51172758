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

static void add_quoted(struct sb *sb, struct str s)
{
	size_t n = s.len > VALUE_MAX ? VALUE_MAX : s.len;
	size_t from = 0;

	if (s.ptr == NULL) {
		sb_add_c(sb, "\"-\"");
		return;
	}
	sb_add_char(sb, '"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c >= ' ' && c < 0x7f && c != '"' && c != '\\')
			continue;
		sb_add(sb, str_sub(s, from, i));
		sb_addf(sb, "\\x%02x", c);
		from = i + 1;
	}
	sb_add(sb, str_sub(s, from, n));
	sb_add_char(sb, '"');
}

void access_log_request(struct req *r, const struct resp *out, int64_t sent_bytes,
	int64_t took_us)
{
	struct sb sb;
	char when[32];
	struct str target;

	if (!access_log_enabled())
		return;
	sb_init(&sb, r->arena, 8192);
	clock_iso_us(clock_now_us(), when, sizeof when);
	sb_add(&sb, origin_client_ip(r));
	sb_addf(&sb, " [%s] ", when);
	target = arena_fmt(r->arena, "%.*s %.*s %s", STR_FMT(r->method_text),
		STR_FMT(r->path), r->http10 ? "HTTP/1.0" : "HTTP/1.1");
	add_quoted(&sb, target);
	sb_addf(&sb, " %u %lld ", out->status, (long long)sent_bytes);
	add_quoted(&sb, req_header(r, "Referer"));
	sb_add_char(&sb, ' ');
	add_quoted(&sb, req_header(r, "User-Agent"));
	sb_addf(&sb, " (%lld.%06lld s) %s", (long long)(took_us / 1000000),
		(long long)(took_us % 1000000), r->id);
	if (!sb.failed)
		access_log_add(sb_str(&sb));
}

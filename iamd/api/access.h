/* access - the access log line of a finished request. Loop thread. Cheap: one line into the thread's buffer. */
#ifndef API_ACCESS_H
#define API_ACCESS_H

#include "iamd/http/resp.h"

void access_log_request(struct req *r, const struct resp *out, int64_t sent_bytes,
	int64_t took_us);

#endif

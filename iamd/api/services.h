/*
 * services - everything a handler works with, made once by app.c.
 *
 * Read-only after start; what changes (keys, configuration, permissions) is behind `publisher`.
 */
#ifndef API_SERVICES_H
#define API_SERVICES_H

#include <stdbool.h>
#include <stdint.h>

#include "iamd/audit/decisions.h"
#include "iamd/authz/publish.h"
#include "iamd/http/router.h"
#include "iamd/http/server.h"
#include "iamd/store/store.h"
#include "iamd/sys/lane.h"

struct await;
struct directories;
struct seal_key;
struct ldap_sync;

struct services {
	struct store *store;
	struct publisher *publisher;
	struct lanes *lanes;
	struct decision_log *decisions;
	struct router *router;
	struct await *await; /* who waits for a revision */
	struct directories *directories; /* the configured ones (authn/directories.h) */
	struct ldap_sync *sync;          /* brings accounts up to date with them */
	const struct seal_key *seal;     /* what secrets are stored under */
	struct server
		*server; /* set once it runs; handlers do not use it but for /metrics */
	bool gateway;    /* api_access = gateway */
	const char *state_dir;
	bool (*is_draining)(const struct services *svc);
	struct app *app;
};

#endif

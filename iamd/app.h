/*
 * app - the composition root: makes every module, in order, and takes them down again.
 *
 * Only main.c, app.c and app_loop.c know all modules.
 */
#ifndef IAMD_APP_H
#define IAMD_APP_H

#include <pthread.h>
#include <stdbool.h>

#include "iamd/api/services.h"
#include "iamd/authn/ldap_sync.h"
#include "iamd/config.h"

struct app_options {
	const char *config_path;      /* NULL: defaults and environment only */
	const char *const *overrides; /* "name=value", from --set */
	unsigned n_overrides;
};

struct app {
	struct app_options options;
	struct services svc;
	struct keyring *keyring; /* until the publisher has it */
	struct config *config;   /* the same */
	struct seal_key *seal;
	struct sync_io sync_io; /* how the synchronisation reaches the lanes */
	unsigned long maintenance;
	bool has_maintenance;
	pthread_mutex_t stop_mutex; /* guards the two flags and stop_wake */
	pthread_cond_t stop_wake;
	bool is_stopping; /* the maintenance thread shall end */
	bool is_draining; /* /health/ready says so */
};

/* Reads and checks the configuration of the options. */
MUST_CHECK enum iam_err app_config(const struct app_options *options,
	struct config **ret_config, struct iam_error *err);

/* Where the keys are by this configuration; strings are static buffers of *ret_paths. */
struct app_key_paths {
	char signing[4096];
	char former[4096];
};
void app_keyring_settings(const struct config *c, struct app_key_paths *ret_paths,
	struct keyring_settings *ret_settings);

/* Everything up to a running server. On error all is taken down again. */
MUST_CHECK enum iam_err app_start(struct app *a, const struct app_options *options,
	struct iam_error *err);

/* Waits for signals and serves them until told to stop (app_loop.c). */
void app_wait(struct app *a);

/* Drains and takes everything down. */
void app_stop(struct app *a);

/* app_loop.c: the maintenance thread. */
MUST_CHECK enum iam_err app_maintenance_start(struct app *a);
void app_maintenance_stop(struct app *a);

#endif

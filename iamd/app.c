/*
 * app - the composition root; see app.h.
 *
 * Order matters: keys and store before the state that is published from them, that before the lanes
 * that change it, those before the server that feeds them; and down again in reverse.
 */
#include "iamd/app.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "iamd/api/audit_rows.h"
#include "iamd/api/await.h"
#include "iamd/api/lane_call.h"
#include "iamd/api/pipeline.h"
#include "iamd/api/routes.h"
#include "iamd/api/write_batch.h"
#include "iamd/authn/directories.h"
#include "iamd/authn/password.h"
#include "iamd/store/directories.h"
#include "iamd/sys/log.h"
#include "iamd/sys/notify.h"

/* LIMIT: jobs a lane may have queued, and one account of them where shares are given. */
#define WRITE_QUEUE_MAX 4096
#define HASH_QUEUE_MAX  256
#define HASH_SHARE_MAX  32
#define SLOW_QUEUE_MAX  1024
#define SLOW_SHARE_MAX  16
#define SLOW_THREADS    2
/*
 * LIMIT: who is asked at once over the network; of one directory, and of all imports together, a third,
 * so that neither a silent directory nor long imports nor both take what the others' callers need. A
 * job waits for its turn within its own deadline.
 */
#define NET_THREADS           12
#define NET_QUEUE_MAX         256
#define NET_SHARE_MAX         128
#define NET_SHARE_RUNNING_MAX (NET_THREADS / 3)
/* main, maintenance, and two to spare. */
#define OTHER_THREADS 4

enum iam_err app_config(const struct app_options *options, struct config **ret_config,
	struct iam_error *err)
{
	struct config *c = NULL;
	enum iam_err e = config_load(options->config_path, &c, err);

	for (unsigned i = 0; e == IAM_OK && i < options->n_overrides; i++)
		e = config_set(c, options->overrides[i], err);
	if (e == IAM_OK)
		e = config_check(c, err);
	if (e == IAM_OK)
		e = config_read_named_files(c, err);
	if (e != IAM_OK) {
		config_free(c);
		return e;
	}
	*ret_config = c;
	return IAM_OK;
}

void app_keyring_settings(const struct config *c, struct app_key_paths *ret_paths,
	struct keyring_settings *ret_settings)
{
	bool imported = c->signing_key_file[0] != '\0';

	(void)snprintf(ret_paths->former, sizeof ret_paths->former, "%s/keys",
		c->state_dir);
	if (imported)
		(void)snprintf(ret_paths->signing, sizeof ret_paths->signing, "%s",
			c->signing_key_file);
	else
		(void)snprintf(ret_paths->signing, sizeof ret_paths->signing,
			"%s/keys/signing.pem", c->state_dir);
	*ret_settings = (struct keyring_settings){
		.signing_key_file = ret_paths->signing,
		.may_create = !imported,
		.bits = (unsigned)c->signing_key_bits,
		.verification_key_files = c->verification_key_files,
		.former_keys_dir = ret_paths->former,
		.imported = imported,
	};
}

static enum iam_err make_state_dir(const char *path, struct iam_error *err)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return IAM_OK;
	return iam_error_set(err, IAM_IO,
		"state_dir: cannot make '%s': %s; make it, or choose another with state_dir",
		path, strerrordesc_np(errno));
}

/* ---- first accounts ---- */

/* The public key option: PEM text with \n for line ends, or a path. In *ret_pem, which the caller frees. */
static enum iam_err service_key_text(const char *value, char **ret_pem,
	struct iam_error *err)
{
	char *out;
	size_t n = 0;
	FILE *f;

	out = calloc(1, 8193);
	if (out == NULL)
		return IAM_NO_MEMORY;
	if (value[0] == '/') {
		f = fopen(value, "re");
		if (f != NULL) {
			n = fread(out, 1, 8192, f);
			(void)fclose(f);
		}
		if (n == 0) {
			free(out);
			return iam_error_set(err, IAM_CONFIG,
				"superuser_service_account_public_key: cannot read '%s'",
				value);
		}
	} else {
		for (const char *p = value; *p != '\0' && n < 8192; p++) {
			if (p[0] == '\\' && p[1] == 'n') {
				out[n++] = '\n';
				p++;
			} else {
				out[n++] = *p;
			}
		}
	}
	*ret_pem = out;
	return IAM_OK;
}

static enum iam_err check_service_key(const char *pem, struct iam_error *err)
{
	struct iam_error why = {IAM_OK, ""};
	struct jose_key *key = NULL;
	enum iam_err e = jose_key_from_public_pem(str_c(pem), &key, &why);

	jose_key_free(key);
	if (e == IAM_OK)
		return IAM_OK;
	return iam_error_set(err, IAM_CONFIG, "superuser_service_account_public_key: %s",
		why.text);
}

static enum iam_err bootstrap(struct app *a, struct iam_error *err)
{
	const struct config *c = a->config;
	struct bootstrap b = {STR_NONE, STR_NONE, STR_NONE, STR_NONE};
	struct iam_error why = {IAM_OK, ""};
	char *pem = NULL;
	enum iam_err e = IAM_OK;

	if (c->superuser_username[0] != '\0') {
		b.superuser_uid = str_c(c->superuser_username);
		b.superuser_password_hash = str_c(c->superuser_password_hash);
		if (password_hash_check(b.superuser_password_hash, &why) != IAM_OK)
			return iam_error_set(err, IAM_CONFIG,
				"superuser_password_hash: %s", why.text);
	}
	if (c->superuser_service_account_uid[0] != '\0') {
		e = service_key_text(c->superuser_service_account_public_key, &pem, err);
		if (e == IAM_OK)
			e = check_service_key(pem, err);
		b.service_uid = str_c(c->superuser_service_account_uid);
		b.service_public_key = str_c(pem);
	}
	if (e == IAM_OK)
		e = store_bootstrap(a->svc.store, &b, err);
	free(pem);
	if (e == IAM_OK)
		log_event(LOG_LEVEL_INFO, "store.created",
			LOG_CSTR("superuser", c->superuser_username),
			LOG_CSTR("service_account", c->superuser_service_account_uid));
	return e;
}

static enum iam_err open_store(struct app *a, struct iam_error *err)
{
	char path[4096];
	struct store_settings settings = {.path = path};
	struct iam_error why = {IAM_OK, ""};
	bool created = false;
	int64_t users = 0;
	enum iam_err e;

	if (a->config->database[0] != '\0')
		(void)snprintf(path, sizeof path, "%s", a->config->database);
	else
		(void)snprintf(path, sizeof path, "%s/iamd.db", a->config->state_dir);
	e = store_open(&settings, &a->svc.store, &created, &why);
	if (e != IAM_OK)
		return iam_error_set(err, e, "%s: %s", path,
			why.text[0] != '\0' ? why.text : iam_err_text(e));
	if (created)
		e = bootstrap(a, err);
	if (e == IAM_OK)
		e = store_user_count(store_writer(a->svc.store), &users);
	if (e != IAM_OK)
		return e;
	log_event(LOG_LEVEL_INFO, "store.open", LOG_CSTR("path", path),
		LOG_INT("users", users));
	if (users == 0 && !a->svc.gateway)
		log_event(LOG_LEVEL_WARNING, "store.no_account",
			LOG_CSTR("hint",
				"nobody can log in: set superuser_username and superuser_password_hash "
				"(iamd --hash-password makes one) and start with an empty state_dir"));
	return IAM_OK;
}

/* ---- directories ---- */

static bool is_sealed(const struct directory_row *row, void *ctx)
{
	bool *any = ctx;

	*any = *any || row->sealed.ptr != NULL;
	return !*any;
}

/* A key that something is sealed with is never made anew: it would only hide that it is gone. */
static enum iam_err load_master_key(struct app *a, const char *path, struct iam_error *err)
{
	bool sealed = false;
	bool named = a->config->master_key_file[0] != '\0';
	enum iam_err e =
		store_directory_each(store_writer(a->svc.store), is_sealed, &sealed);

	if (e == IAM_OK)
		e = seal_key_load(path, !named && !sealed, &a->seal, err);
	a->svc.seal = a->seal;
	return e;
}

static enum iam_err load_directories(struct app *a, struct iam_error *err)
{
	const struct config *c = a->config;
	struct iam_error why = {IAM_OK, ""};
	char path[4096];
	enum iam_err e;

	(void)snprintf(path, sizeof path, "%s%s",
		c->master_key_file[0] != '\0' ? c->master_key_file : c->state_dir,
		c->master_key_file[0] != '\0' ? "" : "/keys/master.key");
	e = load_master_key(a, path, err);
	if (e != IAM_OK)
		return e;
	e = directories_new(store_writer(a->svc.store), a->seal, &a->svc.directories, &why);
	return e == IAM_OK ? e
			   : iam_error_set(err, e, "%s; the master key is %s", why.text, path);
}

/* ---- lanes and server ---- */

static unsigned cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > 64 ? 64 : (unsigned)n;
}

static bool is_draining(const struct services *svc)
{
	struct app *a = svc->app;
	bool yes;

	(void)pthread_mutex_lock(&a->stop_mutex);
	yes = a->is_draining;
	(void)pthread_mutex_unlock(&a->stop_mutex);
	return yes;
}

static void server_settings(struct app *a, const struct config *c,
	struct server_settings *s)
{
	*s = (struct server_settings){
		.ops = &pipeline_ops,
		.svc = &a->svc,
		.lanes = a->svc.lanes,
		.listen = c->listen,
		.metrics_listen = c->metrics_listen,
		.tls_certificate_file = c->tls_certificate_file,
		.tls_key_file = c->tls_key_file,
		.loops = c->loops != 0 ? (unsigned)c->loops : cores(),
		.connection_limit = (unsigned)c->connection_limit,
		.connection_limit_per_address = (unsigned)c->connection_limit_per_address,
		.header_timeout_ms = c->header_timeout * 1000,
		.idle_timeout_ms = c->idle_timeout * 1000,
		.trusted_proxies = c->trusted_proxies,
		.local_only = a->svc.gateway,
		.n_passed_fds = notify_listen_fds(),
	};
}

static enum iam_err start_lanes(struct app *a, struct iam_error *err)
{
	const struct lane_config lanes[LANE_COUNT] = {
		[LANE_WRITE] = {.threads = 1,
			.queue_max = WRITE_QUEUE_MAX,
			.batch = write_batch,
			.batch_ctx = &a->svc},
		[LANE_HASH] = {.threads = cores(),
			.queue_max = HASH_QUEUE_MAX,
			.share_max = HASH_SHARE_MAX,
			.nice = true},
		[LANE_SLOW] = {.threads = SLOW_THREADS,
			.queue_max = SLOW_QUEUE_MAX,
			.share_max = SLOW_SHARE_MAX},
		[LANE_NET] = {.threads = NET_THREADS,
			.queue_max = NET_QUEUE_MAX,
			.share_max = NET_SHARE_MAX,
			.share_running_max = NET_SHARE_RUNNING_MAX},
	};

	a->svc.lanes = lanes_new(lanes);
	return a->svc.lanes != NULL
		? IAM_OK
		: iam_error_set(err, IAM_INTERNAL, "cannot start the worker threads");
}

static enum iam_err start_await(struct app *a, struct iam_error *err)
{
	PUBLISH_SCOPE(a->svc.publisher, scope);

	a->svc.await = await_new(scope.root->revision);
	return a->svc.await != NULL
		? IAM_OK
		: iam_error_set(err, IAM_INTERNAL, "cannot start the waiting thread");
}

static enum iam_err start_state(struct app *a, struct iam_error *err)
{
	struct app_key_paths paths;
	struct keyring_settings keys;
	struct server_settings server;
	unsigned threads;
	enum iam_err e;

	app_keyring_settings(a->config, &paths, &keys);
	e = keyring_load(&keys, &a->keyring, err);
	if (e != IAM_OK)
		return e;
	server_settings(a, a->config, &server);
	threads = server_thread_count(&server) + 1 + cores() + SLOW_THREADS +
		NET_THREADS + OTHER_THREADS;
	e = publisher_new(store_writer(a->svc.store), a->keyring, a->config, threads,
		&a->svc.publisher);
	if (e != IAM_OK)
		return iam_error_set(err, e, "cannot load the users and groups: %s",
			iam_err_text(e));
	a->keyring = NULL;
	return router_new(routes_table, routes_count, &a->svc.router, err);
}

static enum iam_err sync_write(void *ctx, enum iam_err (*fn)(struct db *w, void *arg),
	void *arg)
{
	return lane_call_write(ctx, fn, arg);
}

static enum iam_err sync_read(void *ctx, enum iam_err (*fn)(struct db *db, void *arg),
	void *arg)
{
	return lane_call_read(ctx, fn, arg);
}

static enum iam_err start_sync(struct app *a, struct iam_error *err)
{
	a->sync_io = (struct sync_io){
		.ctx = &a->svc, .write = sync_write, .read = sync_read};
	a->svc.sync = ldap_sync_new(a->svc.directories, &a->sync_io);
	return a->svc.sync != NULL
		? IAM_OK
		: iam_error_set(err, IAM_INTERNAL,
			  "cannot start the thread of the synchronisation");
}

static enum iam_err start_all(struct app *a, struct iam_error *err)
{
	const struct config *c = a->config;
	struct server_settings server;
	enum iam_err e = make_state_dir(c->state_dir, err);

	if (e == IAM_OK && !access_log_open(c->access_log))
		e = iam_error_set(err, IAM_CONFIG, "access_log: cannot open '%s'",
			c->access_log);
	if (e == IAM_OK)
		e = open_store(a, err);
	if (e == IAM_OK)
		e = load_directories(a, err);
	if (e == IAM_OK)
		e = start_state(a, err);
	if (e == IAM_OK)
		e = start_await(a, err);
	if (e == IAM_OK)
		e = start_lanes(a, err);
	if (e != IAM_OK)
		return e;
	a->svc.decisions = decision_log_new(&(struct decision_log_settings){
		.wants_allows = audit_wants_allows,
		.store = audit_rows_store,
		.ctx = &a->svc,
	});
	if (a->svc.decisions == NULL)
		return iam_error_set(err, IAM_INTERNAL,
			"cannot start the audit's thread");
	e = start_sync(a, err);
	if (e != IAM_OK)
		return e;
	server_settings(a, c, &server);
	e = server_start(&server, &a->svc.server, err);
	return e == IAM_OK ? app_maintenance_start(a) : e;
}

static void log_listening(const struct app *a)
{
	char address[256];

	for (unsigned i = 0; server_address(a->svc.server, i, address, sizeof address);
		i++)
		log_event(LOG_LEVEL_INFO, "server.listening",
			LOG_CSTR("address", address),
			LOG_CSTR("api_access", a->svc.gateway ? "gateway" : "enforce"));
}

enum iam_err app_start(struct app *a, const struct app_options *options,
	struct iam_error *err)
{
	enum iam_err e;

	*a = (struct app){.options = *options};
	(void)pthread_mutex_init(&a->stop_mutex, NULL);
	(void)pthread_cond_init(&a->stop_wake, NULL);
	e = app_config(options, &a->config, err);
	if (e != IAM_OK)
		return e;
	log_set_level((enum log_level)a->config->log_level);
	a->svc.app = a;
	a->svc.gateway = a->config->api_access == API_GATEWAY;
	a->svc.is_draining = is_draining;
	routes_name_metrics();
	e = start_all(a, err);
	if (e != IAM_OK) {
		app_stop(a);
		return e;
	}
	a->config = NULL; /* the publisher owns it */
	log_listening(a);
	(void)notify_send("READY=1");
	return IAM_OK;
}

static int64_t drain_timeout_ms(struct app *a)
{
	PUBLISH_SCOPE(a->svc.publisher, scope);

	return scope.root->config->drain_timeout * 1000;
}

void app_stop(struct app *a)
{
	(void)notify_send("STOPPING=1");
	(void)pthread_mutex_lock(&a->stop_mutex);
	a->is_draining = true;
	(void)pthread_mutex_unlock(&a->stop_mutex);
	if (a->svc.server != NULL)
		server_drain(a->svc.server, drain_timeout_ms(a));
	ldap_sync_stop(a->svc.sync);
	app_maintenance_stop(a);
	decision_log_stop(a->svc.decisions); /* its rows are the lanes' last work */
	if (a->svc.lanes != NULL)
		lanes_stop(a->svc.lanes);
	if (a->svc.await != NULL)
		await_stop(a->svc.await);
	if (a->svc.server != NULL)
		server_free(a->svc.server);
	ldap_sync_free(a->svc.sync);
	await_free(a->svc.await);
	decision_log_free(a->svc.decisions);
	lanes_free(a->svc.lanes); /* the loops, which submit to them, have ended */
	router_free(a->svc.router);
	directories_free(a->svc.directories); /* no lane and no loop holds one */
	seal_key_free(a->seal);
	if (a->svc.publisher != NULL) {
		publisher_free(
			a->svc.publisher); /* frees keyring and configuration too */
	} else {
		keyring_free(a->keyring);
		config_free(a->config);
	}
	if (a->svc.store != NULL)
		store_close(a->svc.store);
	access_log_close();
	(void)pthread_cond_destroy(&a->stop_wake);
	(void)pthread_mutex_destroy(&a->stop_mutex);
}

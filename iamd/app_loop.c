/*
 * app_loop - what happens while the daemon runs: signals, reload, and the maintenance thread.
 *
 * Signals are blocked in every thread and taken by sigwait() in the main one, so no handler ever runs.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "iamd/api/write_batch.h"
#include "iamd/app.h"
#include "iamd/authn/directories.h"
#include "iamd/sys/clock.h"
#include "iamd/sys/log.h"
#include "iamd/sys/metrics.h"
#include "iamd/sys/notify.h"
#include "iamd/sys/thread.h"

/* How often slow clients are looked for, logs flushed, and the database tended. */
#define SWEEP_MS 250
#define FLUSH_MS 1000
#define TEND_MS  60000

/* ---- maintenance ---- */

/* Waits; true when the thread shall end. */
static bool wait_or_stop(struct app *a, int64_t ms)
{
	struct timespec until;
	bool stop;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	(void)pthread_mutex_lock(&a->stop_mutex);
	if (!a->is_stopping)
		(void)pthread_cond_timedwait(&a->stop_wake, &a->stop_mutex, &until);
	stop = a->is_stopping;
	(void)pthread_mutex_unlock(&a->stop_mutex);
	return stop;
}

static void *maintenance(void *arg)
{
	struct app *a = arg;
	int64_t watchdog_ms = (int64_t)(notify_watchdog_us() / 2000);
	int64_t flushed = 0, tended = clock_mono_ms(), pinged = 0;

	while (!wait_or_stop(a, SWEEP_MS)) {
		int64_t now = clock_mono_ms();

		metrics_count(METRIC_CONNECTIONS_CUT, server_sweep(a->svc.server));
		(void)publish_reclaim(a->svc.publisher);
		if (now - flushed >= FLUSH_MS) {
			access_log_flush_all();
			directories_tend(a->svc.directories);
			flushed = now;
		}
		if (now - tended >= TEND_MS) {
			write_maintenance(&a->svc);
			tended = now;
		}
		if (watchdog_ms > 0 && now - pinged >= watchdog_ms) {
			(void)notify_send("WATCHDOG=1");
			pinged = now;
		}
	}
	return NULL;
}

enum iam_err app_maintenance_start(struct app *a)
{
	a->has_maintenance = thread_start(&a->maintenance, "maintenance", maintenance, a);
	return a->has_maintenance ? IAM_OK : IAM_INTERNAL;
}

void app_maintenance_stop(struct app *a)
{
	if (!a->has_maintenance)
		return;
	(void)pthread_mutex_lock(&a->stop_mutex);
	a->is_stopping = true;
	(void)pthread_cond_signal(&a->stop_wake);
	(void)pthread_mutex_unlock(&a->stop_mutex);
	thread_join(a->maintenance);
	a->has_maintenance = false;
}

/* ---- reload ---- */

/* What a failed reload has switched already goes back to the running configuration. */
static void switch_back(struct app *a, const struct config *running)
{
	(void)access_log_open(running->access_log);
	if (server_reload_proxies(a->svc.server, running->trusted_proxies, NULL) !=
		IAM_OK)
		log_event(LOG_LEVEL_ERROR, "config.switch_back",
			LOG_CSTR("option", "trusted_proxies"));
}

/*
 * What the server and the log hold of a configuration. The certificate comes last: of what can fail
 * it is the one that cannot be read again as it was.
 */
static enum iam_err switch_to(struct app *a, const struct config *fresh,
	struct iam_error *err)
{
	enum iam_err e;

	if (!access_log_open(fresh->access_log))
		return iam_error_set(err, IAM_CONFIG, "access_log: cannot open '%s'",
			fresh->access_log);
	e = server_reload_proxies(a->svc.server, fresh->trusted_proxies, err);
	if (e != IAM_OK)
		return e;
	return server_reload_tls(a->svc.server, fresh->tls_certificate_file,
		fresh->tls_key_file, err);
}

static enum iam_err load(struct app *a, const struct config *running,
	struct config **ret_fresh, struct keyring **ret_keyring, struct iam_error *err)
{
	struct app_key_paths paths;
	struct keyring_settings keys;
	enum iam_err e = app_config(&a->options, ret_fresh, err);

	if (e == IAM_OK)
		e = config_merge(running, *ret_fresh);
	if (e != IAM_OK)
		return e;
	app_keyring_settings(*ret_fresh, &paths, &keys);
	keys.may_create = false;
	return keyring_load(&keys, ret_keyring, err);
}

/* All or nothing: either everything is of the new configuration afterwards, or nothing is. */
static enum iam_err reload(struct app *a, struct iam_error *err)
{
	PUBLISH_SCOPE(a->svc.publisher, scope);
	const struct config *running = scope.root->config;
	struct keyring *keyring = NULL;
	struct config *fresh = NULL;
	enum iam_err e = load(a, running, &fresh, &keyring, err);

	if (e == IAM_OK) {
		enum log_level level = (enum log_level)fresh->log_level;

		e = switch_to(a, fresh, err);
		if (e == IAM_OK)
			e = publish_reload(a->svc.publisher, keyring, fresh);
		if (e == IAM_OK)
			log_set_level(level);
		else
			switch_back(a, running);
	}
	if (e != IAM_OK) {
		keyring_free(keyring);
		config_free(fresh);
	}
	return e;
}

static void reload_and_say(struct app *a)
{
	struct iam_error err = {IAM_OK, ""};
	enum iam_err e;

	(void)notify_send("RELOADING=1");
	e = reload(a, &err);
	if (e == IAM_OK)
		log_event(LOG_LEVEL_INFO, "config.reloaded", LOG_INT("ok", 1));
	else
		log_event(LOG_LEVEL_ERROR, "config.reload_failed",
			LOG_CSTR("error",
				err.text[0] != '\0' ? err.text : iam_err_text(e)),
			LOG_CSTR("kept", "the running configuration"));
	(void)notify_send("READY=1");
}

void app_wait(struct app *a)
{
	sigset_t set;
	int sig = 0;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGQUIT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGUSR1);
	for (;;) {
		if (sigwait(&set, &sig) != 0)
			continue;
		if (sig == SIGHUP)
			reload_and_say(a);
		else if (sig == SIGUSR1)
			(void)access_log_reopen();
		else
			break;
	}
	log_event(LOG_LEVEL_INFO, "app.stopping", LOG_INT("signal", sig));
}

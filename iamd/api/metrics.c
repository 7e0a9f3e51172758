/* metrics - counters, histograms and the gauges of the moment, in the Prometheus text format. */
#include "iamd/sys/metrics.h"

#include <stdio.h>

#include "iamd/api/handlers.h"
#include "iamd/api/services.h"
#include "iamd/authz/sessions.h"

static void add_lanes(struct sb *sb, const struct lanes *lanes)
{
	static const struct {
		enum lane_id id;
		const char *label;
	} names[] = {
		{LANE_WRITE, "lane=\"write\""},
		{LANE_HASH, "lane=\"hash\""},
		{LANE_SLOW, "lane=\"slow\""},
		{LANE_NET, "lane=\"net\""},
	};

	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
		metrics_gauge(sb, "iamd_lane_jobs", names[i].label,
			i == 0 ? "Jobs queued or running on a lane." : NULL,
			(double)lane_depth(lanes, names[i].id));
}

enum iam_err api_metrics(struct req *r, struct resp *out)
{
	struct sb *sb = &r->out_heap;

	/* LIMIT: routes times statuses and buckets, a line each. */
	sb_init_heap(sb, (size_t)4 << 20);
	metrics_render(sb);
	add_lanes(sb, r->svc->lanes);
	{
		PUBLISH_SCOPE(r->svc->publisher, scope);
		metrics_gauge(sb, "iamd_users", NULL, "Users and service accounts.",
			(double)sessions_count(scope.root));
		metrics_gauge(sb, "iamd_revision", NULL,
			"Revision of the published state.", (double)scope.root->revision);
	}
	if (r->svc->server != NULL)
		metrics_gauge(sb, "iamd_connections", NULL, "Open connections.",
			(double)server_connections(r->svc->server));
	api_ldap_sync_metrics(r->svc, sb);
	if (sb->failed)
		return IAM_NO_MEMORY;
	return resp_body(out, 200, "text/plain; version=0.0.4; charset=utf-8",
		sb_str(sb));
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Api: GET /metrics in Prometheus' text format, version 0.0.4: for each metric
 * a HELP and a TYPE line, then its samples. What the core knows comes from the
 * table in server/messages.h; the rest is the api's own. There is nothing
 * secret in it, but how many machines there are is nobody's business: who may
 * read it is said by metrics_open and metrics_token.
 */
#include "server/api/api.h"
#include "server/api/resources.h"

#include "base/clock.h"
#include "base/id.h"
#include "crypto/sha256.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

/* The name may end in {labels}; help "" continues the metric before. */
static void
sample(struct buf *out, const char *type, const char *name, const char *help,
    uint64_t value)
{
	int len = (int)strcspn(name, "{");

	if (help[0] != '\0')
		buf_add_fmt(out, "# HELP mig_%.*s %s\n# TYPE mig_%.*s %s\n",
		    len, name, help, len, name, type);
	buf_add_fmt(out, "mig_%s %" PRIu64 "\n", name, value);
}

static void
add_core(struct buf *b, const struct server_status *s)
{
#define STATUS_METRIC(field, type, metric, help)              \
	do {                                                  \
		const char *const t = (type);                 \
                                                              \
		if (t != NULL)                                \
			sample(b, t, metric, help, s->field); \
	} while (0);
	SERVER_STATUS(STATUS_METRIC)
#undef STATUS_METRIC
}

static void
add_commits(struct buf *b, const struct server_status *s)
{
	uint64_t n = 0;
	size_t i;

	buf_add_str(b,
	    "# HELP mig_store_commit_seconds Time of a group's statements and"
	    " its durable commit.\n"
	    "# TYPE mig_store_commit_seconds histogram\n");
	for (i = 0; i < COMMIT_BUCKETS; i++) {
		n += s->commit_le[i];
		buf_add_fmt(b,
		    "mig_store_commit_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
		    (double)commit_bucket_us[i] / 1e6, n);
	}
	buf_add_fmt(b,
	    "mig_store_commit_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n"
	    "mig_store_commit_seconds_sum %.6f\n"
	    "mig_store_commit_seconds_count %" PRIu64 "\n",
	    s->writer_groups, (double)s->commit_us / 1e6, s->writer_groups);
}

static void
add_own(struct buf *b, struct api *api)
{
	sample(
	    b, "counter", "http_requests_total", "Requests.", api->nrequests);
	sample(b, "counter", "http_errors_total", "Requests refused.",
	    api->nerrors);
	sample(b, "counter", "http_limited_total",
	    "Of these because somebody asked too often.", api->nlimited);
	sample(b, "gauge", "http_connections", "Connections open.",
	    http_connections(api->http));
	sample(b, "gauge", "http_streams", "Streams open.", api->nstreams);
	sample(
	    b, "gauge", "core_up", "The core is running.", api->core != NULL);
	sample(b, "gauge", "start_time_seconds",
	    "When the api was started, as unix time.",
	    (uint64_t)(api->started_ms / 1000));
	sample(b, "gauge", "build_info{version=\"" MIG_VERSION "\"}",
	    "Always 1; the version is the label.", 1);
}

/* A token that is good for nothing else: the configuration holds its hash. */
static bool
token_fits(struct request *q)
{
	const char *text = request_header(q, "Authorization");
	struct id want, got;

	if (text == NULL || strncasecmp(text, "Bearer ", 7) != 0 ||
	    id_parse(q->api->role.conf.metrics_token, &want) != 0)
		return (false);
	sha256(text + 7, strlen(text + 7), &got);
	return (id_equal(&want, &got));
}

static bool
allowed(struct request *q)
{
	static const struct route guarded = { "GET", "/metrics", CALL_METRICS,
		0, NULL };
	const char *open = q->api->role.conf.metrics_open;

	if (strcmp(open, "yes") == 0 ||
	    (strcmp(open, "loopback") == 0 && request_is_loopback(q)) ||
	    token_fits(q))
		return (true);
	q->route = &guarded;
	return (route_allowed(q));
}

void
res_metrics(struct request *q)
{
	struct api *api = q->api;
	struct buf *b = &q->out;

	if (!allowed(q))
		return;
	add_core(b, &api->status);
	sample(b, "gauge", "certificate_end_seconds{name=\"api\"}", "",
	    (uint64_t)http_certificate_end(api->http));
	add_commits(b, &api->status);
	add_own(b, api);
	q->type = "text/plain; version=0.0.4";
	reply_out(q, 200);
}

/* SPDX-License-Identifier: MPL-2.0 */
/* Api: how the server is: for people, for load balancers, for Prometheus. */
#include "server/api/api.h"

#include "base/clock.h"
#include "base/jsonw.h"

#include <inttypes.h>

#define PROTOCOL 1

void
res_status(struct request *q)
{
	const struct server_status *s = &q->api->status;
	char now[RFC3339_LEN + 1];
	struct jsonw w;

	rfc3339_format(clock_wall_ms() / 1000, now);
	jsonw_init(&w, &q->out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "version", MIG_VERSION);
	jsonw_i64(&w, "protocol", PROTOCOL);
	jsonw_str(&w, "time", now);
	jsonw_str(&w, "relay", s->relay_up ? "up" : "down");
	jsonw_object(&w, "agents");
	jsonw_u64(&w, "registered", s->registered);
	jsonw_u64(&w, "online", s->online);
	jsonw_u64(&w, "reconnecting", s->reconnecting);
	jsonw_object_end(&w);
	jsonw_object(&w, "actions");
	jsonw_u64(&w, "open", s->actions_open);
	jsonw_u64(&w, "total", s->actions_total);
	jsonw_object_end(&w);
	jsonw_u64(&w, "answers", s->answers);
	jsonw_object_end(&w);
	reply_out(q, 200);
}

void
res_health(struct request *q)
{
	struct api *api = q->api;
	bool well = api->core != NULL && api->status.relay_up;
	struct jsonw w;

	jsonw_init(&w, &q->out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "status", well ? "ok" : "failing");
	if (!well) {
		jsonw_array(&w, "problems");
		if (api->core == NULL)
			jsonw_str(&w, NULL, "the core is not running");
		else
			jsonw_str(&w, NULL, "the relay is not reachable");
		jsonw_array_end(&w);
	}
	jsonw_object_end(&w);
	reply_out(q, well ? 200 : 503);
}

static void
metric(struct buf *out, const char *name, const char *type, const char *help,
    uint64_t value)
{
	buf_add_fmt(out,
	    "# HELP mig_%s %s\n# TYPE mig_%s %s\nmig_%s %" PRIu64 "\n", name,
	    help, name, type, name, value);
}

void
res_metrics(struct request *q)
{
	const struct server_status *s = &q->api->status;
	struct api *api = q->api;
	struct buf *b = &q->out;

	if (!api->role.conf.metrics_open) {
		static const struct route guarded = { "GET", "/metrics", 0, 0,
			NULL };

		q->route = &guarded;
		if (!route_allowed(q))
			return;
	}
	metric(b, "relay_up", "gauge", "The core is connected to the relay.",
	    s->relay_up);
	metric(
	    b, "agents_registered", "gauge", "Agents enrolled.", s->registered);
	metric(b, "agents_online", "gauge", "Agents connected.", s->online);
	metric(b, "agents_reconnecting", "gauge",
	    "Agents not back yet after the relay was restarted.",
	    s->reconnecting);
	metric(b, "actions_open", "gauge", "Actions that wait for answers.",
	    s->actions_open);
	metric(
	    b, "actions_total", "gauge", "Actions stored.", s->actions_total);
	metric(b, "answers_total", "gauge", "Answers stored.", s->answers);
	metric(b, "relay_messages_in_total", "counter", "Messages from agents.",
	    s->relay_in);
	metric(b, "relay_messages_out_total", "counter", "Messages to agents.",
	    s->relay_out);
	metric(b, "relay_messages_refused_total", "counter",
	    "Messages from agents that were not acceptable.",
	    s->refused_messages);
	metric(b, "store_commits_total", "counter", "Groups committed.",
	    s->writer_groups);
	metric(b, "store_writes_total", "counter", "Writes in these groups.",
	    s->writer_jobs);
	metric(
	    b, "store_waiting", "gauge", "Writes waiting.", s->writer_waiting);
	metric(
	    b, "http_requests_total", "counter", "Requests.", api->nrequests);
	metric(b, "http_errors_total", "counter", "Requests refused.",
	    api->nerrors);
	metric(b, "http_connections", "gauge", "Connections open.",
	    http_connections(api->http));
	metric(b, "http_streams", "gauge", "Streams open.", api->nstreams);
	q->type = "text/plain; version=0.0.4";
	reply_out(q, 200);
}

/* SPDX-License-Identifier: MPL-2.0 */
/* Api: how the server is: for people, for load balancers. */
#include "server/api/api.h"
#include "server/api/resources.h"

#include "base/clock.h"
#include "base/jsonw.h"
#include "mqtt/wire.h"

#include <stdio.h>

#define CORE_SILENT_MS 10000 /* it tells its state four times a second */
#define CERTIFICATE_SOON (14 * 86400) /* renewal should have come long ago */

static const char *const store_words[] = { "ok", "full", "locked", "failing" };

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
	jsonw_i64(&w, "protocol", WIRE_PROTOCOL);
	jsonw_str(&w, "time", now);
	jsonw_str(&w, "relay", s->relay_up ? "up" : "down");
	jsonw_str(&w, "store", store_words[s->store]);
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

/* --- health -------------------------------------------------------------- */

/* Worst first. FAILING: it cannot do its work now; DEGRADED: part of it, or
 * soon not any more. */
enum health { FAILING, DEGRADED, WELL };

struct checks {
	enum health all;
	struct buf problems; /* JSON strings, with commas */
	struct jsonw w;
};

static void __attribute__((format(printf, 3, 4)))
problem(struct checks *c, enum health how, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (how < c->all)
		c->all = how;
	jsonw_str(&c->w, NULL, text);
}

static void
check_certificate(struct checks *c, const char *name, uint64_t end)
{
	int64_t left = (int64_t)end - clock_wall_ms() / 1000;
	char when[RFC3339_LEN + 1];

	if (end == 0 || left > CERTIFICATE_SOON)
		return;
	rfc3339_format((int64_t)end, when);
	problem(c, left <= 0 ? FAILING : DEGRADED,
	    "the certificate of the %s %s at %s", name,
	    left <= 0 ? "ended" : "ends", when);
}

static void
check_all(struct api *api, struct checks *c)
{
	static const char full[] =
	    "the store's disk is full: nothing is taken until there is room";
	static const char *const store[] = { "", full,
		"the store is locked by another program",
		"the store cannot be written" };
	const struct server_status *s = &api->status;
	int64_t silent = clock_mono_ms() - api->heard_ms;

	if (api->core == NULL) {
		problem(c, FAILING, "the core is not running");
		return;
	}
	if (silent > CORE_SILENT_MS)
		problem(c, FAILING, "the core says nothing for %lld s",
		    (long long)silent / 1000);
	if (!s->relay_up)
		problem(c, FAILING, "the relay is not reachable");
	if (s->store != STORE_WELL)
		problem(c, FAILING, "%s", store[s->store]);
	if (s->disk_state == DISK_FULL)
		problem(c, FAILING,
		    "the disk is full: no answers are taken (agents keep"
		    " them) and no new actions");
	else if (s->disk_state == DISK_LOW)
		problem(c, DEGRADED,
		    "the disk has less free space than disk_reserve, or the"
		    " store is at store_max: no new actions are taken");
	check_certificate(c, "api", (uint64_t)http_certificate_end(api->http));
	check_certificate(c, "relay", s->relay_certificate_end);
	check_certificate(c, "ca", s->ca_certificate_end);
}

static void
add_end(struct jsonw *w, const char *key, int64_t end)
{
	char when[RFC3339_LEN + 1];

	if (end <= 0) {
		jsonw_null(w, key);
		return;
	}
	rfc3339_format(end, when);
	jsonw_str(w, key, when);
}

static void
add_details(struct api *api, struct jsonw *w)
{
	static const char *const disk[] = { "ok", "low", "full" };
	const struct server_status *s = &api->status;

	jsonw_str(w, "version", MIG_VERSION);
	jsonw_i64(w, "protocol", WIRE_PROTOCOL);
	jsonw_str(w, "core", api->core != NULL ? "up" : "down");
	jsonw_str(w, "relay", s->relay_up ? "up" : "down");
	jsonw_str(w, "store", store_words[s->store]);
	jsonw_str(w, "disk", s->disk_state < 3 ? disk[s->disk_state] : "full");
	jsonw_object(w, "certificates");
	add_end(w, "api", http_certificate_end(api->http));
	add_end(w, "relay", (int64_t)s->relay_certificate_end);
	add_end(w, "ca", (int64_t)s->ca_certificate_end);
	jsonw_object_end(w);
}

/* live=1: only whether this process answers, for who would restart it. */
void
res_health(struct request *q)
{
	static const char *const words[] = { "failing", "degraded", "ok" };
	struct checks c = { .all = WELL };
	bool live = request_flag(q, "live");
	struct jsonw w;

	buf_init(&c.problems, 8192);
	jsonw_init(&c.w, &c.problems);
	check_all(q->api, &c);
	jsonw_init(&w, &q->out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "status", words[c.all]);
	jsonw_bool(&w, "live", true);
	jsonw_bool(&w, "ready", c.all != FAILING);
	add_details(q->api, &w);
	jsonw_array(&w, "problems");
	if (c.problems.len > 0)
		jsonw_raw(&w, NULL, c.problems.data, c.problems.len);
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	buf_release(&c.problems);
	reply_out(q, c.all != FAILING || live ? 200 : 503);
}

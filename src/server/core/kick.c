/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Core: a revoked agent's session is ended. MQTT (3.1.1, section 3.1.4) has the
 * broker disconnect the client that is there when another connects under its
 * client identifier; an agent's is its id. So the core connects once more over
 * its own socket under that name, and leaves. One at a time; which the access
 * list silences anyway, so one that is lost does no harm.
 */
#include "server/core/core.h"

#include "base/log.h"
#include "mqtt/mqtt.h"
#include "proc/timer.h"

#include <event2/event.h>
#include <stdlib.h>

#define KEEPALIVE 30
#define WAITING_MAX 1024

struct kick {
	struct core *c;
	struct mqtt *mqtt;
	struct event *next; /* outside of its own callbacks */
	struct id ids[WAITING_MAX];
	size_t n;
	bool busy;
};

static void
go_on(struct kick *k)
{
	static const struct timeval now = { 0, 0 };

	k->busy = false;
	if (k->n > 0)
		timer_start(k->next, &now);
}

static void
on_connected(struct mqtt *m, void *arg)
{
	mqtt_disconnect(m);
	go_on(arg);
}

static void
on_disconnected(struct mqtt *m, const char *why, void *arg)
{
	log_warn("kick why=%s", log_quote(why));
	go_on(arg);
}

static void
on_message(struct mqtt *m, const char *topic, const void *payload, size_t len,
    void *arg)
{
}

static void
on_published(struct mqtt *m, int mid, void *arg)
{
}

static void
on_next(evutil_socket_t fd, short what, void *arg)
{
	char path[SERVER_PATH_MAX];
	struct mqtt_options o = { .keepalive = KEEPALIVE };
	struct kick *k = arg;
	struct id_hex hex;
	struct err e;

	if (k->busy || k->n == 0)
		return;
	hex = id_hex(&k->ids[--k->n]);
	o.client_id = hex.s;
	o.host = server_file(&k->c->role.conf, FILE_RELAY_SOCKET, path);
	k->busy = mqtt_connect(k->mqtt, &o, &e) == 0;
	if (k->busy)
		return;
	log_warn("kick why=%s", log_quote(e.msg));
	go_on(k);
}

struct kick *
kick_new(struct core *c)
{
	static const struct mqtt_events ev = { on_connected, on_disconnected,
		on_message, on_published };
	struct kick *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return (NULL);
	k->c = c;
	k->mqtt = mqtt_new(c->role.base, &ev, k, NULL);
	k->next = event_new(c->role.base, -1, 0, on_next, k);
	if (k->mqtt != NULL && k->next != NULL)
		return (k);
	kick_free(k);
	return (NULL);
}

void
kick_free(struct kick *k)
{
	if (k == NULL)
		return;
	mqtt_free(k->mqtt);
	if (k->next != NULL)
		event_free(k->next);
	free(k);
}

void
kick(struct core *c, const struct id *agent)
{
	/* Made when first needed: few servers ever do. */
	if (c->kick == NULL && (c->kick = kick_new(c)) == NULL)
		return;
	if (c->kick->n < WAITING_MAX)
		c->kick->ids[c->kick->n++] = *agent;
	if (!c->kick->busy)
		go_on(c->kick);
}

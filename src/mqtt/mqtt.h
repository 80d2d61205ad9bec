/* SPDX-License-Identifier: MPL-2.0 */
/* MQTT client over libmosquitto in the caller's event loop: connect, keep
 * alive, publish, receive. Reconnecting is the caller's business. */
#ifndef MIG_MQTT_MQTT_H
#define MIG_MQTT_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct event_base;
struct ssl_ctx_st;
struct mqtt;

struct mqtt_events {
	void (*connected)(struct mqtt *m, void *arg);
	/* why is never NULL; the client is idle again. */
	void (*disconnected)(struct mqtt *m, const char *why, void *arg);
	void (*message)(struct mqtt *m, const char *topic, const void *payload,
	    size_t len, void *arg);
	/* A QoS 1 publish was acknowledged by the broker (QoS 0: handed to
	 * the socket, perhaps before mqtt_publish returned). */
	void (*published)(struct mqtt *m, int mid, void *arg);
};

struct mqtt_options {
	const char *client_id;
	const char *host; /* or a Unix socket's path with port 0 */
	int port;
	struct ssl_ctx_st *tls; /* borrowed; NULL: none */
	const char *peer_name;  /* for SNI */
	int keepalive;          /* seconds */
	const char *will_topic; /* NULL: none */
	const void *will;
	size_t will_len;
};

/* None of the functions below frees m or calls disconnected() from inside
 * itself: disconnected always comes from the event loop, once for each
 * successful mqtt_connect that was not ended by mqtt_disconnect. mqtt_free
 * must not be called from message or published. */
struct mqtt *mqtt_new(struct event_base *base, const struct mqtt_events *ev,
    void *arg, struct err *e);
void mqtt_free(struct mqtt *m);
/* Starts a connection without blocking on the handshake any longer than the
 * TCP connect; the outcome comes by events. */
int mqtt_connect(struct mqtt *m, const struct mqtt_options *o, struct err *e);
/* Says goodbye (the will is not sent) and closes; no event follows. */
void mqtt_disconnect(struct mqtt *m);
bool mqtt_is_connected(const struct mqtt *m);
/* When the broker said something last, on this connection or one before:
 * clock_mono_ms(); 0: never. Who is paused hears nothing. */
int64_t mqtt_heard_ms(const struct mqtt *m);
bool mqtt_is_paused(const struct mqtt *m);
/* Stops or resumes reading (back-pressure); not for longer than a keepalive
 * interval, or the connection ends. */
void mqtt_pause(struct mqtt *m, bool pause);
int mqtt_subscribe(struct mqtt *m, const char *topic, int qos, struct err *e);
/* ret_mid may be NULL. */
int mqtt_publish(struct mqtt *m, const char *topic, const void *payload,
    size_t len, int qos, int *ret_mid, struct err *e);

#endif

/* SPDX-License-Identifier: MPL-2.0 */
/* Topics and messages of doc/protocol.md section 4: codec without sockets,
 * used by agent and server. */
#ifndef MIG_MQTT_WIRE_H
#define MIG_MQTT_WIRE_H

#include "base/buf.h"
#include "base/id.h"

struct err;

#define WIRE_MESSAGE_MAX 131072
#define WIRE_PART_MAX 122880
#define WIRE_FIRST_PART_MAX 16384
#define WIRE_BROADCAST_MAX 32768
#define WIRE_TOPIC_MAX 96
/* What this program speaks, and the oldest that it understands: N and N-1
 * (doc/protocol.md section 8). 2 added RENEW and CERTIFICATE, 3 CANCEL and
 * POLICY. */
#define WIRE_PROTOCOL 3
#define WIRE_PROTOCOL_OLDEST 2
#define WIRE_PROTOCOL_RENEW 2
#define WIRE_PROTOCOL_POLICY 3
#define WIRE_TOPIC_ALL "mig/1/all"

enum wire_topic { WIRE_ALL, WIRE_IN, WIRE_OUT, WIRE_HELLO, WIRE_PRESENCE };

enum wire_type {
	WIRE_ENVELOPE = 1,
	WIRE_ANNOUNCE = 2,
	WIRE_ENVELOPE_PART = 3,
	WIRE_ACK = 4,
	WIRE_WELCOME = 5,
	WIRE_CERTIFICATE = 6,
	WIRE_ROLL_CALL = 7,
	WIRE_CANCEL = 8,
	WIRE_POLICY = 9,
	WIRE_POLICY_PART = 10,
	WIRE_ANSWER_PART = 16,
	WIRE_WANT = 17,
	WIRE_RENEW = 18,
	WIRE_WANT_POLICY = 19,
};

struct wire_msg {
	enum wire_type type;
	struct id id; /* action; WELCOME: server instance; POLICY: its hash */
	uint16_t part, of;
	bool complete;       /* ACK */
	uint32_t size;       /* ANNOUNCE, POLICY: of the envelope */
	struct id hash;      /* ANNOUNCE, POLICY: its SHA-256 */
	int64_t time_ms;     /* WELCOME */
	uint32_t spread_ms;  /* WELCOME, ROLL_CALL */
	uint8_t protocol;    /* WELCOME */
	const uint8_t *data; /* ENVELOPE, CANCEL, RENEW, CERTIFICATE, parts:
			      * borrowed */
	size_t len;
};

/* out has room for WIRE_TOPIC_MAX. agent is ignored for WIRE_ALL. */
void wire_topic_write(
    enum wire_topic t, const struct id *agent, char out[static WIRE_TOPIC_MAX]);
/* ERR_INVALID for topics that are not ours. */
int wire_topic_parse(
    const char *topic, enum wire_topic *ret_t, struct id *ret_agent);
int wire_write(const struct wire_msg *m, struct buf *out);
/* Strict; ret borrows from data. */
int
wire_parse(const void *data, size_t len, struct wire_msg *ret, struct err *e);
/* Presence payload, 9 bytes. */
void wire_presence_write(bool online, uint64_t connection, uint8_t out[9]);
int wire_presence_parse(
    const void *data, size_t len, bool *ret_online, uint64_t *ret_connection);

/* How an answer of len bytes is cut: number of parts; offset and size of one.*/
uint16_t wire_answer_parts(size_t len);
void
wire_answer_part(size_t len, uint16_t part, size_t *ret_off, size_t *ret_len);

/* --- parts.c: putting parts together, bounded ---------------------------- */
struct wire_parts; /* one assembly */
/* NULL when of is 0 or absurd for max (bytes in all), or out of memory. */
struct wire_parts *wire_parts_new(uint16_t of, size_t max);
void wire_parts_free(struct wire_parts *p);
/* A part already there is compared: ERR_INVALID when different. */
int wire_parts_add(struct wire_parts *p, uint16_t part, uint16_t of,
    const void *data, size_t len);
bool wire_parts_has(const struct wire_parts *p, uint16_t part);
bool wire_parts_complete(const struct wire_parts *p);
/* First part not there yet; of when complete. */
uint16_t wire_parts_missing(const struct wire_parts *p);
/* The whole, owned by the caller (free()). */
int wire_parts_take(struct wire_parts *p, uint8_t **ret, size_t *ret_len);

#endif

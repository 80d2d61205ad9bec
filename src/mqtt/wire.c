/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Codec of topics and messages (doc/protocol.md section 4). No sockets, no
 * state; what is read borrows from the input and is strict: every message has
 * exactly one accepted form.
 */
#include "mqtt/wire.h"

#include "base/err.h"

#include <stdio.h>
#include <string.h>

#define AGENT_PREFIX "mig/1/a/"

static const char *const topic_words[] = {
	[WIRE_IN] = "in",
	[WIRE_OUT] = "out",
	[WIRE_HELLO] = "hello",
	[WIRE_PRESENCE] = "presence",
};

void
wire_topic_write(
    enum wire_topic t, const struct id *agent, char out[static WIRE_TOPIC_MAX])
{
	if (t == WIRE_ALL)
		snprintf(out, WIRE_TOPIC_MAX, "%s", WIRE_TOPIC_ALL);
	else
		snprintf(out, WIRE_TOPIC_MAX, AGENT_PREFIX "%s/%s",
		    id_hex(agent).s, topic_words[t]);
}

int
wire_topic_parse(
    const char *topic, enum wire_topic *ret_t, struct id *ret_agent)
{
	char hex[ID_HEX_LEN + 1], again[WIRE_TOPIC_MAX];
	struct id agent;
	size_t i;

	if (strcmp(topic, WIRE_TOPIC_ALL) == 0) {
		memset(ret_agent, 0, sizeof(*ret_agent));
		*ret_t = WIRE_ALL;
		return 0;
	}
	if (strncmp(topic, AGENT_PREFIX, strlen(AGENT_PREFIX)) != 0)
		return ERR_INVALID;
	if (strlen(topic) < strlen(AGENT_PREFIX) + ID_HEX_LEN)
		return ERR_INVALID;
	memcpy(hex, topic + strlen(AGENT_PREFIX), ID_HEX_LEN);
	hex[ID_HEX_LEN] = '\0';
	if (id_parse(hex, &agent) != 0)
		return ERR_INVALID;
	for (i = WIRE_IN; i <= WIRE_PRESENCE; i++) {
		/* comparing with our own spelling refuses upper-case ids */
		wire_topic_write((enum wire_topic)i, &agent, again);
		if (strcmp(topic, again) == 0) {
			*ret_t = (enum wire_topic)i;
			*ret_agent = agent;
			return 0;
		}
	}
	return ERR_INVALID;
}

static bool
data_fits(const struct wire_msg *m)
{
	return m->len >= 1 && m->len <= WIRE_PART_MAX;
}

int
wire_write(const struct wire_msg *m, struct buf *out)
{
	buf_add_u8(out, (uint8_t)m->type);
	if (m->type != WIRE_ENVELOPE && m->type != WIRE_WELCOME &&
	    m->type != WIRE_ROLL_CALL && m->type != WIRE_RENEW &&
	    m->type != WIRE_CERTIFICATE && m->type != WIRE_CANCEL)
		buf_add(out, m->id.b, ID_LEN);
	switch (m->type) {
	case WIRE_ENVELOPE:
	case WIRE_CANCEL:
	case WIRE_RENEW:
	case WIRE_CERTIFICATE:
		if (!data_fits(m))
			return ERR_TOOBIG;
		buf_add(out, m->data, m->len);
		break;
	case WIRE_ANNOUNCE:
	case WIRE_POLICY:
		buf_add_u32(out, m->size);
		buf_add(out, m->hash.b, ID_LEN);
		break;
	case WIRE_ENVELOPE_PART:
	case WIRE_POLICY_PART:
	case WIRE_ANSWER_PART:
		if (!data_fits(m))
			return ERR_TOOBIG;
		buf_add_u16(out, m->part);
		buf_add_u16(out, m->of);
		buf_add(out, m->data, m->len);
		break;
	case WIRE_ACK:
		buf_add_u16(out, m->part);
		buf_add_u16(out, m->of);
		buf_add_u8(out, m->complete);
		break;
	case WIRE_WELCOME:
		buf_add_u64(out, (uint64_t)m->time_ms);
		buf_add_u32(out, m->spread_ms);
		buf_add_u8(out, m->protocol);
		buf_add(out, m->id.b, ID_LEN);
		break;
	case WIRE_ROLL_CALL:
		buf_add_u32(out, m->spread_ms);
		break;
	case WIRE_WANT:
	case WIRE_WANT_POLICY:
		buf_add_u16(out, m->part);
		break;
	default:
		return ERR_INVALID;
	}
	return out->error;
}

static void
take_rest(struct rd *r, struct wire_msg *m)
{
	m->len = r->left;
	m->data = rd_bytes(r, r->left);
	if (!data_fits(m))
		r->bad = true;
}

static void
take_part(struct rd *r, struct wire_msg *m)
{
	m->part = rd_u16(r);
	m->of = rd_u16(r);
	if (m->part >= m->of)
		r->bad = true;
}

static int
take_body(struct rd *r, struct wire_msg *m)
{
	uint8_t v;

	switch (m->type) {
	case WIRE_ENVELOPE:
	case WIRE_CANCEL:
	case WIRE_RENEW:
	case WIRE_CERTIFICATE:
		take_rest(r, m);
		return 0;
	case WIRE_ANNOUNCE:
	case WIRE_POLICY:
		rd_copy(r, m->id.b, ID_LEN);
		m->size = rd_u32(r);
		rd_copy(r, m->hash.b, ID_LEN);
		return 0;
	case WIRE_ENVELOPE_PART:
	case WIRE_POLICY_PART:
	case WIRE_ANSWER_PART:
		rd_copy(r, m->id.b, ID_LEN);
		take_part(r, m);
		take_rest(r, m);
		return 0;
	case WIRE_ACK:
		rd_copy(r, m->id.b, ID_LEN);
		take_part(r, m);
		v = rd_u8(r);
		if (v > 1)
			r->bad = true;
		m->complete = v == 1;
		return 0;
	case WIRE_WELCOME:
		m->time_ms = (int64_t)rd_u64(r);
		if (m->time_ms < 0)
			r->bad = true;
		m->spread_ms = rd_u32(r);
		m->protocol = rd_u8(r);
		rd_copy(r, m->id.b, ID_LEN);
		return 0;
	case WIRE_ROLL_CALL:
		m->spread_ms = rd_u32(r);
		return 0;
	case WIRE_WANT:
	case WIRE_WANT_POLICY:
		rd_copy(r, m->id.b, ID_LEN);
		m->part = rd_u16(r);
		return 0;
	}
	return ERR_UNSUPPORTED;
}

int
wire_parse(const void *data, size_t len, struct wire_msg *ret, struct err *e)
{
	struct wire_msg m;
	struct rd r;

	memset(&m, 0, sizeof(m));
	if (len > WIRE_MESSAGE_MAX)
		return err_set(e, ERR_TOOBIG,
		    "message of %zu bytes, at most %d are allowed", len,
		    WIRE_MESSAGE_MAX);
	rd_init(&r, data, len);
	m.type = (enum wire_type)rd_u8(&r);
	if (r.bad)
		return err_set(e, ERR_INVALID, "empty message");
	if (take_body(&r, &m) != 0)
		return err_set(
		    e, ERR_UNSUPPORTED, "unknown message type %d", (int)m.type);
	if (!rd_done(&r))
		return err_set(e, ERR_INVALID,
		    "message of type %d and %zu bytes is malformed",
		    (int)m.type, len);
	*ret = m;
	return 0;
}

void
wire_presence_write(bool online, uint64_t connection, uint8_t out[9])
{
	size_t i;

	out[0] = online;
	for (i = 0; i < 8; i++)
		out[1 + i] = (uint8_t)(connection >> (8 * (7 - i)));
}

int
wire_presence_parse(
    const void *data, size_t len, bool *ret_online, uint64_t *ret_connection)
{
	uint64_t connection;
	struct rd r;
	uint8_t v;

	rd_init(&r, data, len);
	v = rd_u8(&r);
	connection = rd_u64(&r);
	if (!rd_done(&r) || v > 1)
		return ERR_INVALID;
	*ret_online = v == 1;
	*ret_connection = connection;
	return 0;
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Agents that do not keep the rules, within what the relay lets them do. Each
 * sends hundreds of messages or megabytes a second: more would only show how
 * much of the machine the swarm itself can take.
 */
#include "swarm.h"

#include <string.h>

#define QUEUE (256 * 1024)
#define BURST 4 /* in a tick of 20 ms */
/* Large messages: one in so many ticks, as together they load the machine. */
#define ENDLESS_TICKS(many) (1 + (many) / 3)

/* An answer to the newest action there is, or to one nobody asked. */
static void
endless_part(struct swarm *s, struct member *m)
{
	static const uint8_t bytes[WIRE_PART_MAX];
	struct wire_msg w = { .type = WIRE_ANSWER_PART,
		.of = 64,
		.data = bytes,
		.len = sizeof(bytes) };

	if (s->tasks != NULL && m->rogue % 4 != 0)
		w.id = s->tasks->id;
	else
		memcpy(w.id.b, &m->rogue, sizeof(m->rogue));
	w.part = (uint16_t)(m->rogue % 63); /* never the last */
	if (w.part == 0)
		w.len = WIRE_FIRST_PART_MAX;
	member_send(s, m, &w);
}

static void
junk(struct swarm *s, struct member *m)
{
	uint8_t bytes[512];
	size_t i, len = 1 + swarm_chance(sizeof(bytes) - 1);

	for (i = 0; i < len; i++)
		bytes[i] = (uint8_t)swarm_chance(256);
	if (m->rogue % 2 == 0)
		bytes[0] = m->rogue % 4 == 0 ? WIRE_ANSWER_PART : WIRE_WANT;
	if (m->rogue % 8 == 1)
		conn_publish(s, m, WIRE_HELLO, bytes, len, 0);
	else if (m->rogue % 8 == 3)
		conn_publish(s, m, WIRE_PRESENCE, bytes, len, 0);
	else
		conn_publish(s, m, WIRE_OUT, bytes, len, 1);
}

static void
greedy(struct swarm *s, struct member *m)
{
	struct wire_msg w = { .type = WIRE_WANT };

	if (s->tasks == NULL)
		return;
	w.id = s->tasks->id;
	w.part = (uint16_t)(m->rogue % 8);
	member_send(s, m, &w);
}

void
rogue_tick(struct swarm *s, struct member *m)
{
	int i, n = BURST;

	if (m->kind == MEMBER_ENDLESS)
		n = swarm_chance((uint32_t)ENDLESS_TICKS(
			s->opt.kinds[MEMBER_ENDLESS])) == 0;

	for (i = 0; i < n && m->state == CONN_UP && conn_queued(m) < QUEUE;
	     i++) {
		m->rogue++;
		s->count.junk++;
		if (m->kind == MEMBER_JUNK)
			junk(s, m);
		else if (m->kind == MEMBER_ENDLESS)
			endless_part(s, m);
		else if (m->kind == MEMBER_GREEDY)
			greedy(s, m);
		else
			break;
	}
}

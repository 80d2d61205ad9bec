/* SPDX-License-Identifier: MPL-2.0 */
/* Fetching announced envelopes; see pull.h. */
#include "agent/net/pull.h"

#include "action/envelope.h"
#include "agent/seldom.h"
#include "base/fault.h"
#include "base/log.h"
#include "crypto/sha256.h"
#include "proc/timer.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define ANNOUNCED_MAX 16
#define RETRY_SECONDS 10
#define TRIES_MAX 6

struct announced {
	bool used, wanted;
	uint8_t source;
	struct id id, hash;
	uint32_t size;
	uint64_t order; /* of announcement */
};

struct pull {
	struct announced list[ANNOUNCED_MAX];
	uint64_t announcements;    /* so far */
	struct announced *current; /* one of list */
	struct wire_parts *parts;  /* of current */
	uint16_t of;
	unsigned int tries; /* for the part asked for */
	struct event *retry;
	struct seldom said_timeout, said_hash, said_part;
	pull_on_want *want;
	pull_on_whole *whole;
	void *arg;
};

static void
say(struct seldom *s, const struct id *id, const char *why)
{
	unsigned int left_out;

	if (seldom(s, &left_out))
		log_warn("pull id=%s why=%s left_out=%u", id_short(id).s, why,
		    left_out);
}

static void
ask(struct pull *p)
{
	struct timeval tv = { .tv_sec = RETRY_SECONDS };

	p->want(p->current->source, &p->current->id,
	    wire_parts_missing(p->parts), p->arg);
	timer_start(p->retry, &tv);
}

static void
end_current(struct pull *p)
{
	if (p->current != NULL)
		p->current->used = false;
	p->current = NULL;
	wire_parts_free(p->parts);
	p->parts = NULL;
	event_del(p->retry);
}

static void
start_next(struct pull *p)
{
	size_t i;

	while (p->current == NULL) {
		for (i = 0; i < ANNOUNCED_MAX; i++) {
			if (p->list[i].used && p->list[i].wanted)
				break;
		}
		if (i == ANNOUNCED_MAX)
			return;
		p->current = &p->list[i];
		p->tries = 0;
		p->of = (uint16_t)((p->current->size + WIRE_PART_MAX - 1) /
		    WIRE_PART_MAX);
		p->parts = wire_parts_new(p->of, p->current->size);
		if (p->parts == NULL)
			end_current(p);
		else
			ask(p);
	}
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct pull *p = arg;

	if (++p->tries < TRIES_MAX) {
		ask(p);
		return;
	}
	/* comes again after the next hello */
	say(&p->said_timeout, &p->current->id, "timeout");
	end_current(p);
	start_next(p);
}

struct pull *
pull_new(struct event_base *base, pull_on_want *want, pull_on_whole *whole,
    void *arg)
{
	struct pull *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->want = want;
	p->whole = whole;
	p->arg = arg;
	p->retry = event_new(base, -1, 0, on_retry, p);
	if (p->retry == NULL) {
		free(p);
		return NULL;
	}
	return p;
}

void
pull_free(struct pull *p)
{
	if (p == NULL)
		return;
	end_current(p);
	event_free(p->retry);
	free(p);
}

static struct announced *
find(struct pull *p, const struct id *id)
{
	size_t i;

	for (i = 0; i < ANNOUNCED_MAX; i++) {
		if (p->list[i].used && id_equal(&p->list[i].id, id))
			return &p->list[i];
	}
	return NULL;
}

/* A free one, or the oldest that nobody wants: the monitor does not say what
 * it leaves, and a relay may announce without end. */
static struct announced *
place(struct pull *p)
{
	struct announced *oldest = NULL, *an;
	size_t i;

	for (i = 0; i < ANNOUNCED_MAX; i++) {
		an = &p->list[i];
		if (!an->used)
			return an;
		if (!an->wanted &&
		    (oldest == NULL || an->order < oldest->order))
			oldest = an;
	}
	return oldest;
}

bool
pull_announced(struct pull *p, uint8_t source, const struct wire_msg *m)
{
	struct announced *an = find(p, &m->id);

	if (an != NULL && an->wanted)
		return true;
	if (m->size == 0 || m->size > ENVELOPE_MAX)
		return false;
	/* the same document may come anew with other signatures */
	if (an == NULL)
		an = place(p);
	if (an == NULL)
		return false;
	memset(an, 0, sizeof(*an));
	an->used = true;
	an->order = ++p->announcements;
	an->source = source;
	an->id = m->id;
	an->hash = m->hash;
	an->size = m->size;
	return true;
}

void
pull_start(struct pull *p, const struct id *id)
{
	struct announced *an = find(p, id);

	if (an == NULL || an->wanted)
		return;
	an->wanted = true;
	start_next(p);
}

static void
whole(struct pull *p)
{
	struct announced *an = p->current;
	uint8_t *data = NULL;
	struct id hash;
	size_t len = 0;

	if (wire_parts_take(p->parts, &data, &len) == 0) {
		sha256(data, len, &hash);
		if (len == an->size && id_equal(&hash, &an->hash))
			p->whole(an->source, data, len, p->arg);
		else
			say(&p->said_hash, &an->id, "hash");
	}
	free(data);
	end_current(p);
	start_next(p);
}

static size_t
part_len(const struct pull *p, uint16_t part)
{
	size_t left = p->current->size - (size_t)part * WIRE_PART_MAX;

	return left < WIRE_PART_MAX ? left : WIRE_PART_MAX;
}

void
pull_part(struct pull *p, const struct wire_msg *m)
{
	if (p->current == NULL || !id_equal(&p->current->id, &m->id))
		return;
	/* all are full but the last */
	if (m->part >= p->of || m->len != part_len(p, m->part) ||
	    wire_parts_add(p->parts, m->part, m->of, m->data, m->len) != 0) {
		say(&p->said_part, &m->id, "part");
		return;
	}
	p->tries = 0;
	fault_point("net.pull_part");
	if (wire_parts_complete(p->parts))
		whole(p);
	else
		ask(p);
}

void
pull_clear(struct pull *p)
{
	end_current(p);
	memset(p->list, 0, sizeof(p->list));
}

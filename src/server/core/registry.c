/* SPDX-License-Identifier: MPL-2.0 */
/* Agents in memory: see registry.h. */
#include "server/core/registry.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 1024
/* Of one agent: messages that bring nothing new, and parts of envelopes, at
 * once and for each second after. */
#define MESSAGES_BURST 100
#define MESSAGES_SECOND 20
#define MESSAGE_BYTES 16384
#define FLOOD_MESSAGES 200
#define SILENCE_MS (10 * 60 * 1000)
#define PARTS_BURST 32 /* three of the largest envelopes */
#define PARTS_SECOND 1
#define SENT_BURST_MS 64000 /* four mebibytes */
#define SENT_BYTES_MS 64    /* bytes a millisecond */
#define RENEW_PAUSE_MS 4000 /* between certificates; twice it after another */
#define RENEW_DOUBLED_MAX 20
#define RENEW_LIFE_PART 64 /* of a life: no longer than this */
#define ENROLMENTS_FREE 64

void
registry_init(struct registry *r)
{
	memset(r, 0, sizeof(*r));
}

void
registry_release(struct registry *r)
{
	size_t i;

	for (i = 0; i < r->n; i++) {
		free(r->slots[i]->name);
		free(r->slots[i]->row_text);
		free(r->slots[i]->unsaved_hello);
		free(r->slots[i]);
	}
	free(r->slots);
	free(r->buckets);
	registry_init(r);
}

/* Ids are hashes already. */
static size_t
bucket(const struct registry *r, const struct id *id)
{
	uint32_t h;

	memcpy(&h, id->b, sizeof(h));
	return (h & (r->nbuckets - 1));
}

struct agent *
registry_find(const struct registry *r, const struct id *id)
{
	struct agent *a;

	if (r->nbuckets == 0)
		return (NULL);
	for (a = r->buckets[bucket(r, id)]; a != NULL; a = a->next)
		if (id_equal(&a->id, id))
			return (a);
	return (NULL);
}

static int
grow(struct registry *r)
{
	size_t i, b, cap, n;
	struct agent **slots, **buckets;

	if (r->n == r->cap) {
		cap = r->cap == 0 ? 256 : r->cap * 2;
		slots = reallocarray(r->slots, cap, sizeof(*slots));
		if (slots == NULL)
			return (ERR_NOMEM);
		r->slots = slots;
		r->cap = cap;
	}
	if (r->n < r->nbuckets)
		return (0);
	n = r->nbuckets == 0 ? BUCKETS_MIN : r->nbuckets * 2;
	if ((buckets = calloc(n, sizeof(*buckets))) == NULL)
		return (ERR_NOMEM);
	free(r->buckets);
	r->buckets = buckets;
	r->nbuckets = n;
	for (i = 0; i < r->n; i++) {
		b = bucket(r, &r->slots[i]->id);
		r->slots[i]->next = buckets[b];
		buckets[b] = r->slots[i];
	}
	return (0);
}

struct agent *
registry_add(
    struct registry *r, const struct id *id, int64_t n, const char *name)
{
	struct agent *a = registry_find(r, id);
	size_t b;

	if (a != NULL) {
		agent_set_name(a, name);
		return (a);
	}
	if (grow(r) != 0 || (a = calloc(1, sizeof(*a))) == NULL)
		return (NULL);
	if ((a->name = strdup(name)) == NULL) {
		free(a);
		return (NULL);
	}
	a->id = *id;
	a->n = n;
	a->slot = r->n;
	r->slots[r->n++] = a;
	b = bucket(r, id);
	a->next = r->buckets[b];
	r->buckets[b] = a;
	return (a);
}

int
agent_set_name(struct agent *a, const char *name)
{
	char *copy;

	if (strcmp(a->name, name) == 0)
		return (0);
	if ((copy = strdup(name)) == NULL)
		return (ERR_NOMEM);
	free(a->name);
	a->name = copy;
	return (0);
}

#define ROW_FIELDS 9

static void
row_fields(struct target_row *row, const char **ret[ROW_FIELDS])
{
	ret[0] = &row->name;
	ret[1] = &row->os;
	ret[2] = &row->arch;
	ret[3] = &row->ident;
	ret[4] = &row->version;
	ret[5] = &row->mode;
	ret[6] = &row->environment;
	ret[7] = &row->tags;
	ret[8] = &row->addresses;
}

int
agent_set_row(struct agent *a, const struct target_row *row, bool *ret_changed)
{
	struct target_row in = *row, new;
	const char **from[ROW_FIELDS], **old[ROW_FIELDS], **to[ROW_FIELDS];
	struct id_hex hex = id_hex(&a->id);
	size_t i, len, total = sizeof(hex.s);
	bool same = a->row_text != NULL;
	char *text, *p;

	row_fields(&in, from);
	row_fields(&a->row, old);
	row_fields(&new, to);
	for (i = 0; i < ROW_FIELDS; i++) {
		total += strlen(*from[i]) + 1;
		same = same && strcmp(*from[i], *old[i]) == 0;
	}
	if (same) {
		*ret_changed = false;
		return (0);
	}
	if ((text = malloc(total)) == NULL)
		return (ERR_NOMEM);
	memcpy(text, hex.s, sizeof(hex.s));
	new.id = text;
	p = text + sizeof(hex.s);
	for (i = 0; i < ROW_FIELDS; i++) {
		len = strlen(*from[i]) + 1;
		memcpy(p, *from[i], len);
		*to[i] = p;
		p += len;
	}
	free(a->row_text);
	a->row_text = text;
	a->row = new;
	*ret_changed = true;
	return (0);
}

static void
seen(struct registry *r, struct agent *a, bool online, int64_t now)
{
	a->lastseen = now;
	if (a->lost) {
		a->lost = false;
		r->lost--;
	}
	if (a->online != online) {
		a->online = online;
		if (online)
			r->online++;
		else
			r->online--;
	}
}

bool
registry_presence(struct registry *r, struct agent *a, bool online,
    uint64_t connection, int64_t now)
{
	if (connection < a->connection)
		return (false);
	seen(r, a, online, now);
	return (true);
}

bool
registry_hello(struct registry *r, struct agent *a, uint64_t connection,
    int64_t time_ms, uint64_t position, int64_t now)
{
	if (connection < a->connection && time_ms <= a->hello_ms &&
	    position <= a->position)
		return (false);
	a->connection = connection;
	a->hello_ms = time_ms;
	a->position = position;
	seen(r, a, true, now);
	return (true);
}

static void
refill(struct agent *a, int64_t now)
{
	int64_t seconds = (now - a->filled) / 1000;
	uint64_t n;

	if (a->filled == 0) {
		a->messages = MESSAGES_BURST;
		a->parts = PARTS_BURST;
		a->filled = now;
		return;
	}
	if (seconds <= 0)
		return;
	a->filled += seconds * 1000;
	n = a->messages + (uint64_t)seconds * MESSAGES_SECOND;
	a->messages = n < MESSAGES_BURST ? (uint32_t)n : MESSAGES_BURST;
	if (a->messages == MESSAGES_BURST)
		a->flood = 0; /* it has kept quiet meanwhile */
	n = a->parts + (uint64_t)seconds * PARTS_SECOND;
	a->parts = n < PARTS_BURST ? (uint32_t)n : PARTS_BURST;
}

/* Large ones count for more. */
static uint32_t
cost(size_t len)
{
	return (1 + (uint32_t)(len / MESSAGE_BYTES));
}

bool
agent_may_say(struct agent *a, size_t len, int64_t now)
{
	refill(a, now);
	if (a->messages < cost(len))
		return (false);
	a->messages -= cost(len);
	return (true);
}

bool
agent_is_flooding(struct agent *a, size_t len, int64_t now)
{
	if (now < a->silenced_until || (a->flood += cost(len)) < FLOOD_MESSAGES)
		return (false);
	a->flood = 0;
	a->silenced_until = now + SILENCE_MS;
	return (true);
}

void
agent_said_well(struct agent *a, size_t len)
{
	a->messages += cost(len);
}

bool
agent_may_pull(struct agent *a, int64_t now)
{
	refill(a, now);
	if (a->parts == 0)
		return (false);
	a->parts--;
	return (true);
}

bool
agent_may_be_sent(struct agent *a, size_t len, int64_t now)
{
	if (a->owed < now)
		a->owed = now;
	if (a->owed > now + SENT_BURST_MS)
		return (false);
	a->owed += 1 + (int64_t)(len / SENT_BYTES_MS);
	return (true);
}

/* Between certificates that live so long, after n of them. */
static int64_t
pause_after(unsigned int n, int64_t life)
{
	int64_t pause, longest = life / RENEW_LIFE_PART;

	if (longest < RENEW_PAUSE_MS)
		longest = RENEW_PAUSE_MS;
	pause = (int64_t)RENEW_PAUSE_MS
	    << (n < RENEW_DOUBLED_MAX ? n : RENEW_DOUBLED_MAX);
	return (pause < longest ? pause : longest);
}

bool
agent_may_renew(struct agent *a, int64_t life, int64_t now)
{
	if (a->renewed != 0 &&
	    now - a->renewed < pause_after(a->renewals, life))
		return (false);
	a->renewed = now;
	return (true);
}

bool
agent_may_enrol(struct agent *a, int64_t life, int64_t now)
{
	if (a->enrolments >= ENROLMENTS_FREE &&
	    now - a->enrolled <
		pause_after(a->enrolments - ENROLMENTS_FREE, life))
		return (false);
	a->enrolled = now;
	a->enrolments++;
	return (true);
}

void
registry_relay_lost(struct registry *r)
{
	size_t i;

	for (i = 0; i < r->n; i++) {
		struct agent *a = r->slots[i];

		if (!a->online)
			continue;
		a->online = false;
		r->online--;
		a->lost = true;
		r->lost++;
	}
}

void
registry_forget_lost(struct registry *r)
{
	size_t i;

	for (i = 0; i < r->n && r->lost > 0; i++) {
		if (!r->slots[i]->lost)
			continue;
		r->slots[i]->lost = false;
		r->lost--;
	}
}

void
registry_revoke(struct registry *r, struct agent *a)
{
	if (a->revoked)
		return;
	a->revoked = true;
	r->revoked++;
	if (a->online) {
		a->online = false;
		r->online--;
	}
	if (a->lost) {
		a->lost = false;
		r->lost--;
	}
}

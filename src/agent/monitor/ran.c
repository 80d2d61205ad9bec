/* SPDX-License-Identifier: MPL-2.0 */
#include "agent/monitor/ran.h"

#include "action/refusal.h"
#include "action/result.h"
#include "agent/store/idmap.h"
#include "agent/store/journal.h"
#include "agent/store/ownrecord.h"
#include "base/err.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct asked {
	struct id id; /* first: idmap */
	int64_t expires;
	bool answered;
	TAILQ_ENTRY(asked) entry;
};

struct ran {
	int64_t now;
	struct idmap map;
	TAILQ_HEAD(, asked) list; /* as they were asked */
};

struct ran *
ran_new(int64_t now)
{
	struct ran *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->now = now;
	TAILQ_INIT(&r->list);
	return r;
}

static void
drop_first(struct ran *r)
{
	struct asked *a = TAILQ_FIRST(&r->list);

	TAILQ_REMOVE(&r->list, a, entry);
	(void)idmap_take(&r->map, &a->id);
	free(a);
}

void
ran_free(struct ran *r)
{
	if (r == NULL)
		return;
	while (!TAILQ_EMPTY(&r->list))
		drop_first(r);
	idmap_release(&r->map);
	free(r);
}

static int
note_asked(struct ran *r, const struct own_asked *own)
{
	struct asked *a;
	int rc;

	if (own->reason != REFUSAL_NONE || own->expire_after <= r->now ||
	    idmap_find(&r->map, &own->id) != NULL)
		return 0;
	if (r->map.n >= RAN_MAX)
		drop_first(r);
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return ERR_NOMEM;
	a->id = own->id;
	a->expires = own->expire_after;
	rc = idmap_add(&r->map, a);
	if (rc != 0) {
		free(a);
		return rc;
	}
	TAILQ_INSERT_TAIL(&r->list, a, entry);
	return 0;
}

/* What was refused after all did not run, but for an answer that could not be
 * kept or made: a refusal took its place. */
static bool
did_run(const struct own_answered *own)
{
	return own->status != RESULT_REFUSED ||
	    own->reason == REFUSAL_NO_ROOM || own->reason == REFUSAL_INTERNAL;
}

int
ran_note(uint64_t position, uint16_t type, const uint8_t *data, size_t len,
    void *arg)
{
	struct ran *r = arg;
	struct own_answered answered;
	struct own_asked asked;
	struct asked *a;

	(void)position;
	if (r == NULL)
		return 0;
	if (type == OWN_ASKED && own_asked_parse(data, len, &asked) == 0)
		return note_asked(r, &asked);
	if (type == OWN_ANSWERED &&
	    own_answered_parse(data, len, &answered) == 0 &&
	    did_run(&answered) &&
	    (a = idmap_find(&r->map, &answered.id)) != NULL)
		a->answered = true;
	return 0;
}

int
ran_hold(const struct ran *r, struct journal *j, size_t *ret_n, struct err *e)
{
	struct journal_action ja;
	const struct asked *a;
	int rc;

	*ret_n = 0;
	TAILQ_FOREACH (a, &r->list, entry) {
		/* accepted was synced before it ran: it has been there */
		if (!a->answered || a->expires <= journal_floor(j) ||
		    journal_find(j, &a->id) != NULL)
			continue;
		memset(&ja, 0, sizeof(ja));
		ja.id = a->id;
		ja.expires = a->expires;
		rc = journal_hold(j, &ja, REFUSAL_DAMAGED, e);
		if (rc != 0)
			return rc;
		(*ret_n)++;
	}
	return 0;
}

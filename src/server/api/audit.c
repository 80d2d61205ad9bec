/* SPDX-License-Identifier: MPL-2.0 */
/* Api: the audit log as it is stored, with its chain, for who checks it. */
#include "server/api/api.h"
#include "server/api/resources.h"

#include "base/jsonw.h"
#include "server/store/audit.h"

#define PAGE 200

struct audit_stream {
	struct stream s; /* first */
	struct audit_head at;
	bool begun;
	size_t seen;
};

static void
add_head(struct jsonw *w, const char *type, const struct audit_head *h)
{
	jsonw_object(w, NULL);
	jsonw_str(w, "type", type);
	jsonw_u64(w, "n", h->n);
	jsonw_str(w, "chain", id_hex(&h->chain).s);
}

static int
audit_one(
    const struct audit_head *head, const void *text, size_t len, void *arg)
{
	struct audit_stream *x = arg;
	struct jsonw w;

	x->seen++;
	x->at = *head;
	jsonw_init(&w, &x->s.out);
	add_head(&w, "entry", head);
	jsonw_strn(&w, "text", text, len);
	jsonw_object_end(&w);
	buf_add_u8(&x->s.out, '\n');
	return (x->s.out.error);
}

static void
add_bound(struct audit_stream *x, const char *type)
{
	struct jsonw w;

	jsonw_init(&w, &x->s.out);
	add_head(&w, type, &x->at);
	jsonw_object_end(&w);
	buf_add_u8(&x->s.out, '\n');
}

static void
audit_fill(struct stream *s)
{
	struct audit_stream *x = (struct audit_stream *)s;

	if (!x->begun)
		add_bound(x, "start");
	x->begun = true;
	x->seen = 0;
	if (store_audit(s->q->api->read, x->at.n, PAGE, audit_one, x, NULL) !=
	    0) {
		s->out.error = s->out.error != 0 ? s->out.error : ERR_IO;
		return;
	}
	if (x->seen == PAGE)
		return;
	add_bound(x, "end");
	s->ended = true;
}

/* The entry to begin after: the floor, or so many before the newest. */
static int
find_start(
    struct store *s, uint64_t last, struct audit_head *ret, struct err *e)
{
	struct audit_head floor, head;
	int rc;

	if ((rc = store_audit_floor(s, &floor, e)) != 0 ||
	    (rc = store_audit_head(s, &head, e)) != 0)
		return (rc);
	if (last == 0 || head.n - floor.n <= last) {
		*ret = floor;
		return (0);
	}
	return (store_audit_at(s, head.n - last, ret, e));
}

void
res_audit(struct request *q)
{
	struct audit_head start;
	struct audit_stream *x;
	uint64_t last;
	struct err e;

	if (!request_number(q, "last", INT32_MAX, 0, &last))
		return;
	if (find_start(q->api->read, last, &start, &e) != 0) {
		reply_err(q, &e);
		return;
	}
	x = stream_new(q, sizeof(*x), NDJSON, audit_fill, NULL);
	if (x != NULL)
		x->at = start;
}

/* SPDX-License-Identifier: MPL-2.0 */
#include "server/audit.h"

#include "action/audit.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "base/str.h"
#include "server/store/audit.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define PRUNE_AT_ONCE 2000
#define DAY_MS 86400000

/* Names come from outside: what is no text is written as such. */
static void
add_text(struct jsonw *w, const char *key, const char *text)
{
	struct buf safe;

	if (text[0] == '\0')
		return;
	buf_init(&safe, AUDIT_TEXT_MAX / 2);
	str_add_printable(&safe, text, strlen(text));
	jsonw_strn(w, key, safe.data, safe.len);
	buf_release(&safe);
}

static int
write_text(
    const struct audit_note *n, int64_t now, struct buf *out, struct err *e)
{
	char when[RFC3339_LEN + 1];
	struct jsonw w;

	rfc3339_format(now / 1000, when);
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "time", when);
	jsonw_str(&w, "who", n->who);
	jsonw_str(&w, "what", n->what);
	add_text(&w, "object", n->object);
	add_text(&w, "detail", n->detail);
	jsonw_object_end(&w);
	if (buf_str(out) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	return (0);
}

static int
append(struct store *s, struct audit_head *head, const struct audit_note *note,
    int64_t now, struct err *e)
{
	struct buf text;
	int rc;

	buf_init(&text, AUDIT_TEXT_MAX);
	if ((rc = write_text(note, now, &text, e)) == 0) {
		audit_next(head, text.data, text.len);
		rc = store_audit_put(s, head, now, buf_str(&text), e);
	}
	buf_release(&text);
	return (rc);
}

/* The first entry makes this log another one than any other. */
static int
begin(struct store *s, struct audit_head *head, int64_t now, struct err *e)
{
	struct audit_note note = { "-", "log_begins", NULL, "" };
	uint8_t raw[16];
	char hex[2 * sizeof(raw) + 1];

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return (err_errno(e, "getrandom"));
	hex_encode(raw, sizeof(raw), hex);
	note.object = hex;
	return (append(s, head, &note, now, e));
}

int
audit_add(
    struct store *s, const struct audit_note *note, int64_t now, struct err *e)
{
	struct audit_head head;
	int rc;

	if ((rc = store_audit_head(s, &head, e)) == 0 && head.n == 0)
		rc = begin(s, &head, now, e);
	if (rc == 0)
		rc = append(s, &head, note, now, e);
	if (rc == 0)
		return (0);
	/* whatever it is, it is the store's fault and not the caller's */
	if (rc != ERR_FULL && rc != ERR_BUSY && rc != ERR_NOMEM)
		rc = ERR_IO;
	err_wrap(e, "the audit log cannot be written");
	e->code = rc;
	return (rc);
}

void
audit_who_local(char out[static AUDIT_WHO_MAX])
{
	snprintf(out, AUDIT_WHO_MAX, "local:uid %lld", (long long)getuid());
}

int
audit_local(struct store *s, const char *what, const char *object,
    const char *detail, struct err *e)
{
	struct audit_note note = { NULL, what, object, detail };
	char who[AUDIT_WHO_MAX];

	audit_who_local(who);
	note.who = who;
	return (audit_add(s, &note, clock_wall_ms(), e));
}

int
audit_prune(struct store *s, int64_t keep, int64_t now, struct err *e)
{
	struct audit_note note = { "-", "log_cut", "", NULL };
	char detail[AUDIT_DETAIL_MAX];
	int64_t before = now - keep * 1000, n = 0;
	struct audit_head floor;
	bool due = false;
	int rc;

	/* nothing is a day over its time: a later look takes it together */
	if ((rc = store_audit_due(s, before - DAY_MS, &due, e)) != 0 || !due)
		return (rc);
	if ((rc = store_audit_prune(s, before, PRUNE_AT_ONCE, &n, e)) != 0 ||
	    n == 0 || (rc = store_audit_floor(s, &floor, e)) != 0)
		return (rc);
	snprintf(detail, sizeof(detail),
	    "entries up to %llu were kept for %lld days and are removed; the"
	    " chain up to there is %s",
	    (unsigned long long)floor.n, (long long)(keep / 86400),
	    id_hex(&floor.chain).s);
	note.detail = detail;
	return (audit_add(s, &note, now, e));
}

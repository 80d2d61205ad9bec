/* SPDX-License-Identifier: MPL-2.0 */
#include "client/trust/auditlog.h"

#include "base/str.h"
#include "client/trust/linesum.h"
#include "json/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES (1024 * 1024)
#define N_MAX ((int64_t)1 << 53)

static int
read_head(const json_t *j, struct audit_head *ret, struct err *e)
{
	const char *chain;
	int64_t n;
	int r;

	if ((r = json_need_int(j, "", "n", 0, N_MAX, &n, e)) != 0 ||
	    (r = json_need_str(j, "", "chain", &chain, e)) != 0)
		return r;
	if (id_parse(chain, &ret->chain) != 0)
		return err_set(e, ERR_INVALID, "chain: expected 64 hex digits");
	ret->n = (uint64_t)n;
	return 0;
}

/* Every head that is right on its own is held against the one seen before. */
static int
compare_known(struct auditlog *l, const struct audit_head *h)
{
	if (l->known.n == 0 || h->n != l->known.n)
		return 0;
	l->known_seen = id_equal(&h->chain, &l->known.chain);
	if (l->known_seen)
		return 0;
	return err_set(&l->err, ERR_AUTH,
	    "the audit log was rewritten: entry %" PRIu64
	    " is not the one that this machine has seen before",
	    h->n);
}

static int
take_start(struct auditlog *l, const struct audit_head *h)
{
	if (l->started)
		return err_set(&l->err, ERR_INVALID, "it starts twice");
	l->started = true;
	l->at = l->start = *h;
	return compare_known(l, h);
}

static int
take_entry(struct auditlog *l, const struct audit_head *h, const json_t *j)
{
	const json_t *text = json_object_get(j, "text");
	int r;

	if (!l->started || l->ended || !json_is_string(text) ||
	    json_string_length(text) > AUDIT_TEXT_MAX)
		return err_set(
		    &l->err, ERR_INVALID, "an entry where there can be none");
	audit_next(&l->at, json_string_value(text), json_string_length(text));
	if (h->n != l->at.n)
		return err_set(&l->err, ERR_AUTH,
		    "the audit log is not whole: after entry %" PRIu64
		    " comes %" PRIu64,
		    l->at.n - 1, h->n);
	if (!id_equal(&h->chain, &l->at.chain))
		return err_set(&l->err, ERR_AUTH,
		    "the audit log was changed: entry %" PRIu64
		    " does not follow from the one before it",
		    h->n);
	r = compare_known(l, h);
	if (r == 0 && l->on_entry != NULL)
		r = l->on_entry(h, json_string_value(text),
		    json_string_length(text), l->arg);
	return r;
}

static int
take_end(struct auditlog *l, const struct audit_head *h)
{
	if (!l->started || l->ended)
		return err_set(
		    &l->err, ERR_INVALID, "an end where there can be none");
	l->ended = true;
	if (h->n != l->at.n || !id_equal(&h->chain, &l->at.chain))
		return err_set(&l->err, ERR_AUTH,
		    "the audit log's end is not that of its entries");
	return 0;
}

int
auditlog_line(const char *text, size_t len, void *log)
{
	struct auditlog *l = log;
	struct audit_head h;
	const char *type;
	json_t *j;
	int r;

	j = json_strict(text, len, LINE_MAX_BYTES, &l->err);
	if (j == NULL)
		return ERR_INVALID;
	if ((r = json_need_str(j, "", "type", &type, &l->err)) != 0 ||
	    (r = read_head(j, &h, &l->err)) != 0)
		;
	else if (strcmp(type, "start") == 0)
		r = take_start(l, &h);
	else if (strcmp(type, "entry") == 0)
		r = take_entry(l, &h, j);
	else if (strcmp(type, "end") == 0)
		r = take_end(l, &h);
	else
		r = err_set(&l->err, ERR_INVALID, "type: unknown");
	json_decref(j);
	return r;
}

int
auditlog_end(struct auditlog *l)
{
	if (!l->ended)
		return err_set(&l->err, ERR_INVALID,
		    "the server's answer ends in the middle");
	if (l->at.n < l->known.n)
		return err_set(&l->err, ERR_AUTH,
		    "the audit log was cut: this machine has seen %" PRIu64
		    " entries, and now there are %" PRIu64
		    " (was the server restored from a backup?)",
		    l->known.n, l->at.n);
	return 0;
}

bool
auditlog_reached_known(const struct auditlog *l)
{
	return l->known.n == 0 || l->known_seen;
}

size_t
auditlog_head_write(
    const struct audit_head *h, char out[static AUDITLOG_HEAD_MAX])
{
	int n = snprintf(out, AUDITLOG_HEAD_MAX, "%" PRIu64 " %s", h->n,
	    id_hex(&h->chain).s);

	linesum(out, (size_t)n, out + n + 1);
	out[n] = ' ';
	memcpy(out + n + 1 + LINESUM_LEN, "\n", 2);
	return (size_t)n + 1 + LINESUM_LEN + 1;
}

int
auditlog_head_parse(const void *text, size_t len, struct audit_head *ret)
{
	char line[AUDITLOG_HEAD_MAX], *chain, *said;
	struct audit_head h;

	if (len == 0 || len >= sizeof(line))
		return ERR_INVALID;
	memcpy(line, text, len);
	line[len] = '\0';
	chain = strchr(line, ' ');
	if (chain == NULL || line[len - 1] != '\n' || strlen(line) != len)
		return ERR_INVALID;
	line[len - 1] = '\0';
	said = strchr(chain + 1, ' ');
	if (said != NULL) {
		if (strlen(said + 1) != LINESUM_LEN ||
		    !linesum_is(line, (size_t)(said - line), said + 1))
			return ERR_INVALID;
		*said = '\0';
	}
	*chain = '\0';
	if (str_u64(line, 1, (uint64_t)N_MAX, &h.n) != 0 ||
	    id_parse(chain + 1, &h.chain) != 0)
		return ERR_INVALID;
	*ret = h;
	return 0;
}

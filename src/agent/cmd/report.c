/* SPDX-License-Identifier: MPL-2.0 */
/* mig-agent report: the agent's own record for people, or as JSON lines. */
#include "action/policy_refusal.h"
#include "action/refusal.h"
#include "action/result.h"
#include "agent/conf.h"
#include "agent/monitor/once.h"
#include "agent/store/ownrecord.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "base/str.h"
#include "modules/module.h"
#include "record/record.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LINE_MAX_BYTES 65536

struct report {
	bool json;
	int64_t since_ms; /* what is older is not shown */
	uint64_t entries;
	struct buf line;
};

static const char *
module_word(unsigned int number)
{
	const char *name = module_name(number);

	return name == NULL ? "unknown" : name;
}

static void
add_time(struct buf *out, int64_t ms)
{
	char text[RFC3339_LEN + 1];

	rfc3339_format(ms / 1000, text);
	buf_add_str(out, text);
}

static const char *
status_word(unsigned int status)
{
	return status == RESULT_DONE   ? "done"
	    : status == RESULT_REFUSED ? "refused"
	    : status == RESULT_STOPPED ? "stopped"
				       : "unknown";
}

/* --- for people ----------------------------------------------------------- */

/* keys: those they signed with, where they are not their own; or NULL. */
static void
text_signers(const uint8_t (*persons)[PGP_FPR_LEN],
    const uint8_t (*keys)[PGP_FPR_LEN], size_t n, struct buf *out)
{
	char hex[2 * PGP_FPR_LEN + 1];
	size_t i;

	buf_add_str(out, "\n    signed by");
	for (i = 0; i < n; i++) {
		hex_encode(persons[i], PGP_FPR_LEN, hex);
		buf_add_fmt(out, " %s", hex);
		if (keys == NULL ||
		    memcmp(persons[i], keys[i], PGP_FPR_LEN) == 0)
			continue;
		hex_encode(keys[i], PGP_FPR_LEN, hex);
		buf_add_fmt(out, " (key %s)", hex);
	}
}

static void
text_asked(const struct own_asked *a, struct buf *out)
{
	size_t i;

	add_time(out, a->time_ms);
	buf_add_fmt(out, " %s %s \"", id_short(&a->id).s,
	    a->reason == 0 ? "accepted" : "refused");
	str_add_printable(out, a->name, strlen(a->name));
	buf_add_u8(out, '"');
	text_signers(a->persons, a->keys, a->nsigners, out);
	if (a->noperations > 0)
		buf_add_str(out, "\n    asks");
	for (i = 0; i < a->noperations; i++)
		buf_add_fmt(out, " %s", module_word(a->modules[i]));
	if (a->target[0] != '\0') {
		buf_add_str(out, "\n    target ");
		str_add_printable(out, a->target, strlen(a->target));
	}
	if (a->reason != 0) {
		buf_add_fmt(out, "\n    because %s", refusal_text(a->reason));
		if (a->detail[0] != '\0') {
			buf_add_str(out, ": ");
			str_add_printable(out, a->detail, strlen(a->detail));
		}
	}
	buf_add_u8(out, '\n');
}

static void
text_answered(const struct own_answered *a, struct buf *out)
{
	add_time(out, a->time_ms);
	buf_add_fmt(
	    out, " %s answered %s", id_short(&a->id).s, status_word(a->status));
	if (a->status == RESULT_REFUSED)
		buf_add_fmt(out, ": %s\n", refusal_text(a->reason));
	else
		buf_add_fmt(out,
		    "%s: %u operations done, %u not; %" PRIu64
		    " bytes, sealed %" PRIu32 "\n",
		    a->reason == REFUSAL_CANCELLED ? " (cancelled)" : "",
		    (unsigned int)a->done, (unsigned int)a->failed,
		    a->plain_len, a->sealed_len);
}

static void
text_cancelled(const struct own_cancelled *c, struct buf *out)
{
	add_time(out, c->time_ms);
	buf_add_fmt(out, " %s ", id_short(&c->action).s);
	str_add_printable(out, c->text, strlen(c->text));
	text_signers(c->by.persons, NULL, c->by.n, out);
	buf_add_str(out,
	    c->open ? "\n    it was waiting or running and is stopped\n"
		    : "\n    it is not here; should it come, it is not run if "
		      "they may cancel it\n");
}

/* --- as JSON -------------------------------------------------------------- */

static void
json_begin(struct jsonw *w, uint64_t position, const char *type, int64_t ms,
    struct buf *out)
{
	jsonw_init(w, out);
	jsonw_object(w, NULL);
	jsonw_u64(w, "position", position);
	jsonw_str(w, "type", type);
	jsonw_i64(w, "time", ms);
}

static void
json_fingerprints(struct jsonw *w, const char *key,
    const uint8_t (*list)[PGP_FPR_LEN], size_t n)
{
	char hex[2 * PGP_FPR_LEN + 1];
	size_t i;

	jsonw_array(w, key);
	for (i = 0; i < n; i++) {
		hex_encode(list[i], PGP_FPR_LEN, hex);
		jsonw_str(w, NULL, hex);
	}
	jsonw_array_end(w);
}

static void
json_asked(const struct own_asked *a, uint64_t position, struct buf *out)
{
	struct jsonw w;
	size_t i;

	json_begin(&w, position, "asked", a->time_ms, out);
	jsonw_str(&w, "action", id_hex(&a->id).s);
	jsonw_bool(&w, "accepted", a->reason == 0);
	jsonw_i64(&w, "reason", a->reason);
	if (a->reason != 0)
		jsonw_str(&w, "text", refusal_text(a->reason));
	jsonw_str(&w, "detail", a->detail);
	jsonw_str(&w, "name", a->name);
	jsonw_str(&w, "target", a->target);
	jsonw_i64(&w, "validfrom", a->valid_from);
	jsonw_i64(&w, "expireafter", a->expire_after);
	json_fingerprints(&w, "signers", a->persons, a->nsigners);
	json_fingerprints(&w, "keys", a->keys, a->nsigners);
	jsonw_array(&w, "modules");
	for (i = 0; i < a->noperations; i++)
		jsonw_str(&w, NULL, module_word(a->modules[i]));
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	buf_add_u8(out, '\n');
}

static void
json_answered(const struct own_answered *a, uint64_t position, struct buf *out)
{
	struct jsonw w;

	json_begin(&w, position, "answered", a->time_ms, out);
	jsonw_str(&w, "action", id_hex(&a->id).s);
	jsonw_str(&w, "status", status_word(a->status));
	jsonw_i64(&w, "reason", a->reason);
	jsonw_i64(&w, "done", a->done);
	jsonw_i64(&w, "failed", a->failed);
	jsonw_u64(&w, "bytes", a->plain_len);
	jsonw_i64(&w, "sealed", a->sealed_len);
	jsonw_object_end(&w);
	buf_add_u8(out, '\n');
}

static void
text_policy(const struct own_policy *p, struct buf *out)
{
	add_time(out, p->time_ms);
	buf_add_fmt(out,
	    " policy version %" PRIu64 " %s version %" PRIu64 ", hash %s",
	    p->version, p->reason == 0 ? "replaces" : "refused; it stays",
	    p->was, id_hex(&p->hash).s);
	text_signers(p->persons, p->keys, p->nsigners, out);
	if (p->reason != 0) {
		buf_add_fmt(
		    out, "\n    because %s: ", policy_refusal_text(p->reason));
		str_add_printable(out, p->detail, strlen(p->detail));
	}
	buf_add_u8(out, '\n');
}

static void
json_policy(const struct own_policy *p, uint64_t position, struct buf *out)
{
	struct jsonw w;

	json_begin(&w, position, "policy", p->time_ms, out);
	jsonw_str(&w, "hash", id_hex(&p->hash).s);
	jsonw_u64(&w, "version", p->version);
	jsonw_u64(&w, "before", p->was);
	jsonw_bool(&w, "taken", p->reason == 0);
	jsonw_i64(&w, "reason", p->reason);
	if (p->reason != 0)
		jsonw_str(&w, "text", policy_refusal_text(p->reason));
	jsonw_str(&w, "detail", p->detail);
	json_fingerprints(&w, "signers", p->persons, p->nsigners);
	json_fingerprints(&w, "keys", p->keys, p->nsigners);
	jsonw_object_end(&w);
	buf_add_u8(out, '\n');
}

static void
json_cancelled(
    const struct own_cancelled *c, uint64_t position, struct buf *out)
{
	struct jsonw w;

	json_begin(&w, position, "cancelled", c->time_ms, out);
	jsonw_str(&w, "action", id_hex(&c->action).s);
	jsonw_bool(&w, "open", c->open);
	jsonw_str(&w, "text", c->text);
	json_fingerprints(&w, "signers", c->by.persons, c->by.n);
	jsonw_object_end(&w);
	buf_add_u8(out, '\n');
}

static void
print_note(struct report *r, uint64_t position, int64_t ms, const char *text)
{
	struct jsonw w;

	if (r->json) {
		json_begin(&w, position, "note", ms, &r->line);
		jsonw_str(&w, "text", text);
		jsonw_object_end(&w);
	} else {
		add_time(&r->line, ms);
		buf_add_str(&r->line, " note: ");
		str_add_printable(&r->line, text, strlen(text));
	}
	buf_add_u8(&r->line, '\n');
}

static int
on_entry(uint64_t position, uint16_t type, const uint8_t *data, size_t len,
    void *arg)
{
	struct report *r = arg;
	struct own_answered answered;
	struct own_cancelled cancelled;
	struct own_asked asked;
	struct own_policy policy;
	char text[NOTE_MAX];
	int64_t ms;

	buf_clear(&r->line);
	r->entries++;
	if (type == OWN_ASKED && own_asked_parse(data, len, &asked) == 0) {
		ms = asked.time_ms;
		if (r->json)
			json_asked(&asked, position, &r->line);
		else
			text_asked(&asked, &r->line);
	} else if (type == OWN_ANSWERED &&
	    own_answered_parse(data, len, &answered) == 0) {
		ms = answered.time_ms;
		if (r->json)
			json_answered(&answered, position, &r->line);
		else
			text_answered(&answered, &r->line);
	} else if (type == OWN_POLICY &&
	    own_policy_parse(data, len, &policy) == 0) {
		ms = policy.time_ms;
		if (r->json)
			json_policy(&policy, position, &r->line);
		else
			text_policy(&policy, &r->line);
	} else if (type == OWN_CANCELLED &&
	    own_cancelled_parse(data, len, &cancelled) == 0) {
		ms = cancelled.time_ms;
		if (r->json)
			json_cancelled(&cancelled, position, &r->line);
		else
			text_cancelled(&cancelled, &r->line);
	} else if (type == OWN_NOTE &&
	    own_note_parse(data, len, &ms, text) == 0) {
		print_note(r, position, ms, text);
	} else {
		return ERR_INVALID;
	}
	if (ms >= r->since_ms)
		fwrite(r->line.data, 1, r->line.len, stdout);
	return r->line.error;
}

/* A point in time, or how long ago. */
static int
since_parse(const char *text, int64_t *ret_ms, struct err *e)
{
	int64_t seconds;
	int rc;

	if (rfc3339_parse(text, &seconds) == 0) {
		*ret_ms = seconds * 1000;
		return 0;
	}
	rc = duration_option("--since", text,
	    "a time as 2026-11-23T03:44:11Z or how long ago as 90s, 2h, 7d",
	    &seconds, e);
	if (rc == 0)
		*ret_ms = clock_wall_ms() - seconds * 1000;
	return rc;
}

/* No record: an agent that was asked nothing, or none at all. */
static void
say_no_record(const char *state, const char *path)
{
	char who[PATH_MAX];
	struct stat st;

	snprintf(who, sizeof(who), "%s/identity", state);
	if (lstat(who, &st) == 0)
		fprintf(stderr, "mig-agent: %s: nothing was asked yet\n", path);
	else if (errno == ENOENT)
		fprintf(stderr,
		    "mig-agent: there is no agent in %s: run 'mig-agent "
		    "enrol', or name the configuration with -c\n",
		    state);
	else
		fprintf(stderr, "mig-agent: %s: %s\n", who, strerror(errno));
}

int
report_main(const char *conf_path, const char *since, bool json)
{
	struct report r = { .json = json, .since_ms = INT64_MIN };
	struct agent_conf c;
	char path[PATH_MAX];
	struct err e;
	int rc;

	memset(&c, 0, sizeof(c));
	err_clear(&e);
	if (since != NULL && since_parse(since, &r.since_ms, &e) != 0) {
		fprintf(stderr, "mig-agent: %s\n", e.msg);
		return AGENT_USAGE;
	}
	if (agent_conf_load(conf_path, &c, &e) != 0) {
		fprintf(stderr, "mig-agent: %s\n", e.msg);
		return 1;
	}
	snprintf(path, sizeof(path), "%s/record", c.state);
	buf_init(&r.line, LINE_MAX_BYTES);
	rc = record_scan(path, on_entry, &r, &e);
	if (rc == ERR_NOTFOUND) {
		say_no_record(c.state, path);
	} else if (rc != 0) {
		fflush(stdout);
		fprintf(stderr,
		    "mig-agent: the record %s after entry %" PRIu64 ": %s\n",
		    rc == ERR_INVALID ? "is damaged" : "cannot be read",
		    r.entries, e.msg[0] == '\0' ? err_text(rc) : e.msg);
	}
	buf_release(&r.line);
	agent_conf_release(&c);
	return rc == 0 ? 0 : 1;
}

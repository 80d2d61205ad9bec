/* SPDX-License-Identifier: MPL-2.0 */
/* Building hellos; see hello.h. No JSON is parsed here, only written. */
#include "agent/monitor/hello.h"

#include "action/hello_make.h"
#include "agent/monitor/chain.h"
#include "agent/store/journal.h"
#include "agent/monitor/monitor.h"
#include "agent/monitor/role.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "modules/module.h"
#include "mqtt/wire.h"
#include "record/record.h"

#include <stdlib.h>
#include <string.h>

#define KNOWN_MAX 200
#define MODULE_NUMBERS 64

static bool
read_again(struct agent *a)
{
	struct facts now;
	struct err e;

	err_clear(&e);
	if (facts_read(&now, &a->conf, &a->state.who.id,
		agent_mode_text(a->mode), a->sandbox, &e) != 0) {
		log_warn("facts why=%s", log_quote(e.msg));
		return false;
	}
	if (facts_equal(&now, &a->facts)) {
		facts_release(&now);
		return false;
	}
	facts_release(&a->facts);
	a->facts = now;
	return true;
}

void
hello_refresh(struct agent *a)
{
	if (read_again(a))
		role_restart(a->judge);
}

void
hello_refresh_sandbox(struct agent *a)
{
	/* targets see the same environment as hellos do */
	hello_refresh(a);
}

static void
add_modules(struct jsonw *w)
{
	unsigned int i;

	jsonw_array(w, "modules");
	for (i = 1; i < MODULE_NUMBERS; i++) {
		if (module_name(i) != NULL)
			jsonw_str(w, NULL, module_name(i));
	}
	jsonw_array_end(w);
}

static void
add_own(struct agent *a, uint64_t connection, struct jsonw *w)
{
	const struct facts *f = &a->facts;

	jsonw_str(w, "id", f->id);
	jsonw_str(w, "name", f->name);
	jsonw_str(w, "version", MIG_VERSION);
	jsonw_i64(w, "protocol", WIRE_PROTOCOL);
	jsonw_str(w, "mode", f->mode);
	jsonw_str(w, "os", f->host.os);
	jsonw_str(w, "arch", f->host.arch);
	jsonw_str(w, "ident", f->host.ident);
	jsonw_i64(w, "time", clock_wall_ms());
	jsonw_u64(w, "connection", connection);
	jsonw_raw(w, "environment", f->environment, strlen(f->environment));
	jsonw_raw(w, "tags", f->tags, strlen(f->tags));
	jsonw_raw(w, "addresses", f->addresses, strlen(f->addresses));
	add_modules(w);
	jsonw_object(w, "policy");
	jsonw_u64(w, "version", a->policy.version);
	jsonw_str(w, "hash", id_hex(&a->policy_hash).s);
	chain_say_refused(a->chain, w);
	jsonw_object_end(w);
	jsonw_object(w, "record");
	jsonw_u64(w, "position", record_position(a->record));
	jsonw_str(w, "head", id_hex(record_head(a->record)).s);
	jsonw_object_end(w);
	jsonw_i64(w, "interval", a->conf.hello_interval);
	if (id_is_zero(&a->state.token))
		return;
	jsonw_object(w, "enrolment");
	jsonw_str(w, "token", id_hex(&a->state.token).s);
	jsonw_str(w, "proof", id_hex(&a->state.proof).s);
	jsonw_object_end(w);
}

static int
write_json(struct agent *a, uint64_t connection, const struct id *known,
    size_t n, struct buf *json)
{
	struct jsonw w;
	size_t i;

	buf_clear(json);
	jsonw_init(&w, json);
	jsonw_object(&w, NULL);
	add_own(a, connection, &w);
	jsonw_array(&w, "known");
	for (i = 0; i < n; i++)
		jsonw_str(&w, NULL, id_hex(&known[i]).s);
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	return json->error;
}

int
hello_build(
    struct agent *a, uint64_t connection, struct buf *out, struct err *e)
{
	struct id *known = calloc(KNOWN_MAX, sizeof(*known));
	struct buf json;
	size_t n;
	int rc;

	if (known == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	n = journal_known(a->journal, agent_now(a), known, KNOWN_MAX);
	buf_init(&json, HELLO_MAX - HELLO_PREFIX_LEN);
	/* the newest stay, the rest is asked again and ignored again */
	while (
	    (rc = write_json(a, connection, known, n, &json)) == ERR_TOOBIG &&
	    n > 0)
		n = n * 3 / 4;
	if (rc == 0)
		rc = hello_make(&a->state.who, json.data, json.len, out, e);
	else
		err_set(e, rc, "hello: %s", err_text(rc));
	buf_release(&json);
	free(known);
	return rc;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* The policy that this client knows, and what follows it: see policy_file.h. */
#include "client/policy/policy_file.h"

#include "base/clock.h"
#include "base/file.h"
#include "client/api/api.h"
#include "json/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KNOWN_FILE "known-policy"
#define STEPS_MAX 100000

/* --- the known one ---------------------------------------------------------
 */

int
policy_known(struct client *c, struct policy_file *f, struct err *e)
{
	char *path;
	int r;

	memset(f, 0, sizeof(*f));
	r = client_conf_load(c, e);
	if (r != 0)
		return r;
	path = client_beside(c, KNOWN_FILE, e);
	if (path == NULL)
		return ERR_NOMEM;
	r = policy_file_load(path, f, e);
	if (r == ERR_NOTFOUND)
		err_set(e, r,
		    "this client knows no policy yet: mig policy pin FILE, or "
		    "mig policy pin HASH with the hash that mig policy make "
		    "or mig-server token printed");
	free(path);
	return r;
}

int
policy_known_save(struct client *c, const struct policy_file *f, struct err *e)
{
	struct buf text;
	char *path;
	int r = client_conf_load(c, e);

	path = r == 0 ? client_beside(c, KNOWN_FILE, e) : NULL;
	if (path == NULL)
		return r != 0 ? r : ERR_NOMEM;
	buf_init(&text, POLICY_MAX + 1024);
	r = policy_file_known(f, &text);
	if (r != 0)
		err_set(e, r, "out of memory");
	if (r == 0)
		r = client_mkdir_for(path, e);
	if (r == 0)
		r = file_write(path, text.data, text.len, 0600, e);
	buf_release(&text);
	free(path);
	return r;
}

/* What follows the one that was known, unless something else is known by now:
 * a mig beside this one may have followed further, or a person have pinned
 * another. */
static int
known_replace(struct client *c, const struct id *was,
    const struct policy_file *f, struct err *e)
{
	char *path = client_beside(c, KNOWN_FILE, e);
	struct policy_file now;
	int lock = -1, r;

	if (path == NULL)
		return ERR_NOMEM;
	r = client_lock_for(path, &lock, e);
	free(path);
	if (r != 0)
		return r;
	r = policy_known(c, &now, e);
	if (r == 0 && id_equal(&now.policy.hash, was))
		r = policy_known_save(c, f, e);
	policy_file_release(&now);
	close(lock);
	return r;
}

/* --- from the server -------------------------------------------------------
 */

static int
on_bytes(const void *data, size_t len, void *arg)
{
	return buf_add(arg, data, len);
}

static int
fetch(struct client *c, const struct id *hash, const char *form,
    struct buf *out, struct err *e)
{
	char path[128];

	snprintf(
	    path, sizeof(path), "/api/v1/policies/%s%s", id_hex(hash).s, form);
	return api_stream(c, path, on_bytes, NULL, out, e);
}

int
policy_by_hash(struct client *c, const struct id *hash, struct policy_file *f,
    struct err *e)
{
	int r = policy_known(c, f, e);

	if (r == 0 && id_equal(&f->policy.hash, hash))
		return 0;
	policy_file_release(f);
	err_clear(e);
	buf_init(&f->text, POLICY_MAX);
	buf_init(&f->binary, ENVELOPE_MAX);
	r = fetch(c, hash, "", &f->text, e);
	if (r == 0)
		r = policy_parse(f->text.data, f->text.len, &f->policy, e);
	if (r == 0 && !id_equal(&f->policy.hash, hash))
		r = err_set(e, ERR_AUTH,
		    "the server gives another policy than the one with the "
		    "hash %s",
		    id_hex(hash).s);
	return r;
}

static int
fetch_signed(struct client *c, const struct id *hash, struct policy_file *f,
    struct err *e)
{
	struct buf json;
	int r;

	memset(f, 0, sizeof(*f));
	buf_init(&json, 4 * ENVELOPE_MAX);
	r = fetch(c, hash, "/signed", &json, e);
	if (r == 0)
		r = policy_file_signed(json.data, json.len, f, e);
	buf_release(&json);
	return r;
}

/* --- the chain -------------------------------------------------------------
 */

/* What the server says follows; true with its hash. */
static bool
successor(const json_t *list, const struct id *of, struct id *ret)
{
	const char *previous, *hash;
	struct id id;
	const json_t *v;
	size_t i;

	json_array_foreach (list, i, v) {
		previous = json_string_value(json_object_get(v, "previous"));
		hash = json_string_value(json_object_get(v, "hash"));
		if (previous != NULL && hash != NULL &&
		    json_is_true(json_object_get(v, "signed")) &&
		    id_parse(previous, &id) == 0 && id_equal(&id, of) &&
		    id_parse(hash, ret) == 0)
			return true;
	}
	return false;
}

/* Towards the newest: each step is verified as an agent would. */
static int
follow(struct client *c, const json_t *list, struct policy_chain *ch,
    struct err *e)
{
	const struct id was = ch->newest.policy.hash;
	struct policy_file next;
	struct id hash;
	size_t n;
	int r = 0;

	for (n = 0;
	     n < STEPS_MAX && successor(list, &ch->newest.policy.hash, &hash);
	     n++) {
		r = fetch_signed(c, &hash, &next, e);
		if (r == 0)
			r = policy_file_step(&ch->newest.policy, &next,
			    clock_wall_ms() / 1000, e);
		if (r != 0) {
			policy_file_release(&next);
			return err_wrap(e,
			    "the policy that the server has after version "
			    "%" PRIu64,
			    ch->newest.policy.version);
		}
		policy_file_release(&ch->newest);
		ch->newest = next;
	}
	return n > 0 ? known_replace(c, &was, &ch->newest, e) : 0;
}

/* Backwards, as far as the server has them. */
static int
remember_past(struct client *c, struct policy_chain *ch, struct err *e)
{
	struct policy_file f;
	struct id previous = ch->newest.policy.previous;
	uint64_t version = ch->newest.policy.version;
	int r = 0;

	while (r == 0 && version-- > 1 && ch->npast < POLICY_PAST_MAX) {
		ch->past[ch->npast].hash = previous;
		ch->past[ch->npast].version = version;
		ch->past[ch->npast++].expires = 0;
		r = policy_by_hash(c, &previous, &f, e);
		if (r == 0) {
			ch->past[ch->npast - 1].expires = f.policy.expires;
			previous = f.policy.previous;
		}
		policy_file_release(&f);
	}
	if (r != 0 && r != ERR_NOTFOUND)
		return err_wrap(e, "policy version %" PRIu64, version);
	err_clear(e);
	return 0;
}

int
policy_chain_load(
    struct client *c, bool with_past, struct policy_chain *ret, struct err *e)
{
	json_t *j = NULL, *list;
	int r;

	memset(ret, 0, sizeof(*ret));
	r = policy_known(c, &ret->newest, e);
	if (r == 0)
		r = api_json(c, "GET", "/api/v1/policies", NULL, &j, e);
	if (r == 0)
		r = json_need_array(j, "", "policies", &list, e);
	if (r == 0)
		r = follow(c, list, ret, e);
	json_decref(j);
	if (r != 0)
		return r;
	ret->past[0].hash = ret->newest.policy.hash;
	ret->past[0].version = ret->newest.policy.version;
	ret->past[0].expires = ret->newest.policy.expires;
	ret->npast = 1;
	return with_past ? remember_past(c, ret, e) : 0;
}

void
policy_chain_release(struct policy_chain *ch)
{
	policy_file_release(&ch->newest);
}

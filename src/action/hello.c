/* SPDX-License-Identifier: MPL-2.0 */
/* Reading a hello on the server's and the client's side. */
#include "action/hello.h"

#include "base/err.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

#define HELLO_TEXT_MAX 256
#define HELLO_NUMBER_MAX ((int64_t)1 << 53)

static int
need_text(const json_t *o, const char *key, const char **ret, struct err *e)
{
	int rc = json_need_str(o, "", key, ret, e);

	if (rc == 0 && strlen(*ret) > HELLO_TEXT_MAX)
		rc = err_set(e, ERR_INVALID, "%s: more than %d bytes", key,
		    HELLO_TEXT_MAX);
	return rc;
}

static char *
compact(const json_t *v, struct err *e)
{
	char *s = json_text(v, JSON_COMPACT);

	if (s == NULL)
		err_set(e, ERR_NOMEM, "hello: out of memory");
	return s;
}

/* Members of facts are plain; those of tags are strings. */
static int
read_facts(
    const json_t *o, const char *key, bool strings, char **ret, struct err *e)
{
	json_t *facts, *v;
	const char *k;
	int rc = json_need_object(o, "", key, &facts, e);

	if (rc != 0)
		return rc;
	json_object_foreach (facts, k, v) {
		if (json_is_string(v) ||
		    (!strings && !json_is_object(v) && !json_is_array(v)))
			continue;
		return err_set(e, ERR_INVALID, "%s: expected %s", key,
		    strings ? "strings only" : "plain values only");
	}
	*ret = compact(facts, e);
	return *ret == NULL ? ERR_NOMEM : 0;
}

static int
need_strings(const json_t *o, const char *key, json_t **ret, struct err *e)
{
	json_t *v;
	size_t i;
	int rc = json_need_array(o, "", key, ret, e);

	if (rc != 0)
		return rc;
	json_array_foreach (*ret, i, v) {
		if (!json_is_string(v))
			return err_set(e, ERR_INVALID,
			    "%s[%zu]: expected a string", key, i);
	}
	return 0;
}

static int
read_lists(struct hello *h, struct err *e)
{
	const char *id;
	json_t *list;
	size_t i, n;
	int rc;

	if ((rc = need_strings(h->root, "modules", &list, e)) != 0 ||
	    (rc = need_strings(h->root, "addresses", &list, e)) != 0)
		return rc;
	h->addresses = compact(list, e);
	if (h->addresses == NULL)
		return ERR_NOMEM;
	rc = need_strings(h->root, "known", &list, e);
	if (rc != 0)
		return rc;
	n = json_array_size(list);
	h->known = calloc(n == 0 ? 1 : n, sizeof(*h->known));
	if (h->known == NULL)
		return err_set(e, ERR_NOMEM, "hello: out of memory");
	for (i = 0; i < n; i++) {
		id = json_string_value(json_array_get(list, i));
		if (id_parse_lower(id, &h->known[i]) != 0)
			return err_set(e, ERR_INVALID,
			    "known[%zu]: expected 64 lower-case hex digits", i);
	}
	h->nknown = n;
	return 0;
}

static int
read_refused(struct hello *h, const json_t *o, struct err *e)
{
	static const char *const keys[] = { "hash", "version", "reason", NULL };
	int64_t version = 0, reason = 0;
	int rc;

	if ((rc = json_only_keys(o, "policy.refused", keys, e)) != 0 ||
	    (rc = json_need_id(
		 o, "policy.refused", "hash", &h->refused.hash, e)) != 0 ||
	    (rc = json_need_int(o, "policy.refused", "version", 0,
		 HELLO_NUMBER_MAX, &version, e)) != 0 ||
	    (rc = json_need_int(o, "policy.refused", "reason", 1, UINT16_MAX,
		 &reason, e)) != 0)
		return rc;
	h->refused.there = true;
	h->refused.version = (uint64_t)version;
	h->refused.reason = (unsigned int)reason;
	return 0;
}

static int
read_policy(struct hello *h, struct err *e)
{
	static const char *const keys[] = { "version", "hash", "refused",
		NULL };
	json_t *policy, *refused;
	int64_t version = 0;
	int rc;

	if ((rc = json_need_object(h->root, "", "policy", &policy, e)) != 0 ||
	    (rc = json_only_keys(policy, "policy", keys, e)) != 0 ||
	    (rc = json_need_int(policy, "policy", "version", 0,
		 HELLO_NUMBER_MAX, &version, e)) != 0 ||
	    (rc = json_need_id(policy, "policy", "hash", &h->policy_hash, e)) !=
		0)
		return rc;
	h->policy_version = (uint64_t)version;
	refused = json_object_get(policy, "refused");
	return refused != NULL ? read_refused(h, refused, e) : 0;
}

static int
read_numbers(struct hello *h, struct err *e)
{
	static const char *const record_keys[] = { "position", "head", NULL };
	const json_t *o = h->root;
	int64_t position = 0;
	json_t *record;
	int rc;

	if ((rc = json_need_int(o, "", "protocol", 1, 255, &h->protocol, e)) !=
		0 ||
	    (rc = json_need_int(
		 o, "", "time", 0, HELLO_NUMBER_MAX, &h->time_ms, e)) != 0 ||
	    (rc = json_need_int(o, "", "connection", 0, HELLO_NUMBER_MAX,
		 &h->connection, e)) != 0 ||
	    (rc = json_opt_int(o, "", "interval", 1, (int64_t)30 * 86400,
		 &h->interval, e)) != 0 ||
	    (rc = read_policy(h, e)) != 0 ||
	    (rc = json_need_object(o, "", "record", &record, e)) != 0 ||
	    (rc = json_only_keys(record, "record", record_keys, e)) != 0 ||
	    (rc = json_need_int(record, "record", "position", 0,
		 HELLO_NUMBER_MAX, &position, e)) != 0 ||
	    (rc = json_need_id(record, "record", "head", &h->record_head, e)) !=
		0)
		return rc;
	h->record_position = (uint64_t)position;
	return 0;
}

/* With which token it was enrolled, and what only who had it can say. */
static int
read_enrolment(struct hello *h, struct err *e)
{
	static const char *const keys[] = { "token", "proof", NULL };
	json_t *o;
	int rc;

	if (json_object_get(h->root, "enrolment") == NULL)
		return 0;
	if ((rc = json_need_object(h->root, "", "enrolment", &o, e)) != 0 ||
	    (rc = json_only_keys(o, "enrolment", keys, e)) != 0 ||
	    (rc = json_need_id(o, "enrolment", "token", &h->token, e)) != 0)
		return rc;
	return json_need_id(o, "enrolment", "proof", &h->proof, e);
}

static int
read_fields(struct hello *h, struct err *e)
{
	static const char *const keys[] = { "id", "name", "version", "protocol",
		"mode", "os", "arch", "ident", "time", "connection",
		"environment", "tags", "addresses", "modules", "policy",
		"record", "known", "interval", "enrolment", NULL };
	struct target_row *row = &h->row;
	const json_t *o = h->root;
	struct id id;
	int rc;

	if ((rc = json_only_keys(o, "", keys, e)) != 0 ||
	    (rc = json_need_id(o, "", "id", &id, e)) != 0 ||
	    (rc = need_text(o, "id", &row->id, e)) != 0 ||
	    (rc = need_text(o, "name", &row->name, e)) != 0 ||
	    (rc = need_text(o, "os", &row->os, e)) != 0 ||
	    (rc = need_text(o, "arch", &row->arch, e)) != 0 ||
	    (rc = need_text(o, "ident", &row->ident, e)) != 0 ||
	    (rc = need_text(o, "version", &row->version, e)) != 0 ||
	    (rc = need_text(o, "mode", &row->mode, e)) != 0)
		return rc;
	/* the row shows the id to targets: lower case, as everywhere */
	if (!id_equal(&id, &h->agent) || strcmp(row->id, id_hex(&id).s) != 0)
		return err_set(e, ERR_AUTH, "id: not that of the key");
	if ((rc = read_facts(o, "environment", false, &h->environment, e)) !=
		0 ||
	    (rc = read_facts(o, "tags", true, &h->tags, e)) != 0 ||
	    (rc = read_lists(h, e)) != 0 || (rc = read_numbers(h, e)) != 0 ||
	    (rc = read_enrolment(h, e)) != 0)
		return rc;
	row->environment = h->environment;
	row->tags = h->tags;
	row->addresses = h->addresses;
	return 0;
}

int
hello_parse(const void *data, size_t len, struct hello *ret, struct err *e)
{
	const uint8_t *pub, *sig, *json;
	struct hello h = { 0 };
	struct rd r;
	size_t n;
	int rc;

	if (len > HELLO_MAX)
		return err_set(e, ERR_TOOBIG, "hello: %zu bytes, at most %d",
		    len, HELLO_MAX);
	rd_init(&r, data, len);
	if (rd_u8(&r) != 3)
		return err_set(e, ERR_INVALID, "hello: not of version 3");
	pub = rd_bytes(&r, IDENTITY_PUB_LEN);
	sig = rd_bytes(&r, IDENTITY_SIG_LEN);
	n = r.left;
	json = rd_bytes(&r, n);
	if (r.bad || n == 0)
		return err_set(e, ERR_INVALID, "hello: too short");
	rc = identity_check(pub, PURPOSE_HELLO, json, n, sig);
	if (rc != 0)
		return err_set(e, rc, "hello: the signature %s",
		    rc == ERR_NOMEM ? "cannot be checked: out of memory"
				    : "does not verify");
	identity_id(pub, &h.agent);
	memcpy(h.pub, pub, sizeof(h.pub));
	h.root = json_strict(json, n, HELLO_MAX, e);
	if (h.root == NULL)
		return err_wrap(e, "hello");
	rc = read_fields(&h, e);
	if (rc != 0) {
		err_wrap(e, "hello");
		hello_release(&h);
		return rc;
	}
	*ret = h;
	return 0;
}

int
hello_protocol(const void *data, size_t len, struct id *ret_agent,
    int64_t *ret_protocol, struct err *e)
{
	const uint8_t *pub, *sig, *json;
	struct rd r;
	json_t *root;
	size_t n;
	int rc;

	rd_init(&r, data, len);
	(void)rd_u8(&r);
	pub = rd_bytes(&r, IDENTITY_PUB_LEN);
	sig = rd_bytes(&r, IDENTITY_SIG_LEN);
	n = r.left;
	json = rd_bytes(&r, n);
	if (r.bad || n == 0 || len > HELLO_MAX ||
	    identity_check(pub, PURPOSE_HELLO, json, n, sig) != 0)
		return err_set(
		    e, ERR_AUTH, "hello: the signature does not verify");
	root = json_strict(json, n, HELLO_MAX, e);
	if (root == NULL)
		return ERR_INVALID;
	rc = json_need_int(root, "", "protocol", 1, 255, ret_protocol, e);
	json_decref(root);
	if (rc == 0)
		identity_id(pub, ret_agent);
	return rc;
}

void
hello_release(struct hello *h)
{
	json_decref(h->root);
	free(h->environment);
	free(h->tags);
	free(h->addresses);
	free(h->known);
	memset(h, 0, sizeof(*h));
}

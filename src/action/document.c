/* SPDX-License-Identifier: MPL-2.0 */
/* Reading an action document. The order matters: what is malformed is said
 * before what a module thinks of its parameters. */
#include "action/document.h"

#include "base/err.h"
#include "base/hex.h"
#include "base/str.h"
#include "json/json.h"
#include "modules/agent/wish.h"
#include "modules/module.h"

#include <stdio.h>
#include <string.h>

#define ACTION_DOC_MAX (1024 * 1024)
#define ACTION_TEXT_MAX 1024 /* of a field of description or threat */
#define SEAL_KEY_TEXT_MAX 65536
#define WEIGHT_MAX 1000
#define NUMBER_MAX ((int64_t)1 << 53)

/* Control characters have no place in what people read. */
static int
check_text(
    const char *s, const char *where, size_t min, size_t max, struct err *e)
{
	size_t len = strlen(s), i;

	if (len < min || len > max)
		return err_set(e, ERR_INVALID,
		    "%s: %zu bytes, expected %zu to %zu", where, len, min, max);
	for (i = 0; i < len; i++) {
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return err_set(e, ERR_INVALID,
			    "%s: control character 0x%02x", where,
			    (unsigned int)(unsigned char)s[i]);
	}
	return 0;
}

static int
read_text(const json_t *o, const char *key, size_t max, const char **ret,
    struct err *e)
{
	int rc = json_need_str(o, "", key, ret, e);

	return rc != 0 ? rc : check_text(*ret, key, 1, max, e);
}

static int
read_nonce(const json_t *o, struct action *a, struct err *e)
{
	const char *s;
	int rc = json_need_str(o, "", "nonce", &s, e);

	if (rc != 0)
		return rc;
	if (hex_decode(s, a->nonce, ACTION_NONCE_LEN) != 0)
		return err_set(e, ERR_INVALID, "nonce: expected %d hex digits",
		    2 * ACTION_NONCE_LEN);
	return 0;
}

/* description and threat: strings for people, and one number. */
static int
check_notes(const json_t *root, const char *key, const char *const *strings,
    const char *number, struct err *e)
{
	const char *known[8], *s;
	char where[64];
	json_t *o = NULL;
	int64_t n;
	size_t i;
	int rc;

	rc = json_opt_object(root, "", key, &o, e);
	if (rc != 0 || o == NULL)
		return rc;
	for (i = 0; strings[i] != NULL; i++) {
		known[i] = strings[i];
		s = NULL;
		rc = json_opt_str(o, key, strings[i], &s, e);
		if (rc != 0)
			return rc;
		snprintf(where, sizeof(where), "%s.%s", key, strings[i]);
		if (s != NULL &&
		    (rc = check_text(s, where, 0, ACTION_TEXT_MAX, e)) != 0)
			return rc;
	}
	known[i] = number;
	known[i + 1] = NULL;
	if (number != NULL) {
		rc = json_opt_int(
		    o, key, number, -NUMBER_MAX, NUMBER_MAX, &n, e);
		if (rc != 0)
			return rc;
	}
	return json_only_keys(o, key, known, e);
}

/* list[i] as a fingerprint; *ret_hex (when not NULL) gets it in lower case. */
static int
read_fpr(const json_t *list, size_t i, const char *where,
    uint8_t ret[static PGP_FPR_LEN], char *ret_hex, struct err *e)
{
	const char *s = json_string_value(json_array_get(list, i));

	if (s == NULL || hex_decode(s, ret, PGP_FPR_LEN) != 0)
		return err_set(e, ERR_INVALID,
		    "%s[%zu]: expected a fingerprint of 40 hex digits", where,
		    i);
	if (ret_hex != NULL)
		hex_encode(ret, PGP_FPR_LEN, ret_hex);
	return 0;
}

static int
read_require(const json_t *root, struct action *a, struct err *e)
{
	static const char *const keys[] = { "weight", "fingerprints", NULL };
	json_t *o, *list = NULL;
	size_t i, j, n;
	int rc;

	if ((rc = json_need_object(root, "", "require", &o, e)) != 0 ||
	    (rc = json_only_keys(o, "require", keys, e)) != 0 ||
	    (rc = json_no_nulls(o, "require", keys, e)) != 0 ||
	    (rc = json_need_int(o, "require", "weight", 1, WEIGHT_MAX,
		 &a->require_weight, e)) != 0 ||
	    (rc = json_opt_array(o, "require", "fingerprints", &list, e)) != 0)
		return rc;
	n = json_array_size(list);
	if (n > SIGS_MAX)
		return err_set(e, ERR_INVALID,
		    "require.fingerprints: %zu, at most %d", n, SIGS_MAX);
	for (i = 0; i < n; i++) {
		rc = read_fpr(list, i, "require.fingerprints",
		    a->require_fprs[i], NULL, e);
		if (rc != 0)
			return rc;
		for (j = 0; j < i; j++) {
			if (memcmp(a->require_fprs[i], a->require_fprs[j],
				PGP_FPR_LEN) == 0)
				return err_set(e, ERR_INVALID,
				    "require.fingerprints[%zu]: stands there "
				    "twice",
				    i);
		}
	}
	a->nrequire_fprs = n;
	return 0;
}

static int
read_limits(const json_t *root, struct action *a, struct err *e)
{
	static const char *const keys[] = { "seconds", "cpuseconds",
		"cpupercent", "readbytes", "resultbytes", NULL };
	struct action_limits *l = &a->limits;
	json_t *o = NULL;
	int rc;

	rc = json_opt_object(root, "", "limits", &o, e);
	if (rc != 0 || o == NULL)
		return rc;
	if ((rc = json_only_keys(o, "limits", keys, e)) != 0 ||
	    (rc = json_no_nulls(o, "limits", keys, e)) != 0 ||
	    (rc = json_opt_int(
		 o, "limits", "seconds", 1, 86400, &l->seconds, e)) != 0 ||
	    (rc = json_opt_int(o, "limits", "cpuseconds", 1, 86400,
		 &l->cpu_seconds, e)) != 0 ||
	    (rc = json_opt_int(o, "limits", "cpupercent", 1,
		 LIMIT_CPU_PERCENT_MAX, &l->cpu_percent, e)) != 0 ||
	    (rc = json_opt_int(o, "limits", "readbytes", 1, NUMBER_MAX,
		 &l->read_bytes, e)) != 0)
		return rc;
	return json_opt_int(
	    o, "limits", "resultbytes", 4096, NUMBER_MAX, &l->result_bytes, e);
}

static int
check_seal_key(const char *key, struct err *e)
{
	size_t len = strlen(key), i;

	if (len > SEAL_KEY_TEXT_MAX)
		return err_set(e, ERR_INVALID,
		    "seal.key: %zu bytes, at most %d", len, SEAL_KEY_TEXT_MAX);
	if (!str_starts(key, "-----BEGIN PGP MESSAGE-----") &&
	    !str_starts(key, "-----BEGIN MIG READER KEY-----"))
		return err_set(e, ERR_INVALID,
		    "seal.key: expected an armoured OpenPGP message, or blocks "
		    "for readers");
	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)key[i];

		if ((c < 0x20 && c != '\n' && c != '\r') || c >= 0x7f)
			return err_set(e, ERR_INVALID,
			    "seal.key: byte 0x%02x in an armoured message",
			    (unsigned int)c);
	}
	return 0;
}

/* Points of small order: nothing can be sealed for them (the shared secret is
 * zero), and no honest key is one of them. The top bit means nothing. */
static bool
small_order(const uint8_t key[static 32])
{
	static const char *const points[] = {
		"00000000000000000000000000000000000000000000000000000000000000"
		"00",
		"01000000000000000000000000000000000000000000000000000000000000"
		"00",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b8"
		"00",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11"
		"57",
		/* p - 1, p and p + 1 of the field */
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		"7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		"7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		"7f",
	};
	uint8_t masked[32];
	char hex[2 * sizeof(masked) + 1];
	size_t i;

	memcpy(masked, key, sizeof(masked));
	masked[31] &= 0x7f;
	hex_encode(masked, sizeof(masked), hex);
	for (i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		if (strcmp(hex, points[i]) == 0)
			return true;
	}
	return false;
}

static int
read_seal_public(const json_t *o, struct action *a, struct err *e)
{
	const char *s;
	struct buf b;
	int rc = json_need_str(o, "seal", "public", &s, e);

	if (rc != 0)
		return rc;
	buf_init(&b, sizeof(a->seal_public));
	rc = b64_decode(&b, s, strlen(s));
	if (rc == ERR_NOMEM)
		err_code(e, rc, "seal.public");
	else if (rc != 0 || b.len != sizeof(a->seal_public))
		rc = err_set(
		    e, ERR_INVALID, "seal.public: expected 32 bytes in base64");
	else if (small_order(b.data))
		rc = err_set(e, ERR_INVALID,
		    "seal.public: not a key (a point of small order): expected "
		    "the public key of a new X25519 pair");
	else
		memcpy(a->seal_public, b.data, b.len);
	buf_release(&b);
	return rc;
}

static int
read_seal(const json_t *root, struct action *a, struct err *e)
{
	static const char *const keys[] = { "public", "readers", "key", NULL };
	uint8_t fpr[PGP_FPR_LEN];
	json_t *o, *list;
	size_t i, j, n;
	int rc;

	if ((rc = json_need_object(root, "", "seal", &o, e)) != 0 ||
	    (rc = json_only_keys(o, "seal", keys, e)) != 0 ||
	    (rc = read_seal_public(o, a, e)) != 0 ||
	    (rc = json_need_str(o, "seal", "key", &a->seal_key, e)) != 0 ||
	    (rc = check_seal_key(a->seal_key, e)) != 0 ||
	    (rc = json_need_array(o, "seal", "readers", &list, e)) != 0)
		return rc;
	n = json_array_size(list);
	if (n < 1 || n > ACTION_READERS_MAX)
		return err_set(e, ERR_INVALID,
		    "seal.readers: %zu, expected 1 to %d", n,
		    ACTION_READERS_MAX);
	for (i = 0; i < n; i++) {
		rc = read_fpr(list, i, "seal.readers", fpr, a->readers[i], e);
		if (rc != 0)
			return rc;
		for (j = 0; j < i; j++) {
			if (strcmp(a->readers[i], a->readers[j]) == 0)
				return err_set(e, ERR_INVALID,
				    "seal.readers[%zu]: stands there twice", i);
		}
	}
	a->nreaders = n;
	return 0;
}

static int
read_operation(
    const json_t *v, size_t i, struct action_operation *op, struct err *e)
{
	static const char *const keys[] = { "module", "parameters", NULL };
	const char *name;
	char where[32];
	json_t *params;
	size_t n;
	int rc;

	snprintf(where, sizeof(where), "operations[%zu]", i);
	if ((rc = json_only_keys(v, where, keys, e)) != 0 ||
	    (rc = json_need_str(v, where, "module", &name, e)) != 0 ||
	    (rc = json_need_object(v, where, "parameters", &params, e)) != 0)
		return rc;
	n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
	if (n == 0 || name[n] != '\0' || n >= sizeof(op->module))
		return err_set(e, ERR_INVALID,
		    "%s.module: expected a name of 1 to 31 lower-case letters "
		    "and digits",
		    where);
	memcpy(op->module, name, n + 1);
	op->parameters = params;
	return 0;
}

static int
read_operations(const json_t *root, struct action *a, struct err *e)
{
	json_t *list;
	size_t i, n;
	int rc;

	rc = json_need_array(root, "", "operations", &list, e);
	if (rc != 0)
		return rc;
	n = json_array_size(list);
	if (n < 1 || n > ACTION_OPERATIONS_MAX)
		return err_set(e, ERR_INVALID,
		    "operations: %zu, expected 1 to %d", n,
		    ACTION_OPERATIONS_MAX);
	for (i = 0; i < n; i++) {
		rc = read_operation(
		    json_array_get(list, i), i, &a->operations[i], e);
		if (rc != 0)
			return rc;
	}
	a->noperations = n;
	return 0;
}

#define ALL_OPERATIONS SIZE_MAX

/* Asks each operation's module, or only that one's, about its parameters. */
static int
ask_modules(struct action *a, size_t only, struct err *e)
{
	const struct module *m;
	size_t i;
	int rc;

	for (i = 0; i < a->noperations; i++) {
		m = module_find(a->operations[i].module);
		if (m == NULL)
			return err_set(e, ERR_UNSUPPORTED,
			    "operations[%zu].module: there is no module "
			    "\"%s\" here",
			    i, a->operations[i].module);
		a->operations[i].module_number = m->number;
	}
	for (i = 0; i < a->noperations; i++) {
		if (only != ALL_OPERATIONS && only != i)
			continue;
		m = module_by_number(a->operations[i].module_number);
		rc = m->check(a->operations[i].parameters, e);
		if (rc == 0)
			continue;
		/* want of memory says nothing about them */
		rc = rc == ERR_NOMEM ? ERR_NOMEM : ERR_DENIED;
		err_wrap(e, "operations[%zu].parameters", i);
		if (e != NULL)
			e->code = rc;
		return rc;
	}
	return 0;
}

static int
read_fields(struct action *a, size_t only, struct err *e)
{
	static const char *const keys[] = { "syntaxversion", "nonce", "name",
		"description", "threat", "target", "validfrom", "expireafter",
		"require", "minpolicy", "limits", "operations", "seal", NULL };
	static const char *const notes[] = { "author", "email", "url", NULL };
	static const char *const threat[] = { "ref", "level", "family", "type",
		NULL };
	static const char *const narrowing[] = { "minpolicy", "limits", NULL };
	const json_t *o = a->root;
	int64_t version;
	int rc;
	struct agent_wish wish;
	size_t operation;

	if ((rc = json_need_int(o, "", "syntaxversion", ACTION_SYNTAX,
		 ACTION_SYNTAX, &version, e)) != 0 ||
	    (rc = json_only_keys(o, "", keys, e)) != 0 ||
	    (rc = json_no_nulls(o, "", narrowing, e)) != 0 ||
	    (rc = read_nonce(o, a, e)) != 0 ||
	    (rc = read_text(o, "name", ACTION_NAME_MAX, &a->name, e)) != 0 ||
	    (rc = check_notes(o, "description", notes, "revision", e)) != 0 ||
	    (rc = check_notes(o, "threat", threat, NULL, e)) != 0 ||
	    (rc = read_text(o, "target", ACTION_TARGET_MAX, &a->target, e)) !=
		0 ||
	    (rc = json_need_time(o, "", "validfrom", &a->valid_from, e)) != 0 ||
	    (rc = json_need_time(o, "", "expireafter", &a->expire_after, e)) !=
		0)
		return rc;
	if (a->valid_from >= a->expire_after)
		return err_set(
		    e, ERR_INVALID, "expireafter: not later than validfrom");
	if ((rc = read_require(o, a, e)) != 0 ||
	    (rc = json_opt_int(
		 o, "", "minpolicy", 0, NUMBER_MAX, &a->min_policy, e)) != 0 ||
	    (rc = read_limits(o, a, e)) != 0 ||
	    (rc = read_seal(o, a, e)) != 0 ||
	    (rc = read_operations(o, a, e)) != 0)
		return rc;
	if ((rc = ask_modules(a, only, e)) != 0 || only != ALL_OPERATIONS)
		return rc;
	if (action_wish(a, &wish, &operation) > 1)
		return err_set(e, ERR_INVALID,
		    "operations: one action asks one other agent to end");
	return 0;
}

static int
parse(
    const void *doc, size_t len, size_t only, struct action *ret, struct err *e)
{
	struct action a = { 0 };
	struct err why;
	int rc;

	err_clear(&why);
	a.root = json_strict(doc, len, ACTION_DOC_MAX, &why);
	if (a.root == NULL) {
		if (why.code != ERR_NOMEM && why.code != ERR_TOOBIG)
			why.code = ERR_INVALID;
		if (e != NULL)
			*e = why;
		return why.code;
	}
	rc = read_fields(&a, only, e);
	if (rc != 0) {
		action_release(&a);
		return rc;
	}
	*ret = a;
	return 0;
}

int
action_parse(const void *doc, size_t len, struct action *ret, struct err *e)
{
	return parse(doc, len, ALL_OPERATIONS, ret, e);
}

int
action_parse_for(const void *doc, size_t len, size_t operation,
    struct action *ret, struct err *e)
{
	size_t n;
	int rc;

	if (operation >= ACTION_OPERATIONS_MAX)
		return err_set(e, ERR_INVALID,
		    "operation %zu: a document has at most %d", operation,
		    ACTION_OPERATIONS_MAX);
	rc = parse(doc, len, operation, ret, e);
	if (rc != 0 || operation < ret->noperations)
		return rc;
	n = ret->noperations;
	action_release(ret);
	return err_set(e, ERR_INVALID,
	    "the action has %zu operations, number %zu was asked for", n,
	    operation);
}

void
action_release(struct action *a)
{
	json_decref(a->root);
	memset(a, 0, sizeof(*a));
}

enum refusal
action_refusal(int rc)
{
	switch (rc) {
	case 0:
		return REFUSAL_NONE;
	case ERR_UNSUPPORTED:
		return REFUSAL_MODULE;
	case ERR_DENIED:
		return REFUSAL_PARAMETERS;
	case ERR_NOMEM:
		return REFUSAL_INTERNAL;
	default:
		return REFUSAL_MALFORMED;
	}
}

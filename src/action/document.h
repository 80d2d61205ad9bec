/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The action document (doc/protocol.md, mig-action(5)): syntax, limits, and
 * building one. Its id is purpose_hash(PURPOSE_ACTION, bytes).
 */
#ifndef MIG_ACTION_DOCUMENT_H
#define MIG_ACTION_DOCUMENT_H

#include "action/limits.h"
#include "action/refusal.h"
#include "base/buf.h"
#include "crypto/keyring.h"

#include <jansson.h>

struct agent_wish;
struct err;

struct action_operation {
	char module[32];
	unsigned int module_number; /* modules/module.h */
	const json_t *parameters;   /* borrowed from root */
};

struct action {
	json_t *root; /* owned: the parsed document */
	uint8_t nonce[ACTION_NONCE_LEN];
	const char *name, *target;        /* borrowed from root */
	int64_t valid_from, expire_after; /* unix seconds */
	int64_t require_weight;           /* >= 1 */
	uint8_t require_fprs[SIGS_MAX][PGP_FPR_LEN];
	size_t nrequire_fprs;
	int64_t min_policy; /* 0: any */
	struct action_limits limits;
	uint8_t seal_public[32];
	const char *seal_key; /* armoured for the readers; borrowed */
	size_t nreaders;
	char readers[ACTION_READERS_MAX][41]; /* primary fingerprints, hex */
	size_t noperations;
	struct action_operation operations[ACTION_OPERATIONS_MAX];
};

/* Strict: unknown fields, duplicate keys, wrong types and sizes are refused
 * with the field's path. Each operation's parameters are checked by its
 * module (modules/module.h). Does not look at the clock. ERR_UNSUPPORTED:
 * a module is not known here; ERR_DENIED: a module refuses its parameters;
 * anything else: the document is malformed (action_refusal below). */
int
action_parse(const void *doc, size_t len, struct action *ret, struct err *e);
/* The same for whoever works on one operation (from 0): the parameters of the
 * others are not checked. ERR_INVALID: there is no such operation. */
int action_parse_for(const void *doc, size_t len, size_t operation,
    struct action *ret, struct err *e);
void action_release(struct action *a);
/* How many operations ask to have another agent end (modules/agent/wish.h): at
 * most one in what was parsed whole. The first and its number are in ret. */
size_t action_wish(
    const struct action *a, struct agent_wish *ret, size_t *ret_operation);
/* The refusal that fits a failure of action_parse. */
enum refusal action_refusal(int rc);

/* What mig fills in to make a document. */
struct action_draft {
	const char *name, *target;
	int64_t valid_from, expire_after;
	int64_t require_weight; /* 0 becomes 1 */
	struct action_limits limits;
	const json_t *operations;           /* array of {module, parameters} */
	const json_t *description, *threat; /* objects or NULL */
	uint8_t seal_public[32];
	const char *seal_key;
	const char *const *readers;
	size_t nreaders;
	const char *const *require_fprs; /* primary fingerprints, hex */
	size_t nrequire_fprs;
	int64_t min_policy; /* 0: any */
};
/* Adds syntaxversion and a fresh nonce, appends the exact bytes to be signed
 * and parses them back as a check. */
int action_build(const struct action_draft *d, struct buf *out, struct err *e);

/* A file of the original's format (syntaxversion 2, also without signatures):
 * fills name, target (NULL when it has none), description, threat, operations
 * (compressed parameters are unpacked); the rest of d is left alone. *ret_root
 * owns what d borrows. */
int action_read_v2(const void *text, size_t len, struct action_draft *d,
    json_t **ret_root, struct err *e);
/* Splits "AND status='online'" and the like off an old target: true in
 * *ret_online when it was there; the rest ("all" when nothing remains) goes to
 * out. ERR_INVALID when status stands where it cannot be split off (beside OR,
 * under NOT, in parentheses). */
int action_target_split(
    const char *target, struct buf *out, bool *ret_online, struct err *e);

#endif

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the server reads from strangers: documents and the bodies of requests,
 * strictly and without any state, so that they can be fuzzed. Texts borrow
 * from root, which json_decref() ends; documents copy what they keep.
 */
#ifndef MIG_SERVER_PARSE_H
#define MIG_SERVER_PARSE_H

#include "base/buf.h"
#include "base/id.h"
#include "crypto/identity.h"
#include "server/calls.h"
#include "server/store/store.h"

#include <jansson.h>

struct err;

#define LOGIN_DOC_MAX 8192
#define SPKI_MAX 512

struct login_doc {
	char server[256];
	struct id ca, nonce;
	bool ca_is_id; /* else it is not 64 hex digits */
	int64_t time;  /* unix s */
};
int login_doc_parse(
    const void *data, size_t len, struct login_doc *ret, struct err *e);

struct enrol_doc {
	struct id token;           /* its digest */
	char name[STORE_NAME_MAX]; /* of the host, as it says */
	uint8_t spki[SPKI_MAX];
	size_t spki_len;
	int64_t time; /* unix s */
};
int enrol_doc_parse(
    const void *data, size_t len, struct enrol_doc *ret, struct err *e);

/* The body of POST /enrol. */
struct enrol_body {
	const char *document; /* at most ENROL_DOC_MAX bytes */
	uint8_t pub[IDENTITY_PUB_LEN], sig[IDENTITY_SIG_LEN];
	struct id token; /* its digest */
};
int enrol_body_read(json_t *root, struct enrol_body *ret, struct err *e);

/* POST /targets, /tokens, /investigators. */
struct target_body {
	const char *target;
	bool online;
};
int target_body_read(json_t *root, struct target_body *ret, struct err *e);

struct token_body {
	int64_t uses, seconds;
	struct id hash; /* zeros: the server shall make the token */
};
int token_body_read(json_t *root, struct token_body *ret, struct err *e);

struct person_body {
	const char *name, *fpr, *keyring;
	enum person_role role; /* 0: not said */
};
int person_body_read(json_t *root, struct person_body *ret, struct err *e);

/* POST /investigators/FPR/role */
int role_body_read(json_t *root, enum person_role *ret, struct err *e);

/* POST /apikeys */
struct key_body {
	const char *name;
	struct id hash; /* of its secret */
	uint64_t calls; /* server/calls.h */
	int64_t seconds;
};
#define KEY_SECONDS_MAX (INT64_C(3) * 366 * 86400)
int key_body_read(json_t *root, struct key_body *ret, struct err *e);
/* 1 to 32 letters, digits, dots, dashes, underscores. */
bool key_name_valid(const char *name);

/* Matches "/actions/%/agents" against a path: copies the segment at "%". */
bool path_match(const char *pattern, const char *path, char *arg, size_t size);

#endif

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * An agent's signed hello: u8 3, 32 bytes public key, 64 bytes signature
 * (PURPOSE_HELLO over the JSON), JSON; at most 16 KiB in all:
 *   {"id", "name", "version", "protocol": 1, "mode", "os", "arch", "ident",
 *    "time": unix ms, "connection": n,
 *    "environment": {os, arch, ident, distro, distroversion, kernel, init,
 *                    container, sandbox, uid},
 *    "tags": {k: v}, "addresses": [..], "modules": [..],
 *    "policy": {"version", "hash", "refused": {"hash", "version", "reason"}
 *               when one was (action/policy_refusal.h)}, "record": {"position",
 * "head"}, "known": [ids of unexpired actions the agent has already judged],
 *    "interval": seconds between hellos,
 *    "enrolment": {"token", "proof"} (crypto/enroltoken.h), when the agent was
 *                 enrolled with a token that a client made}
 * The agent builds the JSON with base/jsonw.h; this is the reader's side.
 */
#ifndef MIG_ACTION_HELLO_H
#define MIG_ACTION_HELLO_H

#include "action/hello_make.h"
#include "target/target.h"

#include <jansson.h>

struct hello {
	json_t *root; /* owned */
	struct id agent;
	uint8_t pub[IDENTITY_PUB_LEN];
	struct target_row row; /* borrows from root and texts below */
	char *environment, *tags, *addresses; /* compact JSON; owned */
	int64_t protocol;
	int64_t time_ms;
	int64_t connection;
	int64_t interval; /* seconds; 0: not stated */
	uint64_t policy_version;
	struct id policy_hash;
	struct {
		bool there;
		struct id hash;
		uint64_t version; /* 0: it could not be read */
		unsigned int reason;
	} refused; /* the newest policy that it did not take */
	uint64_t record_position;
	struct id record_head;
	struct id token, proof; /* zeros: not stated */
	struct id *known;       /* owned */
	size_t nknown;
};

/* Verifies signature and id, then reads strictly. */
int hello_parse(const void *data, size_t len, struct hello *ret, struct err *e);
/* Whose a hello is and what protocol it speaks, also when nothing else of it
 * can be read: these two members stay in every version. */
int hello_protocol(const void *data, size_t len, struct id *ret_agent,
    int64_t *ret_protocol, struct err *e);
void hello_release(struct hello *h);

#endif

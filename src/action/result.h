/* SPDX-License-Identifier: MPL-2.0 */
/*
 * An agent's answer (doc/protocol.md, "Results").
 *
 * In clear and signed (RESULT_HEADER_LEN bytes, then the 64-byte signature,
 * then the sealed bytes):
 *   u8  3            u8 status         u16 reason (action/refusal.h)
 *   32  action id    32 agent id       32 agent public key
 *   u64 agent's clock, unix ms
 *   u64 policy version                 32 policy hash
 *   u64 record position                32 record head
 *   u16 operations   u16 zero          u32 sealed size
 *   32  SHA-256 of the sealed bytes
 * Clock, version and position are at most 2^53.
 *
 * Sealed (crypto/seal.h, inside it one zstd frame): "MIGR" u8 3 u8 0
 * u16 parts | 32 action id | 32 agent id | u32 length, agent name |
 * per part: u16 operation, u8 part status, u8 zero, u32 length, bytes (the
 * module's JSON answer, or a text when the status is not PART_DONE).
 */
#ifndef MIG_ACTION_RESULT_H
#define MIG_ACTION_RESULT_H

#include "action/limits.h"
#include "base/buf.h"
#include "crypto/identity.h"

struct err;

#define RESULT_HEADER_LEN (4 + 96 + 8 + 8 + 32 + 8 + 32 + 8 + 32)
#define RESULT_SEALED_MAX (16 * 1024 * 1024)
#define RESULT_PLAIN_MAX (64 * 1024 * 1024)

enum result_status {
	RESULT_DONE = 1,    /* every operation was run; see the parts */
	RESULT_REFUSED = 2, /* nothing was run; reason says why; not sealed */
	RESULT_STOPPED = 3, /* interrupted by restart or cancel; partial; the
			     * reason says whether it was cancelled */
};

enum part_status {
	PART_DONE = 1,    /* the module's JSON answer */
	PART_FAILED = 2,  /* text: what went wrong */
	PART_TIMEOUT = 3, /* stopped by the time limit; text or partial JSON */
	PART_LIMIT = 4,   /* stopped by memory, CPU or output limit */
	/* text: by what; perhaps a line's end and partial JSON behind it */
	PART_INTERRUPTED = 5,
};

struct result_header {
	uint8_t status;
	uint16_t reason;
	struct id action, agent;
	uint8_t agent_pub[IDENTITY_PUB_LEN];
	int64_t time_ms;
	uint64_t policy_version;
	struct id policy_hash;
	uint64_t record_position;
	struct id record_head;
	uint16_t noperations;
	uint32_t sealed_len;
	struct id sealed_hash;
};

struct result_part {
	uint16_t operation;
	uint8_t status;
	const uint8_t *data; /* borrowed */
	size_t len;
};

/* --- agent's side (no JSON) ---------------------------------------------- */
/* Packs, compresses, pads, seals and signs; h's identity, sealed and part
 * fields are filled in. Parts stand in ascending order of their operations,
 * each once. seal_public NULL (refusals): nothing is sealed. The
 * whole answer (header, signature, sealed bytes) is appended to out. */
int result_make(struct result_header *h, const struct identity *who,
    const char *agent_name, const uint8_t *seal_public,
    const struct result_part *parts, size_t nparts, struct buf *out,
    struct err *e);

/* What the bytes compress to alone; len when they cannot be compressed. */
size_t result_packed_size(const void *data, size_t len);

/* --- server and client ---------------------------------------------------- */
/* Splits and verifies: sizes, hash of the sealed bytes, the agent id against
 * its public key, the signature. ret_sealed borrows from data. ERR_AUTH when
 * it is not what it says. */
int result_check(const void *data, size_t len, struct result_header *ret,
    const uint8_t **ret_sealed, struct err *e);

struct result_opened {
	uint8_t *plain; /* owned; the parts borrow from it */
	size_t plain_len;
	char agent_name[256];
	struct result_part parts[ACTION_OPERATIONS_MAX];
	size_t nparts;
};
/* Of a thread that opens many: zeroed before the first. */
struct result_opener {
	size_t plain_max; /* ERR_TOOBIG above it; 0: RESULT_PLAIN_MAX */
	void *unpacker;   /* kept, as making it is dear */
};
void result_opener_release(struct result_opener *o);
/* Opens the seal and compares ids inside and outside. */
int result_open(struct result_opener *by, const struct result_header *h,
    const uint8_t *sealed, const uint8_t seal_public[static 32],
    const uint8_t seal_secret[static 32], struct result_opened *ret,
    struct err *e);
void result_opened_release(struct result_opened *o);

#endif

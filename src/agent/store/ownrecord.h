/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The agent's own record: what was asked of this endpoint, by whom, and what
 * was answered; hash-chained (record/record.h), never rewritten. Entries
 * (numbers big endian; texts are u32 length and bytes):
 *   1 asked     u64 time ms, 32 id, u16 reason (0: accepted), u8 n signers,
 *               each 20 person, 20 key; u8 n operations, each u16 module;
 *               u64 valid from, u64 expire after, text name, text target,
 *               text detail
 *   2 answered  u64 time ms, 32 id, u8 result status, u16 reason,
 *               u16 parts done, u16 parts failed, u64 plain bytes,
 *               u32 sealed bytes
 *   3 note      u64 time ms, text
 *   4 policy    u64 time ms, 32 hash, u64 version (0: unreadable), u64 version
 *               before, u16 reason (0: taken), u8 n signers, each 20 person,
 *               20 key; text detail
 *   5 cancelled u64 time ms, 32 action, u8 1: it was open here, u8 n signers,
 *               each 20 person; text by whom and why
 */
#ifndef MIG_AGENT_STORE_OWNRECORD_H
#define MIG_AGENT_STORE_OWNRECORD_H

#include "agent/store/cancels.h"
#include "agent/messages.h"

struct record;

#define NOTE_MAX 512

enum own_type {
	OWN_ASKED = 1,
	OWN_ANSWERED = 2,
	OWN_NOTE = 3,
	OWN_POLICY = 4,
	OWN_CANCELLED = 5,
};

struct own_asked {
	int64_t time_ms;
	struct id id;
	uint16_t reason;
	size_t nsigners;
	uint8_t persons[SIGS_MAX][PGP_FPR_LEN], keys[SIGS_MAX][PGP_FPR_LEN];
	size_t noperations;
	uint16_t modules[ACTION_OPERATIONS_MAX];
	int64_t valid_from, expire_after;
	char name[VERDICT_TEXT + 1], target[VERDICT_TEXT + 1];
	char detail[VERDICT_TEXT + 1];
};

struct own_answered {
	int64_t time_ms;
	struct id id;
	uint8_t status;
	uint16_t reason, done, failed;
	uint64_t plain_len;
	uint32_t sealed_len;
};

/* The policy that shall follow, before it is in force, or why it does not. */
struct own_policy {
	int64_t time_ms;
	struct id hash;
	uint64_t version, was;
	uint16_t reason; /* action/policy_refusal.h */
	size_t nsigners;
	uint8_t persons[SIGS_MAX][PGP_FPR_LEN], keys[SIGS_MAX][PGP_FPR_LEN];
	char detail[VERDICT_TEXT + 1];
};

struct own_cancelled {
	int64_t time_ms;
	struct id action;
	bool open; /* waiting or running; else remembered */
	struct signed_by by;
	char text[CANCEL_TEXT_MAX];
};

/* Appended; durable after record_sync, which all but own_add_asked
 * do themselves: nothing leaves the agent before it. */
int own_add_asked(struct record *r, const struct judge_verdict *v,
    const struct verify_verdict *by, int64_t time_ms, struct err *e);
int
own_add_answered(struct record *r, const struct own_answered *a, struct err *e);
int own_add_note(
    struct record *r, int64_t time_ms, const char *text, struct err *e);

int own_add_policy(struct record *r, const struct own_policy *p, struct err *e);

int own_add_cancelled(struct record *r, const struct cancelled *c, bool open,
    int64_t time_ms, struct err *e);

int
own_cancelled_parse(const void *data, size_t len, struct own_cancelled *ret);
int own_asked_parse(const void *data, size_t len, struct own_asked *ret);
int own_answered_parse(const void *data, size_t len, struct own_answered *ret);
int own_policy_parse(const void *data, size_t len, struct own_policy *ret);
int own_note_parse(
    const void *data, size_t len, int64_t *ret_time_ms, char text[NOTE_MAX]);

#endif

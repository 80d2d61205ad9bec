/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Every message between the agent's roles: who may send it to whom and how
 * large it may be. A channel accepts only what this table allows for its two
 * ends; anything else ends the channel. Bodies are fields of base/buf.h; the
 * verdicts are of fixed size and hold no offsets. All roles but the monitor
 * are believed only as far as a verdict goes.
 */
#ifndef MIG_AGENT_MESSAGES_H
#define MIG_AGENT_MESSAGES_H

#include "action/document.h"
#include "action/envelope.h"
#include "action/policy.h"
#include "agent/narrowed.h"
#include "ipc/ipc.h"
#include "modules/agent/peers.h"
#include "mqtt/wire.h"

enum role_kind {
	ROLE_MONITOR = 1,
	ROLE_NET,
	ROLE_VERIFY,
	ROLE_JUDGE,
	ROLE_ENROL,
};

/* What net has beside its channel when it goes through proxies. */
#define NET_LISTEN_FD 4
#define NET_FILE_FD 5

#define MSG_SMALL 2048
#define MSG_TEXT_MAX 512
#define MSG_DOC_MAX (ENVELOPE_MAX + 4096)
#define MSG_CANCEL_MAX (2 * WIRE_BROADCAST_MAX)
#define MSG_POLICY_MAX (POLICY_MAX + 65536)

/* X(name, number, from, to, largest body) */
#define AGENT_MESSAGES(X)                                         \
	X(MSG_NET_START, 1, MONITOR, NET, 65536)                  \
	X(MSG_NET_READY, 2, NET, MONITOR, MSG_SMALL)              \
	X(MSG_NET_UP, 3, NET, MONITOR, MSG_SMALL)                 \
	X(MSG_NET_DOWN, 4, NET, MONITOR, MSG_SMALL)               \
	X(MSG_NET_ENVELOPE, 5, NET, MONITOR, MSG_DOC_MAX)         \
	X(MSG_NET_ANNOUNCE, 6, NET, MONITOR, MSG_SMALL)           \
	X(MSG_NET_PULL, 7, MONITOR, NET, MSG_SMALL)               \
	X(MSG_NET_ACK, 8, NET, MONITOR, MSG_SMALL)                \
	X(MSG_NET_WELCOME, 9, NET, MONITOR, MSG_SMALL)            \
	X(MSG_NET_HELLO, 10, MONITOR, NET, 32768)                 \
	X(MSG_NET_PART, 11, MONITOR, NET, WIRE_MESSAGE_MAX)       \
	X(MSG_NET_STOP, 12, MONITOR, NET, 0)                      \
	X(MSG_NET_RENEW, 13, NET, MONITOR, MSG_SMALL)             \
	X(MSG_NET_RENEWAL, 14, MONITOR, NET, 16384)               \
	X(MSG_NET_RENEWED, 15, NET, MONITOR, 65536)               \
	X(MSG_NET_ROLL, 16, NET, MONITOR, MSG_SMALL)              \
	X(MSG_NET_PING, 17, MONITOR, NET, 0)                      \
	X(MSG_NET_PONG, 18, NET, MONITOR, 0)                      \
	X(MSG_NET_CANCEL, 19, NET, MONITOR, MSG_CANCEL_MAX)       \
	X(MSG_VERIFY_START, 20, MONITOR, VERIFY, MSG_POLICY_MAX)  \
	X(MSG_VERIFY_READY, 21, VERIFY, MONITOR, MSG_SMALL)       \
	X(MSG_VERIFY_FAILED, 22, VERIFY, MONITOR, MSG_SMALL)      \
	X(MSG_VERIFY_ASK, 23, MONITOR, VERIFY, MSG_DOC_MAX)       \
	X(MSG_VERIFY_VERDICT, 24, VERIFY, MONITOR, MSG_SMALL)     \
	X(MSG_VERIFY_POLICY, 26, MONITOR, VERIFY, MSG_DOC_MAX)    \
	X(MSG_VERIFY_KEYRING, 27, MONITOR, VERIFY, MSG_DOC_MAX)   \
	X(MSG_VERIFY_TRIED, 28, VERIFY, MONITOR, MSG_SMALL)       \
	X(MSG_VERIFY_CANCEL, 29, MONITOR, VERIFY, MSG_CANCEL_MAX) \
	X(MSG_JUDGE_START, 30, MONITOR, JUDGE, MSG_POLICY_MAX)    \
	X(MSG_JUDGE_READY, 31, JUDGE, MONITOR, 65536)             \
	X(MSG_JUDGE_FAILED, 32, JUDGE, MONITOR, MSG_SMALL)        \
	X(MSG_JUDGE_ASK, 33, MONITOR, JUDGE, MSG_DOC_MAX)         \
	X(MSG_JUDGE_VERDICT, 34, JUDGE, MONITOR, MSG_SMALL)       \
	X(MSG_JUDGE_SPLIT, 35, MONITOR, JUDGE, 4 * 1024 * 1024)   \
	X(MSG_JUDGE_PIECES, 36, JUDGE, MONITOR, MSG_DOC_MAX)      \
	X(MSG_JUDGE_CANCEL, 37, MONITOR, JUDGE, MSG_CANCEL_MAX)   \
	X(MSG_JUDGE_CANCELLED, 45, JUDGE, MONITOR, MSG_SMALL)     \
	X(MSG_JUDGE_POLICY, 38, MONITOR, JUDGE, MSG_DOC_MAX)      \
	X(MSG_JUDGE_STEP, 39, JUDGE, MONITOR, MSG_SMALL)          \
	X(MSG_ENROL_START, 40, MONITOR, ENROL, 16384)             \
	X(MSG_ENROL_KEY, 41, ENROL, MONITOR, 32768)               \
	X(MSG_ENROL_SEND, 42, MONITOR, ENROL, 65536)              \
	X(MSG_ENROL_DONE, 43, ENROL, MONITOR, MSG_POLICY_MAX)     \
	X(MSG_ENROL_FAILED, 44, ENROL, MONITOR, MSG_SMALL)

enum agent_message {
#define MSG_ENUM(name, number, from, to, max) name = (number),
	AGENT_MESSAGES(MSG_ENUM)
#undef MSG_ENUM
};

/* 0, or ERR_INVALID when from may not send this to to. */
int
msg_allowed(enum role_kind from, enum role_kind to, const struct ipc_msg *msg);
/* Never NULL. */
const char *msg_name(unsigned int type);

/* Who the process becomes once it is warm; both -1: stays as it is. */
struct msg_user {
	uint32_t uid, gid;
};

/* Texts for people in verdicts; may be cut. */
#define VERDICT_TEXT 256

/* --- verify -------------------------------------------------------------- */
/* A question: u64 now, then the pieces (below); its type tells the purpose. */
struct verify_verdict {
	struct id id; /* of the document verify saw, for that purpose */
	uint8_t n;    /* signatures looked at */
	struct signer signers[SIGS_MAX];
	char name[VERDICT_TEXT + 1]; /* of the first good signer */
};
size_t verify_good(const struct verify_verdict *v);
/* A question to judge: u64 now, u64 the journal's floor, u64 its beginning
 * (before which no signature counts; 0: all do), who signed, the document. Who:
 * u8 how many, then person, key and time of each good one. */
void verify_signers_write(const struct verify_verdict *v, struct buf *out);
int verify_verdict_write(const struct verify_verdict *v, struct buf *out);
int
verify_verdict_parse(const void *data, size_t len, struct verify_verdict *ret);

/* A document with its signatures, as net, verify and --once pass it. */
void msg_pieces_write(struct buf *out, const struct envelope *env);
/* Borrows from r's input. */
int msg_pieces_parse(struct rd *r, struct envelope *ret);

/* --- judge --------------------------------------------------------------- */
struct judge_verdict {
	struct id id;
	uint16_t reason; /* action/refusal.h */
	uint8_t noperations;
	uint16_t modules[ACTION_OPERATIONS_MAX]; /* numbers */
	uint8_t seal_public[32];
	int64_t valid_from, expire_after; /* unix seconds */
	/* limits of one operation, already the smaller ones */
	int64_t seconds, cpu_seconds, memory_bytes, read_bytes, result_bytes;
	struct {
		uint8_t operation;
		uint32_t pid; /* 0: nothing of this kind is asked */
		char version[PEER_VERSION_MAX];
	} stop; /* another agent of this host: modules/agent/wish.h */
	int64_t cpu_percent;         /* 0: as the configuration says */
	char name[VERDICT_TEXT + 1]; /* for people; may be cut */
	char target[VERDICT_TEXT + 1];
	char detail[VERDICT_TEXT + 1]; /* why refused */
};
#define JUDGE_VERDICT_LEN                                              \
	(32 + 2 + 1 + 2 * ACTION_OPERATIONS_MAX + 32 + 7 * 8 + 1 + 4 + \
	    PEER_VERSION_MAX + 3 * (2 + VERDICT_TEXT))
int judge_verdict_write(const struct judge_verdict *v, struct buf *out);
/* Refuses impossible values: unknown counts, negative limits, bad text. */
int
judge_verdict_parse(const void *data, size_t len, struct judge_verdict *ret);

/* What judge says of a policy that shall follow the one in force. */
struct judge_step {
	struct id hash;                            /* of the policy judge saw */
	uint16_t reason;                           /* enum policy_refusal */
	uint64_t version;                          /* 0: it cannot be read */
	uint32_t keyring_len, acl_len, limits_len; /* at the text's end */
	char detail[VERDICT_TEXT + 1];             /* why not */
};
int judge_step_write(const struct judge_step *v, struct buf *out);
int judge_step_parse(const void *data, size_t len, struct judge_step *ret);

/* What judge says of a cancel. Whether its signers signed the action as well
 * is for the monitor to compare. */
struct cancel_verdict {
	struct id id;                /* of the cancel */
	struct id action;            /* that is to end */
	uint16_t reason;             /* 0: it is one; else action/refusal.h */
	uint8_t right;               /* 1: its signers have the ACL's right */
	int64_t expire_after;        /* so long it must be remembered; unix s */
	char text[VERDICT_TEXT + 1]; /* why, by the signer's words; "" */
	char detail[VERDICT_TEXT + 1]; /* why it is none, or has no right */
};
int cancel_verdict_write(const struct cancel_verdict *v, struct buf *out);
int
cancel_verdict_parse(const void *data, size_t len, struct cancel_verdict *ret);

/* What judge says of a policy when it is ready. */
struct judge_ready {
	uint64_t version;
	int64_t issued, expires;
	uint32_t keyring_len, acl_len, limits_len; /* at the text's end */
	uint32_t workers, queue;                   /* the policy's limits */
	char sandbox[128];
	uint8_t nnarrowed;
	struct narrowed *narrowed; /* owned; NULL when there is none */
};
void judge_ready_release(struct judge_ready *v);
/* NULL: the policy narrows nothing of this module. */
const struct narrowed *
judge_ready_narrowed(const struct judge_ready *v, unsigned int module);
int judge_ready_write(const struct judge_ready *v, struct buf *out);
/* ret: zeroed, or from before: that is released. Unchanged after an error. */
int judge_ready_parse(const void *data, size_t len, struct judge_ready *ret);

#endif

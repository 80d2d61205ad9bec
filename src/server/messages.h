/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the server's roles say to one another (ipc/ipc.h). Who may say what:
 *
 *   parent -> role   CONF, PEER, PING; RELAY, RELAY_RELOAD (core), TLS (api),
 *                    CA (core, ca)
 *   api -> core      everything from NONCE to ENROL and from PERSON_ROLE; each
 *                    is answered by REPLY
 *   core -> api      REPLY, STATUS, WAKE
 *   core -> ca       SIGN, answered by REPLY; REVOKED, answered by CRL
 *   role -> parent   READY, PONG
 *   core -> parent   RELAY_RELOAD, RELAY_SILENT
 *   api, ca -> parent   PEER_LOST
 *
 * A REPLY is u16 HTTP status, then a JSON text: the core decides, the api
 * hands on. Fields are u32 length and bytes (F), ids and hashes 32 bytes (D).
 */
#ifndef MIG_SERVER_MESSAGES_H
#define MIG_SERVER_MESSAGES_H

#include "action/envelope.h"

enum server_msg {
	MSG_CONF = 1,  /* F configuration text, u64 the relay's start (ms) */
	MSG_PEER = 2,  /* u8 enum server_role; carries the channel */
	MSG_RELAY = 3, /* u64 the relay was started anew at (ms) */
	MSG_RELAY_RELOAD = 4, /* the relay's access list was written anew; from
				 the parent: its certificate was */
	MSG_TLS = 5,          /* F certificates, F key: the api's, anew */
	MSG_CA = 6,           /* F the CA's certificates, newest first, anew */
	MSG_PEER_LOST = 7,    /* - : another channel to the core is wanted */
	MSG_READY = 8,        /* - : it serves */
	MSG_PING = 9,         /* - : does it live? */
	MSG_PONG = 10,        /* - : it does */
	MSG_RELAY_SILENT =
	    11, /* - : before PONG; the relay does not, it seems */

	MSG_NONCE = 16,       /* - */
	MSG_SESSION_NEW = 17, /* F address it comes from, F envelope */
	/* from here on D: hash of the session's token, or of the API key,
	 * comes first */
	MSG_SESSION_END = 18, /* - */
	MSG_ACTION_NEW = 19,  /* u8 online only, F envelope */
	MSG_PERSON_PUT = 20,  /* u8 enum person_role or 0, F fingerprint or "",
				 F name or "", F keyring */
	MSG_PERSON_REMOVE = 21, /* F fingerprint */
	MSG_TOKEN_NEW = 22,     /* u64 uses, u64 seconds, D hash or zeros */
	MSG_AGENT_REVOKE = 23,  /* D agent */
	MSG_ACTION_CANCEL = 28, /* D action, F envelope */
	MSG_ACTION_COSIGN = 29, /* D action, F envelope with one signature */
	/* no session: */
	MSG_ENROL = 24, /* D token hash, 32 public key, 64 signature,
			   F document */

	/* who may do what; after D as above: */
	MSG_PERSON_ROLE = 64,     /* u8 enum person_role, F fingerprint */
	MSG_SESSION_REVOKE = 65,  /* F beginning of its id */
	MSG_SESSIONS_REVOKE = 66, /* F fingerprint */
	MSG_KEY_PUT = 67,         /* D hash, u64 calls, u64 seconds, F name */
	MSG_KEY_REMOVE = 68,      /* F name */
	MSG_SHARE_PUT = 69,       /* D action, F envelope */
	MSG_SHARES_REMOVE = 70,   /* D action */
	MSG_POLICY_NEW = 72,      /* F envelope */
	MSG_TOKEN_REMOVE = 73,    /* F beginning of its hash */

	MSG_REPLY = 32,
	MSG_STATUS = 33, /* struct server_status, field by field */
	MSG_WAKE = 34,   /* something was committed */

	/* core to ca; answered by REPLY with, instead of JSON, F name of the
	 * host and F certificate (status 200), or F code and F sentence */
	MSG_SIGN = 48, /* as ENROL */
	/* u64 time of the list before (unix s; 0: none), then F serial number
	 * of each revoked certificate */
	MSG_REVOKED = 49,
	MSG_CRL = 50, /* ca to core: F list (PEM); empty: none was made */
};

enum server_role { ROLE_CORE = 1, ROLE_API = 2, ROLE_CA = 3 };

#define MSG_BODY_MAX (2 * 1024 * 1024)
#define MSG_REPLY_MAX (16 * 1024 * 1024) /* core to api: a policy in it */
#define MSG_QUEUE_MAX (64 * 1024 * 1024)
#define ENROL_DOC_MAX 8192
#define ADDRESS_TEXT_MAX 64 /* of a client, for people */

enum disk_state { DISK_OK, DISK_LOW, DISK_FULL };

/*
 * What the core knows of itself and tells the api: X(field, type, metric,
 * help). Rows of one metric with labels follow one another. Read in this order
 * and shown so by GET /metrics; type NULL: not shown.
 */
#define SERVER_STATUS(X)                                                       \
	X(relay_up, "gauge", "relay_up",                                       \
	    "The core is connected to the relay.")                             \
	X(relay_connects, "counter", "relay_connects_total",                   \
	    "Connections of the core to the relay.")                           \
	X(registered, "gauge", "agents_registered", "Agents enrolled.")        \
	X(online, "gauge", "agents_online", "Agents connected.")               \
	X(revoked, "gauge", "agents_revoked", "Agents revoked.")               \
	X(reconnecting, "gauge", "agents_reconnecting",                        \
	    "Agents not back yet after the relay was restarted.")              \
	X(actions_open, "gauge", "actions_open",                               \
	    "Actions that wait for answers.")                                  \
	X(actions_waiting, "gauge", "actions_waiting",                         \
	    "Actions that wait for signatures.")                               \
	X(actions_total, "gauge", "actions_total", "Actions stored.")          \
	X(answers, "gauge", "answers_total", "Answers stored.")                \
	X(answers_done, "counter", "answers_by_status_total{status=\"done\"}", \
	    "Answers taken, by their status.")                                 \
	X(answers_refused, "counter",                                          \
	    "answers_by_status_total{status=\"refused\"}", "")                 \
	X(answers_stopped, "counter",                                          \
	    "answers_by_status_total{status=\"stopped\"}", "")                 \
	X(answers_known, "counter", "answers_known_total",                     \
	    "Answers that were there already.")                                \
	X(answers_dropped, "counter", "answers_dropped_total",                 \
	    "Parts of answers to actions that are not known (any more).")      \
	X(parts, "counter", "answer_parts_total",                              \
	    "Parts of answers received.")                                      \
	X(parts_deferred, "counter", "answer_parts_deferred_total",            \
	    "Parts not taken: the store is behind or the disk is full.")       \
	X(acks, "counter", "acknowledgements_total",                           \
	    "Acknowledgements sent to agents.")                                \
	X(assemblies, "gauge", "answers_incomplete",                           \
	    "Answers of which some parts are there.")                          \
	X(assemblies_bytes, "gauge", "answers_incomplete_bytes",               \
	    "Memory set aside for them.")                                      \
	X(pulls, "gauge", "pulls_waiting",                                     \
	    "Parts of large actions that agents wait for.")                    \
	X(pulls_inflight, "gauge", "pulls_inflight",                           \
	    "Parts of large actions on their way.")                            \
	X(relay_in, "counter", "relay_messages_in_total",                      \
	    "Messages from agents.")                                           \
	X(relay_out, "counter", "relay_messages_out_total",                    \
	    "Messages to agents.")                                             \
	X(refused_messages, "counter", "relay_messages_refused_total",         \
	    "Messages from agents that were not acceptable.")                  \
	X(renewals, "counter", "agent_renewals_total",                         \
	    "Certificates of agents renewed.")                                 \
	X(writer_groups, "counter", "store_commits_total",                     \
	    "Groups committed.")                                               \
	X(writer_jobs, "counter", "store_writes_total",                        \
	    "Writes in these groups.")                                         \
	X(writer_waiting, "gauge", "store_waiting", "Writes waiting.")         \
	X(store, "gauge", "store_state",                                       \
	    "0: it can be written, 1: full, 2: locked, 3: failing.")           \
	X(writer_bytes, "gauge", "store_waiting_bytes", "Their bytes.")        \
	X(pruned_answers, "counter", "pruned_answers_total",                   \
	    "Answers removed since the start.")                                \
	X(pruned_actions, "counter", "pruned_actions_total",                   \
	    "Actions removed since the start.")                                \
	X(store_bytes, "gauge", "store_bytes", "Size of the store.")           \
	X(store_unused, "gauge", "store_unused_bytes", "Of it unused.")        \
	X(store_log, "gauge", "store_log_bytes", "Size of the store's log.")   \
	X(disk_free, "gauge", "disk_free_bytes",                               \
	    "Free on the store's file system.")                                \
	X(disk_size, "gauge", "disk_size_bytes",                               \
	    "Size of the store's file system.")                                \
	X(disk_state, "gauge", "disk_state",                                   \
	    "0: all is taken, 1: no new actions, 2: no answers either.")       \
	X(relay_certificate_end, "gauge",                                      \
	    "certificate_end_seconds{name=\"relay\"}",                         \
	    "When a certificate ends, as unix time.")                          \
	X(ca_certificate_end, "gauge", "certificate_end_seconds{name=\"ca\"}", \
	    "")                                                                \
	X(commit_us, NULL, "", "")

#define COMMIT_BUCKETS 10
extern const int64_t commit_bucket_us[COMMIT_BUCKETS];

struct server_status {
#define STATUS_FIELD(field, type, metric, help) uint64_t field;
	SERVER_STATUS(STATUS_FIELD)
#undef STATUS_FIELD
	uint64_t commit_le[COMMIT_BUCKETS]; /* commits, each bucket alone */
};

enum store_state { STORE_WELL, STORE_FULL, STORE_LOCKED, STORE_BROKEN };

void server_status_write(const struct server_status *s, struct buf *out);
int server_status_read(struct rd *r, struct server_status *ret);

#endif

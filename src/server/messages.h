/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the server's roles say to one another (ipc/ipc.h). Who may say what:
 *
 *   parent -> role   CONF, PEER
 *   api -> core      everything from NONCE to ENROL; each is answered by REPLY
 *   core -> api      REPLY, STATUS, WAKE
 *   core -> ca       SIGN, answered by REPLY
 *   core -> parent   RELAY_RELOAD
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
	MSG_RELAY_RELOAD = 4, /* the relay's access list was written anew */

	MSG_NONCE = 16,       /* - */
	MSG_SESSION_NEW = 17, /* F envelope */
	/* from here on D: hash of the session's token comes first */
	MSG_SESSION_END = 18,   /* - */
	MSG_ACTION_NEW = 19,    /* u8 online only, F envelope */
	MSG_PERSON_PUT = 20,    /* u8 admin, F fingerprint or "", F name or "",
				   F keyring */
	MSG_PERSON_REMOVE = 21, /* F fingerprint */
	MSG_TOKEN_NEW = 22,     /* u64 uses, u64 seconds */
	MSG_AGENT_REVOKE = 23,  /* D agent */
	/* no session: */
	MSG_ENROL = 24, /* D token hash, 32 public key, 64 signature,
			   F document */

	MSG_REPLY = 32,
	MSG_STATUS = 33, /* struct server_status, field by field */
	MSG_WAKE = 34,   /* something was committed */

	/* core to ca; answered by REPLY with, instead of JSON, F name of the
	 * host and F certificate (status 200), or F code and F sentence */
	MSG_SIGN = 48, /* as ENROL */
};

enum server_role { ROLE_CORE = 1, ROLE_API = 2, ROLE_CA = 3 };

#define MSG_BODY_MAX (2 * 1024 * 1024)
#define MSG_REPLY_MAX (16 * 1024 * 1024) /* core to api: a policy in it */
#define MSG_QUEUE_MAX (64 * 1024 * 1024)
#define ENROL_DOC_MAX 8192

struct server_status {
	uint8_t relay_up;
	uint64_t registered, online, reconnecting;
	uint64_t actions_open, actions_total, answers;
	uint64_t relay_in, relay_out; /* messages since start */
	uint64_t refused_messages;    /* from agents, not acceptable */
	uint64_t writer_groups, writer_jobs, writer_waiting;
};

void server_status_write(const struct server_status *s, struct buf *out);
int server_status_read(struct rd *r, struct server_status *ret);

#endif

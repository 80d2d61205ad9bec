/* SPDX-License-Identifier: MPL-2.0 */
/*
 * mig-agent-verify: says who signed which document, and nothing else. No
 * JSON, no SQL, no files: it is told the keyring once, warms up, gives up
 * every right, and only then reads bytes from outside. One question at a
 * time; any malformed question ends it.
 */
#include "agent/failed.h"
#include "agent/messages.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/str.h"
#include "proc/proc.h"
#include "sandbox/sandbox.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MAX (256 * 1024 * 1024)

/* Everything a later check touches for the first time, before the filter. */
static void
warm_up(const struct keyring *k)
{
	struct signer ret[1];
	struct sig_bytes none = { (const uint8_t *)"", 0 };

	(void)keyring_verify(k, PURPOSE_ACTION, "x", 1, &none, 1, 0, ret);
}

static int
start(struct keyring *k, struct err *e)
{
	struct sandbox box = { .profile = SANDBOX_COMPUTE };
	struct ipc_msg msg;
	struct msg_user user = { 0, 0 };
	const uint8_t *text;
	struct buf in;
	struct rd r;
	size_t len;
	int rc;

	buf_init(&in, MSG_POLICY_MAX);
	rc = ipc_read(PROC_IPC_FD, &in, &msg, false, e);
	if (rc == 0 && msg_allowed(ROLE_MONITOR, ROLE_VERIFY, &msg) == 0 &&
	    msg.type == MSG_VERIFY_START) {
		rd_init(&r, msg.body, msg.len);
		user.uid = rd_u32(&r);
		user.gid = rd_u32(&r);
		text = rd_field(&r, KEYRING_TEXT_MAX, &len);
		if (rd_done(&r))
			rc = keyring_parse(text, len, k, e);
		else
			rc = err_set(e, ERR_INVALID, "bad start message");
	} else if (rc == 0) {
		rc = err_set(e, ERR_INVALID, "expected a start message");
	}
	buf_release(&in);
	if (rc != 0)
		return rc;
	warm_up(k);
	box.uid = user.uid;
	box.gid = user.gid;
	box.limits.memory_bytes = MEMORY_MAX;
	return sandbox_enter(&box, e);
}

/* People are told by name who did something. */
static void
name_signer(const struct keyring *k, struct verify_verdict *v)
{
	size_t i, j;

	for (i = 0; i + 1 < v->n && v->signers[i].verdict != SIG_GOOD; i++)
		;
	for (j = 0; j < k->npersons; j++) {
		if (memcmp(k->persons[j].fpr, v->signers[i].person,
			PGP_FPR_LEN) == 0)
			str_copy(v->name, sizeof(v->name), k->persons[j].name);
	}
}

static int
answer(const struct keyring *k, const struct ipc_msg *msg, enum purpose purpose,
    struct buf *out, struct err *e)
{
	struct verify_verdict v;
	struct envelope env;
	struct rd r;
	int64_t now;

	fault_point("verify.asked");
	memset(&v, 0, sizeof(v));
	rd_init(&r, msg->body, msg->len);
	now = (int64_t)rd_u64(&r);
	if (msg_pieces_parse(&r, &env) != 0)
		return err_set(e, ERR_INVALID, "malformed question");
	purpose_hash(purpose, env.doc, env.doc_len, &v.id);
	v.n = (uint8_t)env.nsigs;
	if (keyring_verify(k, purpose, env.doc, env.doc_len, env.sigs,
		env.nsigs, now, v.signers) > 0)
		name_signer(k, &v);
	buf_clear(out);
	if (verify_verdict_write(&v, out) != 0)
		return err_code(e, out->error, "the verdict");
	fault_point("verify.checked");
	return ipc_write(PROC_IPC_FD, MSG_VERIFY_VERDICT, msg->request,
	    out->data, out->len, -1, e);
}

/* Would it start with this keyring? */
static int
try_keyring(const struct ipc_msg *msg, struct buf *out, struct err *e)
{
	struct keyring k;
	const uint8_t *text;
	struct err why;
	struct rd r;
	size_t len;
	int rc;

	fault_point("verify.trying");
	rd_init(&r, msg->body, msg->len);
	text = rd_field(&r, KEYRING_TEXT_MAX, &len);
	if (!rd_done(&r))
		return err_set(e, ERR_INVALID, "malformed question");
	err_clear(&why);
	rc = keyring_parse(text, len, &k, &why);
	if (rc == 0)
		keyring_release(&k);
	/* no word on the keyring: a new process is asked again */
	if (rc == ERR_NOMEM)
		return err_set(e, ERR_NOMEM, "%s", why.msg);
	buf_clear(out);
	buf_add_u8(out, rc == 0);
	if (buf_add_field(out, why.msg, strnlen(why.msg, MSG_TEXT_MAX - 1)) !=
	    0)
		return err_code(e, out->error, "the answer");
	return ipc_write(PROC_IPC_FD, MSG_VERIFY_TRIED, msg->request, out->data,
	    out->len, -1, e);
}

static int
serve(const struct keyring *k, struct buf *in, struct buf *out, struct err *e)
{
	struct ipc_msg msg;
	int rc = ipc_read(PROC_IPC_FD, in, &msg, false, e);

	if (rc != 0)
		return rc;
	if (msg_allowed(ROLE_MONITOR, ROLE_VERIFY, &msg) == 0) {
		/* the purpose is told by the message's type, never by what
		 * is in it */
		if (msg.type == MSG_VERIFY_ASK)
			return answer(k, &msg, PURPOSE_ACTION, out, e);
		if (msg.type == MSG_VERIFY_CANCEL)
			return answer(k, &msg, PURPOSE_CANCEL, out, e);
		if (msg.type == MSG_VERIFY_POLICY)
			return answer(k, &msg, PURPOSE_POLICY, out, e);
		if (msg.type == MSG_VERIFY_KEYRING)
			return try_keyring(&msg, out, e);
	}
	return err_set(e, ERR_INVALID, "unexpected message");
}

int
main(void)
{
	struct keyring k = { 0 };
	struct buf in, out;
	struct err e;
	int rc;

	log_init("verify", LOG_LEVEL_INFO, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* the monitor decides when; its end is our end of file */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	err_clear(&e);
	if (start(&k, &e) != 0)
		return msg_failed(MSG_VERIFY_FAILED, e.msg);
	fault_point("verify.sandboxed");
	buf_init(&out, MSG_SMALL);
	buf_add_field(&out, sandbox_describe(), strlen(sandbox_describe()));
	rc = ipc_write(
	    PROC_IPC_FD, MSG_VERIFY_READY, 0, out.data, out.len, -1, &e);
	buf_init(&in, MSG_DOC_MAX);
	while (rc == 0)
		rc = serve(&k, &in, &out, &e);
	if (rc == ERR_CLOSED)
		return 0;
	log_error("verify_ends why=%s", log_quote(e.msg));
	return msg_failed(MSG_VERIFY_FAILED, e.msg);
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * mig-agent-net as a process of its own beside the one that has the network:
 * what that one hands over as the next certificate is looked at by one which
 * has read nothing of the network yet, in the same sandbox.
 */
#include "agent/net/handed.h"

#include "agent/net/netbox.h"
#include "agent/net/netfields.h"
#include "agent/net/probe.h"
#include "agent/net/renew.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "crypto/x509.h"
#include "mqtt/tunnel.h"
#include "proc/proc.h"

#include <string.h>
#include <unistd.h>

#define SECONDS 20
#define MESSAGE_MAX 131072

enum { TEXTS = 6 }; /* F ca, F certificate, F key: in force, then handed over */

struct question {
	uint32_t uid, gid;
	struct id agent;
	char host[sizeof(((struct tunnel_peer *)NULL)->host)];
	char *text[TEXTS];
};

static int
read_question(struct question *q, struct err *e)
{
	bool whole = true;
	struct buf b;
	struct rd r;
	size_t i;
	int rc;

	buf_init(&b, MESSAGE_MAX);
	rc = fd_read_all(PROC_IPC_FD, &b, e);
	if (rc != 0)
		return rc;
	rd_init(&r, b.data, b.len);
	q->uid = rd_u32(&r);
	q->gid = rd_u32(&r);
	rd_copy(&r, q->agent.b, ID_LEN);
	rd_field_str(&r, q->host, sizeof(q->host));
	if (r.bad)
		return err_set(e, ERR_INTERNAL, "bad question");
	for (i = 0; i < TEXTS; i++) {
		q->text[i] = take_pem(&r);
		whole = whole && (r.bad || q->text[i] != NULL);
	}
	if (!whole)
		return err_set(e, ERR_NOMEM, "out of memory");
	return rd_done(&r) ? 0 : err_set(e, ERR_INVALID, "malformed");
}

int
handed_begin(unsigned int seconds, struct err *e)
{
	err_clear(e);
	(void)alarm(seconds);
	x509_few_texts();
	return x509_start(e);
}

static int
look(void)
{
	struct question q = { 0 };
	struct err e;
	int rc;

	rc = handed_begin(SECONDS, &e);
	if (rc == 0)
		rc = read_question(&q, &e);
	if (rc == 0 && netbox_enter(q.uid, q.gid, &e) != 0)
		rc = ERR_INTERNAL;
	if (rc == 0)
		rc = renew_check(
		    q.text, q.text + TEXTS / 2, &q.agent, q.host, &e);
	if (rc == 0)
		return HANDED_GOOD;
	log_error("handed why=%s", log_quote(e.msg));
	return rc == ERR_NOMEM || rc == ERR_IO || rc == ERR_INTERNAL
	    ? HANDED_UNSEEN
	    : HANDED_BAD;
}

int
handed_aside(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "--sandbox") == 0)
		return netbox_say(argv + 2);
	if (argc == 2 && strcmp(argv[1], "--handed") == 0)
		return look();
	if (argc == 2 && strcmp(argv[1], "--connect") == 0)
		return probe_main();
	return 2;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* The connection, tried by a process that is as net is (agent/net/probe.c). */
#include "agent/cmd/checkout.h"
#include "agent/monitor/monitor.h"
#include "agent/monitor/netlink.h"
#include "agent/monitor/renewed.h"
#include "agent/net/probe.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "mqtt/tunnel.h"
#include "proc/proc.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define QUESTION_MAX 65536

static int question = -1; /* of the one process that is started */

static int
ask_what(struct agent *a, const struct tunnel_peer *relay, struct err *e)
{
	struct renewed none;
	struct buf b;
	int rc;

	renewed_init(&none, a, NULL, NULL);
	buf_init(&b, QUESTION_MAX);
	buf_add_u32(&b, a->uid);
	buf_add_u32(&b, a->gid);
	buf_add_field(&b, relay->host, strlen(relay->host));
	buf_add_u16(&b, relay->port);
	rc = netlink_certificates(a, &none, &b, e);
	if (rc == 0 && b.error != 0)
		rc = err_set(e, b.error, "certificates: %s", err_text(b.error));
	if (rc == 0) {
		question = fd_sealed("mig-probe", b.data, b.len, e);
		rc = question < 0 ? ERR_IO : 0;
	}
	renewed_wipe(&b);
	return rc;
}

static int
spawn_probe(const struct agent *a, int out, pid_t *ret_pid, struct err *e)
{
	static char name[] = "mig-agent-net", mode[] = "--connect";
	char *argv[] = { name, mode, NULL };
	char path[PATH_MAX];
	int rc = proc_sibling("mig-agent-net", path, sizeof(path), e);

	return rc != 0 ? rc
		       : checkout_spawn(path, argv, out, question, ret_pid, e);
}

/* "FROM UNTIL" */
static void
say_certificate(struct checkout *c, const char *text)
{
	char begins[RFC3339_LEN + 1], ends[RFC3339_LEN + 1];
	int64_t from, until, now = clock_wall_ms() / 1000;
	struct err e;

	if (sscanf(text, "%" SCNd64 " %" SCNd64, &from, &until) != 2)
		return;
	err_clear(&e);
	rfc3339_format(from, begins);
	rfc3339_format(until, ends);
	checkout_say(c, "certificate", "from %s until %s", begins, ends);
	if (now < from)
		err_set(&e, ERR_INVALID,
		    "the certificate begins %s: this host's clock is behind, "
		    "or the server's was ahead; set it right",
		    begins);
	else if (now >= until)
		err_set(&e, ERR_EXPIRED,
		    "the certificate ended %s, if this host's clock is right: "
		    "run 'mig-agent enrol' again with a new token; the agent "
		    "keeps its id",
		    ends);
	if (e.code != 0)
		checkout_problem(c, &e);
}

/* What is to be done. */
static const struct {
	const char *word, *what, *todo;
} ends[] = {
	{ PROBE_NAME, "its name has no address",
	    "look at the name, and at this host's name service" },
	{ PROBE_REACH, "no connection",
	    "does the server run, and may this host reach its port?" },
	{ PROBE_PEER, "its certificate is not the one expected",
	    "it must have the name by which the agent is to reach it "
	    "(relay_name of the server), and be of the CA that this agent "
	    "is enrolled with; is the clock right?" },
	{ PROBE_REFUSED, "it refuses the connection",
	    "if the agent was revoked or its certificate ended, run 'mig-agent "
	    "enrol' again with a new token" },
	{ PROBE_OTHER, "it does not answer as a relay does",
	    "is it the relay's port that answers there?" },
	{ PROBE_WRONG, "it could not be tried",
	    "run 'mig-agent enrol' again with a new token if what enrolment "
	    "brought is damaged" },
};

static void
say_end(struct checkout *c, const struct tunnel_peer *relay, const char *line)
{
	struct err e;
	size_t i, n;

	err_clear(&e);
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		n = strlen(ends[i].word);
		if (strncmp(line, ends[i].word, n) != 0 || line[n] != ' ')
			continue;
		err_set(&e, ERR_CLOSED, "relay %s:%u: %s: %s: %s", relay->host,
		    (unsigned int)relay->port, ends[i].what, line + n + 1,
		    ends[i].todo);
		checkout_problem(c, &e);
	}
	checkout_say(
	    c, "connection", "%s", str_starts(line, PROBE_GOOD) ? "yes" : "no");
}

static void
say_lines(struct checkout *c, const struct tunnel_peer *relay, char *text)
{
	char *line, *save = NULL, *last = NULL;

	for (line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		if (str_starts(line, PROBE_CERTIFICATE " "))
			say_certificate(c, line + strlen(PROBE_CERTIFICATE));
		else
			last = line;
	}
	say_end(c, relay, last != NULL ? last : PROBE_REACH " no answer");
}

void
checkrelay(struct checkout *c, struct agent *a)
{
	struct tunnel_peer relay;
	struct buf text;
	struct err e;
	int rc, status;

	if (a->conf.proxies->n > 0) {
		checkout_say(
		    c, "connection", "%s", "not tried through proxies");
		return;
	}
	err_clear(&e);
	memset(&relay, 0, sizeof(relay));
	buf_init(&text, 4096);
	rc = netlink_relay(a, &relay, &e);
	if (rc == 0)
		rc = ask_what(a, &relay, &e);
	if (rc == 0)
		rc = checkout_ask(
		    a, "mig-agent-net", spawn_probe, &text, &status, &e);
	if (question >= 0)
		close(question);
	if (rc == 0 && (text.len == 0 || buf_str(&text) == NULL))
		rc = err_set(&e, ERR_INTERNAL,
		    "mig-agent-net did not say whether the relay is there: %s",
		    proc_status_text(status));
	if (rc == 0)
		say_lines(c, &relay, (char *)text.data);
	else
		checkout_problem(c, &e);
	buf_release(&text);
}

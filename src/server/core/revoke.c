/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Core: revoking an agent. It is marked in the store, the relay's access list
 * silences it and its session is ended, at once. Then the ca signs the list of
 * all revoked agents' certificates that have not ended, the relay reads it and
 * takes no TLS connection of theirs any more; who came back in between is
 * thrown off once again, and after ten seconds once more.
 *
 *   api --AGENT_REVOKE--> core --commit--> access list, kick
 *                              --REVOKED--> ca --CRL--> core --> relay, kick
 *
 * Which certificates an agent has is written before it gets one. Those of
 * before that was so are kept away by the access list alone.
 */
#include "server/core/revoke.h"

#include "server/core/core.h"
#include "server/core/relaylink.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "crypto/x509.h"
#include "server/audit.h"

#include <stdlib.h>
#include <string.h>

#define WAITING_MAX 1024
#define PAUSE_MS 1000 /* between two lists: a relay has read the one before */
#define AGAIN_MS 30000
#define NONE_MADE_MS 2000   /* the ca could not: asked again */
#define KICK_AGAIN_MS 10000 /* a busy relay may have read the list late */

struct revoke {
	bool wanted, asked;
	int64_t next;  /* mono ms: not before */
	int64_t after; /* time of the list that is there; 0: not known */
	struct id ids[WAITING_MAX]; /* thrown off once it is in force */
	size_t n, ready;            /* ready: of these now */
	int64_t kick_at;            /* mono ms; 0: not yet */
	bool kicked;                /* once already */
};

struct revoke *
revoke_new(void)
{
	struct revoke *r = calloc(1, sizeof(*r));

	if (r != NULL)
		r->wanted = true;
	return (r);
}

void
revoke_free(struct revoke *r)
{
	free(r);
}

static void
kick_later(struct revoke *r, const struct id *agent)
{
	r->wanted = true;
	if (r->n < WAITING_MAX)
		r->ids[r->n++] = *agent;
}

int
revoke_remember(
    struct store *s, const struct id *agent, const char *pem, struct err *e)
{
	struct x509_serial serial;
	int64_t end;
	int rc;

	if ((rc = x509_serial(pem, &serial, e)) != 0 ||
	    (rc = x509_expires(pem, &end, e)) != 0)
		return (rc);
	return (store_certificate_put(s, agent, serial.b, serial.len, end, e));
}

/* --- the list ------------------------------------------------------------- */

static int
read_crl(struct core *c, int64_t *ret, struct err *e)
{
	char path[SERVER_PATH_MAX];
	struct buf b;
	int rc;

	buf_init(&b, MSG_BODY_MAX);
	rc = file_read_foreign(
	    server_file(&c->role.conf, FILE_RELAY_CRL, path), &b, e);
	if (rc == 0 && buf_str(&b) == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	if (rc == 0)
		rc = x509_crl_time(buf_str(&b), buf_str(&c->ca_pem), ret, e);
	buf_release(&b);
	return (rc);
}

static int
add_serial(const uint8_t *serial, size_t len, void *arg)
{
	return (buf_add_field(arg, serial, len));
}

static void
ask(struct core *c, struct revoke *r, int64_t now)
{
	int64_t after = 0;
	struct buf b;
	struct err e;
	int rc;

	if (read_crl(c, &after, NULL) == 0 && after > r->after)
		r->after = after;
	r->next = now + AGAIN_MS;
	buf_init(&b, MSG_BODY_MAX);
	buf_add_u64(&b, (uint64_t)r->after);
	rc = store_certificates_revoked(
	    c->read, clock_wall_ms() / 1000, add_serial, &b, &e);
	if (rc != 0 || b.error != 0)
		log_error("revoked error=%s",
		    log_quote(b.error != 0 ? "too many certificates" : e.msg));
	else if (ipc_chan_send(c->ca, MSG_REVOKED, 0, b.data, b.len) == 0)
		r->wanted = false;
	r->asked = !r->wanted;
	if (r->asked)
		r->ready = r->n;
	buf_release(&b);
}

int
revoke_on_ca(struct core *c, const struct ipc_msg *m)
{
	char path[SERVER_PATH_MAX];
	struct revoke *r = c->revoke;
	const uint8_t *pem;
	struct err e;
	struct rd rd;
	size_t len;

	rd_init(&rd, m->body, m->len);
	pem = rd_field(&rd, MSG_BODY_MAX, &len);
	if (!rd_done(&rd) || !r->asked)
		return (ERR_INVALID);
	r->asked = false;
	if (len == 0) {
		r->wanted = true;
		r->next = clock_mono_ms() + NONE_MADE_MS;
		return (0);
	}
	server_file(&c->role.conf, FILE_RELAY_CRL, path);
	if (file_write(path, pem, len, 0644, &e) != 0) {
		log_error("revoked error=%s", log_quote(e.msg));
		r->wanted = true; /* tried again after a while */
		return (0);
	}
	r->next = clock_mono_ms() + PAUSE_MS;
	r->kick_at = r->next;
	r->kicked = false;
	relaylink_reload(c->link);
	return (0);
}

static void
forget_kicked(struct revoke *r)
{
	memmove(
	    r->ids, r->ids + r->ready, (r->n - r->ready) * sizeof(r->ids[0]));
	r->n -= r->ready;
	r->ready = 0;
	r->kick_at = 0;
}

void
revoke_tick(struct core *c, int64_t now)
{
	struct revoke *r = c->revoke;
	size_t i;

	if (r->kick_at != 0 && now >= r->kick_at && relaylink_up(c->link)) {
		for (i = 0; i < r->ready; i++)
			kick(c, &r->ids[i]);
		if (!r->kicked) {
			r->kicked = true;
			r->kick_at = now + KICK_AGAIN_MS;
		} else {
			forget_kicked(r);
		}
	}
	if (r->wanted && !r->asked && c->ca != NULL && now >= r->next)
		ask(c, r, now);
}

void
revoke_ca_lost(struct core *c)
{
	struct revoke *r = c->revoke;

	r->wanted = r->wanted || r->asked;
	r->asked = false;
	r->next = 0;
}

/* --- the request ---------------------------------------------------------- */

struct revoke_job {
	struct core_job j;
	struct id agent;
	char by[STORE_FPR_HEX + 1];
};

static int
revoke_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct revoke_job *x = (struct revoke_job *)j;
	struct id_hex agent = id_hex(&x->agent);
	struct audit_note n = { x->by, "agent_revoked", agent.s, "" };
	int rc;

	if ((rc = store_agent_revoke(s, &x->agent, e)) != 0)
		return (rc);
	return (audit_add(s, &n, clock_wall_ms(), e));
}

static void
revoke_done(struct writer_job *j)
{
	struct revoke_job *x = (struct revoke_job *)j;
	struct core *c = x->j.c;
	struct agent *a;

	if (j->rc != 0) {
		core_refuse_err(c, x->j.request, &j->err);
	} else {
		log_info("revoked agent=%s by=%s", id_hex(&x->agent).s, x->by);
		a = registry_find(&c->registry, &x->agent);
		if (a != NULL)
			registry_revoke(&c->registry, a);
		relaylink_revoked(c->link);
		kick(c, &x->agent);
		kick_later(c->revoke, &x->agent);
		core_reply_done(c, x->j.request, 200);
	}
	free(x);
}

void
revoke_request(struct core *c, uint32_t request, struct rd *rd)
{
	struct store_caller s;
	struct revoke_job *x;
	struct id token, agent;

	rd_copy(rd, token.b, ID_LEN);
	rd_copy(rd, agent.b, ID_LEN);
	if (rd->bad || !core_caller(c, request, &token, CALL_AGENTS_REVOKE, &s))
		return;
	x = core_job_new(c, sizeof(*x), request, revoke_run, revoke_done);
	if (x == NULL) {
		core_refuse(
		    c, request, 503, "busy", "out of memory: try again");
		return;
	}
	x->agent = agent;
	memcpy(x->by, s.fpr, sizeof(x->by));
	writer_submit(c->writer, &x->j.j);
}

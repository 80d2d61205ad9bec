/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Core: enrolment. The token is looked at first, then the ca role verifies
 * the request and signs, then token and agent are written in one step; the
 * certificate leaves only after that commit.
 *
 *   api --ENROL--> core --SIGN--> ca --REPLY--> core --commit--> api
 */
#include "server/core/core.h"
#include "server/core/relaylink.h"
#include "server/core/revoke.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "crypto/identity.h"
#include "action/policy.h"
#include "crypto/x509.h"
#include "server/audit.h"
#include "server/cmd/enrolcmd.h"
#include "server/store/policies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_MAX 1024

struct enrolment {
	uint32_t sign;    /* number towards the ca */
	uint32_t request; /* of the api; 0: a renewal */
	struct id token, agent;
	struct enrolment *next;
};

struct enrolments {
	struct enrolment *first;
	size_t n;
};

struct enrol_job {
	struct core_job j;
	struct id token, agent;
	int64_t now, n;
	char name[STORE_NAME_MAX];
	size_t len;
	char cert[]; /* PEM, terminated */
};

static int
enrol_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct enrol_job *x = (struct enrol_job *)j;
	struct id_hex agent = id_hex(&x->agent);
	char detail[AUDIT_DETAIL_MAX];
	struct audit_note note = { "-", "agent_enrolled", agent.s, detail };
	struct store_agent a = { 0 };
	int rc;

	a.id = x->agent;
	a.name = x->name;
	if ((rc = store_agent_enrol(s, &a, &x->token, x->now, &x->n, e)) != 0)
		return (rc);
	if ((rc = revoke_remember(s, &x->agent, x->cert, e)) != 0)
		return (rc);
	snprintf(detail, sizeof(detail), "%s, with token %s", x->name,
	    id_short(&x->token).s);
	return (audit_add(s, &note, x->now, e));
}

static void
add_policy(struct core *c, struct jsonw *w)
{
	struct buf text, b64;

	buf_init(&text, POLICY_MAX);
	buf_init(&b64, MSG_REPLY_MAX);
	if (store_policy_get(c->read, NULL, NULL, &text, NULL) == 0 &&
	    b64_encode(&b64, text.data, text.len) == 0)
		jsonw_strn(w, "policy", b64.data, b64.len);
	else
		jsonw_null(w, "policy");
	buf_release(&text);
	buf_release(&b64);
}

static void
enrol_done(struct writer_job *j)
{
	struct enrol_job *x = (struct enrol_job *)j;
	struct core *c = x->j.c;
	char relay[300];
	struct buf out;
	struct jsonw w;

	if (j->rc != 0) {
		log_warn("enrol_refused agent=%s why=%s", id_short(&x->agent).s,
		    log_quote(j->err.msg));
		core_refuse_err(c, x->j.request, &j->err);
		free(x);
		return;
	}
	fault_point("core.enrol_stored");
	if (registry_add(&c->registry, &x->agent, x->n, x->name) == NULL)
		core_broken(c, "an agent");
	log_info("enrolled agent=%s name=%s", id_hex(&x->agent).s,
	    log_quote(x->name));
	server_relay_address(&c->role.conf, relay, sizeof(relay));
	buf_init(&out, MSG_REPLY_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "agent", id_hex(&x->agent).s);
	jsonw_strn(&w, "certificate", x->cert, x->len);
	jsonw_strn(&w, "ca", c->ca_pem.data, c->ca_pem.len);
	jsonw_str(&w, "relay", relay);
	add_policy(c, &w);
	jsonw_object_end(&w);
	core_reply(c, x->j.request, 201, &out);
	buf_release(&out);
	free(x);
}

static struct enrolment *
waiting_take(struct core *c, uint32_t sign)
{
	struct enrolment **p, *w;

	if (c->enrolments == NULL)
		return (NULL);
	for (p = &c->enrolments->first; (w = *p) != NULL; p = &w->next) {
		if (w->sign != sign)
			continue;
		*p = w->next;
		c->enrolments->n--;
		return (w);
	}
	return (NULL);
}

void
enrol_ca_lost(struct core *c)
{
	struct enrolment *w;

	while (c->enrolments != NULL && (w = c->enrolments->first) != NULL) {
		c->enrolments->first = w->next;
		c->enrolments->n--;
		core_refuse(c, w->request, 503, "busy",
		    "the CA is being restarted: try again");
		free(w);
	}
	free(c->enrolments);
	c->enrolments = NULL;
}

/* The ca's reply: u16 status, then name and certificate, or code and text. */
int
enrol_on_ca(struct ipc_chan *ch, const struct ipc_msg *m, void *arg)
{
	char name[STORE_NAME_MAX], text[ERR_MSG_MAX];
	struct core *c = arg;
	struct enrolment *w;
	struct enrol_job *x;
	const uint8_t *cert;
	uint16_t status;
	struct rd rd;
	size_t len;

	if (m->type == MSG_CRL)
		return (revoke_on_ca(c, m));
	rd_init(&rd, m->body, m->len);
	status = rd_u16(&rd);
	rd_field_str(&rd, name, sizeof(name));
	cert = rd_field(&rd, X509_PEM_MAX, &len);
	if (m->type != MSG_REPLY || !rd_done(&rd) ||
	    (status != 200 && (status < 400 || status > 599)))
		return (ERR_INVALID);
	if ((w = waiting_take(c, m->request)) == NULL)
		return (ERR_INVALID);
	if (status != 200) {
		snprintf(
		    text, sizeof(text), "%.*s", (int)len, (const char *)cert);
		log_warn("enrol_refused agent=%s why=%s", id_short(&w->agent).s,
		    log_quote(text));
		core_refuse(c, w->request, status, name, "%s", text);
		free(w);
		return (0);
	}
	if (w->request == 0) {
		renew_signed(c, &w->agent, cert, len);
		free(w);
		return (0);
	}
	x = core_job_new(
	    c, sizeof(*x) + len + 1, w->request, enrol_run, enrol_done);
	if (x == NULL) {
		core_refuse(
		    c, w->request, 503, "busy", "out of memory: try again");
		free(w);
		return (0);
	}
	x->token = w->token;
	x->agent = w->agent;
	x->now = clock_wall_ms();
	memcpy(x->name, name, sizeof(name));
	memcpy(x->cert, cert, len);
	x->len = len;
	fault_point("core.enrol_signed");
	writer_submit(c->writer, &x->j.j);
	free(w);
	return (0);
}

static struct enrolment *
waiting_add(struct core *c, uint32_t request)
{
	struct enrolment *w;

	if (c->enrolments == NULL &&
	    (c->enrolments = calloc(1, sizeof(*c->enrolments))) == NULL)
		return (NULL);
	if (c->enrolments->n >= WAITING_MAX ||
	    (w = calloc(1, sizeof(*w))) == NULL)
		return (NULL);
	if (++c->sign_request == 0)
		c->sign_request = 1;
	w->sign = c->sign_request;
	w->request = request;
	w->next = c->enrolments->first;
	c->enrolments->first = w;
	c->enrolments->n++;
	return (w);
}

bool
enrol_sign(struct core *c, const struct id *agent, const struct buf *body)
{
	struct enrolment *w;

	if (c->ca == NULL || (w = waiting_add(c, 0)) == NULL)
		return (false);
	w->agent = *agent;
	if (ipc_chan_send(c->ca, MSG_SIGN, w->sign, body->data, body->len) == 0)
		return (true);
	free(waiting_take(c, w->sign));
	return (false);
}

void
enrol_request(struct core *c, uint32_t request, struct rd *rd)
{
	uint8_t pub[IDENTITY_PUB_LEN], sig[IDENTITY_SIG_LEN];
	struct rd whole = *rd;
	struct enrolment *w;
	struct id token, agent;
	struct agent *known;
	struct err e;
	size_t len;

	rd_copy(rd, token.b, ID_LEN);
	rd_copy(rd, pub, sizeof(pub));
	rd_copy(rd, sig, sizeof(sig));
	rd_field(rd, ENROL_DOC_MAX, &len);
	/* The ca ends the channel when it gets anything else. */
	if (!rd_done(rd)) {
		rd->bad = true;
		return;
	}
	identity_id(pub, &agent);
	if (store_token_check(c->read, &token, &agent, clock_wall_ms(), &e) !=
	    0) {
		log_warn("enrol_refused agent=%s why=%s", id_short(&agent).s,
		    log_quote(e.msg));
		if (e.code == ERR_AUTH)
			core_refuse(c, request, 403, "token", "%s", e.msg);
		else
			core_refuse_err(c, request, &e);
		return;
	}
	known = registry_find(&c->registry, &agent);
	if (known != NULL && known->revoked) {
		core_refuse(c, request, 403, "revoked",
		    "this agent's identity was revoked");
		return;
	}
	/* its token is good for it as often as an answer is lost, but neither
	 * certificates nor entries of the audit log are without end */
	if (known != NULL &&
	    !agent_may_enrol(known, c->role.conf.agent_certificate * 1000,
		clock_mono_ms())) {
		core_refuse(c, request, 503, "busy",
		    "this agent has enrolled again and again: try again"
		    " later");
		return;
	}
	if (c->ca == NULL || (w = waiting_add(c, request)) == NULL) {
		core_refuse(c, request, 503, "busy",
		    "the CA cannot take more just now: try again");
		return;
	}
	w->token = token;
	w->agent = agent;
	fault_point("core.enrol_checked");
	if (ipc_chan_send(c->ca, MSG_SIGN, w->sign, whole.p, whole.left) == 0)
		return;
	free(waiting_take(c, w->sign));
	core_refuse(c, request, 503, "busy",
	    "the CA cannot take more just now: try again");
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Core: an agent's certificate before it ends. The agent asks over the relay,
 * by a document that its identity signed; the ca role verifies it once more,
 * computes the name itself and signs. Who may renew is who is enrolled and not
 * revoked. What is stored is which certificates there are, before they leave.
 *
 *   agent --RENEW--> core --SIGN--> ca --REPLY--> core --commit-->
 *         --CERTIFICATE--> agent
 */
#include "server/core/core.h"
#include "server/core/relaylink.h"
#include "server/core/revoke.h"

#include "base/clock.h"
#include "base/log.h"
#include "crypto/identity.h"
#include "mqtt/wire.h"

#include <stdlib.h>
#include <string.h>

void
renew_request(struct core *c, struct agent *a, const void *data, size_t len)
{
	uint8_t pub[IDENTITY_PUB_LEN], sig[IDENTITY_SIG_LEN];
	static const struct id no_token;
	int64_t life = c->role.conf.agent_certificate * 1000;
	struct id id;
	struct buf b;
	struct rd rd;

	rd_init(&rd, data, len);
	rd_copy(&rd, pub, sizeof(pub));
	rd_copy(&rd, sig, sizeof(sig));
	if (rd.bad || rd.left == 0 || rd.left > ENROL_DOC_MAX) {
		c->status.refused_messages++;
		return;
	}
	identity_id(pub, &id);
	if (!id_equal(&id, &a->id)) {
		c->status.refused_messages++;
		log_warn("renewal_refused agent=%s why=\"signed by another"
			 " agent\"",
		    id_short(&a->id).s);
		return;
	}
	if (!agent_may_renew(a, life, clock_mono_ms()))
		return;
	buf_init(&b, MSG_BODY_MAX);
	buf_add(&b, no_token.b, ID_LEN);
	buf_add(&b, pub, sizeof(pub));
	buf_add(&b, sig, sizeof(sig));
	buf_add_field(&b, rd.p, rd.left);
	if (b.error != 0 || !enrol_sign(c, &a->id, &b))
		log_warn("renewal_deferred agent=%s why=\"the CA cannot take"
			 " more just now\"",
		    id_short(&a->id).s);
	buf_release(&b);
}

struct renew_job {
	struct core_job j;
	struct id agent;
	size_t len;
	char cert[]; /* PEM, terminated */
};

static int
renew_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct renew_job *x = (struct renew_job *)j;

	return (revoke_remember(s, &x->agent, x->cert, e));
}

static void
renew_done(struct writer_job *j)
{
	struct renew_job *x = (struct renew_job *)j;
	struct core *c = x->j.c;
	struct agent *a = registry_find(&c->registry, &x->agent);
	struct buf b;

	if (j->rc != 0) {
		log_warn("renewal_deferred agent=%s why=%s",
		    id_short(&x->agent).s, log_quote(j->err.msg));
		free(x);
		return;
	}
	if (a == NULL || a->revoked || c->link == NULL) {
		free(x);
		return;
	}
	buf_init(&b, WIRE_PART_MAX);
	buf_add_field(&b, x->cert, x->len);
	buf_add_field(&b, c->ca_pem.data, c->ca_pem.len);
	log_info("renewed agent=%s", id_short(&x->agent).s);
	a->renewals++;
	c->status.renewals++;
	relaylink_certificate(c->link, a, b.data, b.len);
	buf_release(&b);
	free(x);
}

void
renew_signed(
    struct core *c, const struct id *agent, const void *cert, size_t cert_len)
{
	struct renew_job *x = core_job_new(
	    c, sizeof(*x) + cert_len + 1, 0, renew_run, renew_done);

	if (x == NULL) {
		log_warn("renewal_deferred agent=%s why=\"out of memory\"",
		    id_short(agent).s);
		return;
	}
	x->agent = *agent;
	memcpy(x->cert, cert, cert_len);
	x->len = cert_len;
	writer_submit(c->writer, &x->j.j);
}

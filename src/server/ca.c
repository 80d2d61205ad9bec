/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The ca role: holds the CA's key and signs agents' certificates, and the list
 * of those that the core says were revoked. It believes nobody: the
 * certificate's name is computed from the identity that signed the request, and
 * the request must name the token that the core says it has looked up: none
 * (zeros) for a renewal, which the core takes from enrolled agents only.
 */
#include "server/role.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "crypto/identity.h"
#include "crypto/seal.h"
#include "crypto/x509.h"
#include "proc/proc.h"
#include "server/parse.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENROL_SLACK 600 /* seconds an agent's clock may be off */

struct ca {
	struct role role;
	struct ipc_chan *core;
	struct buf cert, key; /* PEM, terminated */
};

struct request {
	struct id token, agent;
	uint8_t pub[IDENTITY_PUB_LEN], sig[IDENTITY_SIG_LEN];
	const uint8_t *doc;
	size_t doc_len;
	struct enrol_doc said;
};

static int
check(struct request *q, struct err *e)
{
	int64_t now = clock_wall_ms() / 1000;
	int rc;

	if (identity_check(q->pub, PURPOSE_ENROL, q->doc, q->doc_len, q->sig) !=
	    0)
		return (err_set(
		    e, ERR_AUTH, "the enrolment's signature does not verify"));
	identity_id(q->pub, &q->agent);
	if ((rc = enrol_doc_parse(q->doc, q->doc_len, &q->said, e)) != 0)
		return (rc);
	if (!id_equal(&q->said.token, &q->token))
		return (err_set(
		    e, ERR_AUTH, "token_sha256: not the digest of the token"));
	if (q->said.time < now - ENROL_SLACK ||
	    q->said.time > now + ENROL_SLACK)
		return (err_set(e, ERR_EXPIRED,
		    "time: more than ten minutes from the server's clock: set"
		    " the endpoint's clock"));
	return (0);
}

/* Told nothing it would wait for ever: it asks anew on a new channel, and tells
 * those who wait for it to ask again. */
static void
lose_core(struct ca *ca, const char *what)
{
	log_error(
	    "%s_lost why=\"out of memory, or the core does not read\"", what);
	ipc_chan_free(ca->core);
	ca->core = NULL;
	role_peer_lost(&ca->role);
}

static void
reply(struct ca *ca, uint32_t request, int status, const char *first,
    const void *second, size_t len)
{
	struct buf out;

	buf_init(&out, MSG_BODY_MAX);
	buf_add_u16(&out, (uint16_t)status);
	buf_add_field(&out, first, strlen(first));
	buf_add_field(&out, second, len);
	if (out.error != 0 ||
	    ipc_chan_send(ca->core, MSG_REPLY, request, out.data, out.len) != 0)
		lose_core(ca, "reply");
	buf_release(&out);
}

static void
refuse(struct ca *ca, uint32_t request, const struct err *e)
{
	static const struct {
		int err, status;
		const char *code;
	} table[] = {
		{ ERR_INVALID, 400, "invalid" },
		{ ERR_EXPIRED, 403, "expired" },
		{ ERR_NOMEM, 503, "busy" },
	};
	size_t i, n = sizeof(table) / sizeof(table[0]);

	for (i = 0; i < n && table[i].err != e->code; i++)
		;
	reply(ca, request, i < n ? table[i].status : 403,
	    i < n ? table[i].code : "not_verified", e->msg, strlen(e->msg));
}

static void
sign(struct ca *ca, uint32_t number, struct request *q)
{
	int64_t seconds = ca->role.conf.agent_certificate;
	struct buf cert;
	struct err e;
	int rc;

	fault_point("ca.asked");
	buf_init(&cert, X509_PEM_MAX);
	if ((rc = check(q, &e)) == 0)
		rc = x509_issue_agent(buf_str(&ca->cert), buf_str(&ca->key),
		    &q->agent, q->said.spki, q->said.spki_len, seconds, &cert,
		    &e);
	fault_point("ca.signed");
	if (rc == 0) {
		log_info("signed agent=%s days=%lld%s", id_short(&q->agent).s,
		    (long long)(seconds / 86400),
		    id_is_zero(&q->token) ? " renewal" : "");
		reply(ca, number, 200, q->said.name, cert.data, cert.len);
	} else {
		log_warn("refused why=%s", log_quote(e.msg));
		refuse(ca, number, &e);
	}
	buf_release(&cert);
}

/* An empty list is an answer as well: the core asks again. */
static void
send_list(struct ca *ca, const struct buf *crl)
{
	struct buf out;

	buf_init(&out, MSG_BODY_MAX);
	if (buf_add_field(&out, crl->data, crl->len) != 0 ||
	    ipc_chan_send(ca->core, MSG_CRL, 0, out.data, out.len) != 0)
		lose_core(ca, "list");
	buf_release(&out);
}

/* What the core could do with it: cut off agents, which it can anyway. */
static int
revoked(struct ca *ca, const struct ipc_msg *m)
{
	struct x509_serial *serials;
	struct buf crl;
	const uint8_t *p;
	size_t n = 0, len;
	int64_t after;
	struct err e;
	struct rd rd;

	rd_init(&rd, m->body, m->len);
	after = (int64_t)rd_u64(&rd);
	buf_init(&crl, MSG_BODY_MAX);
	serials = fault_error("ca.revoked", "") != 0
	    ? NULL
	    : calloc(rd.left / 4 + 1, sizeof(*serials));
	if (serials == NULL) {
		log_error("revoked error=\"out of memory\"");
		send_list(ca, &crl);
		return (0);
	}
	while (!rd.bad && rd.left > 0) {
		p = rd_field(&rd, sizeof(serials->b), &len);
		if (p == NULL || len == 0)
			break;
		serials[n].len = (uint8_t)len;
		memcpy(serials[n++].b, p, len);
	}
	if (!rd_done(&rd)) {
		free(serials);
		return (ERR_INVALID);
	}
	if (x509_crl_new(buf_str(&ca->cert), buf_str(&ca->key), serials, n,
		after, &crl, &e) != 0) {
		log_error("revoked error=%s", log_quote(e.msg));
		buf_clear(&crl);
	} else {
		log_info("revoked certificates=%zu", n);
	}
	send_list(ca, &crl);
	buf_release(&crl);
	free(serials);
	return (0);
}

/* The CA's certificate was made anew, under its key. */
static int
on_parent(struct role *r, const struct ipc_msg *m)
{
	struct ca *ca = r->arg;
	const uint8_t *pem;
	struct buf cert;
	struct err e;
	struct rd rd;
	size_t len;

	rd_init(&rd, m->body, m->len);
	pem = rd_field(&rd, X509_PEM_MAX, &len);
	if (m->type != MSG_CA || !rd_done(&rd))
		return (ERR_INVALID);
	buf_init(&cert, X509_PEM_MAX);
	buf_add(&cert, pem, len);
	if (buf_str(&cert) == NULL ||
	    x509_pair(buf_str(&cert), buf_str(&ca->key), &e) != 0) {
		log_error("ca error=\"not the certificate of its key\"");
		buf_release(&cert);
		return (0);
	}
	buf_release(&ca->cert);
	ca->cert = cert;
	return (0);
}

static int
on_core(struct ipc_chan *ch, const struct ipc_msg *m, void *arg)
{
	struct request q = { 0 };
	struct rd rd;

	if (m->type == MSG_REVOKED)
		return (revoked(arg, m));
	rd_init(&rd, m->body, m->len);
	rd_copy(&rd, q.token.b, ID_LEN);
	rd_copy(&rd, q.pub, sizeof(q.pub));
	rd_copy(&rd, q.sig, sizeof(q.sig));
	q.doc = rd_field(&rd, ENROL_DOC_MAX, &q.doc_len);
	if (m->type != MSG_SIGN || m->request == 0 || !rd_done(&rd))
		return (ERR_INVALID);
	sign(arg, m->request, &q);
	return (0);
}

static void
on_core_close(struct ipc_chan *ch, const char *why, void *arg)
{
	struct ca *ca = arg;

	log_debug("core_closed why=%s", log_quote(why));
	ipc_chan_free(ch);
	if (ca->core != ch)
		return;
	ca->core = NULL;
	role_peer_lost(&ca->role);
}

static void
on_peer(struct role *r, enum server_role peer, int fd)
{
	struct ca *ca = r->arg;

	if (peer != ROLE_CORE) {
		close(fd);
		return;
	}
	ipc_chan_free(ca->core);
	ca->core = ipc_chan_new(r->base, fd, MSG_BODY_MAX, MSG_QUEUE_MAX,
	    on_core, on_core_close, ca);
	if (ca->core == NULL) {
		log_error("peer error=\"out of memory\"");
		role_peer_lost(r);
	}
}

static void
load(struct ca *ca, enum server_file f, struct buf *out)
{
	char path[SERVER_PATH_MAX];
	struct err e;

	buf_init(out, X509_PEM_MAX);
	if (file_read(server_file(&ca->role.conf, f, path), out, &e) != 0)
		fatal("start error=%s", log_quote(e.msg));
	if (buf_str(out) == NULL)
		fatal("start error=\"out of memory\"");
}

int
ca_main(void)
{
	static struct ca ca;
	struct err e;
	int rc;

	err_clear(&e);
	role_start(&ca.role, "ca");
	ca.role.arg = &ca;
	ca.role.on_peer = on_peer;
	ca.role.on_parent = on_parent;
	load(&ca, FILE_CA_CERT, &ca.cert);
	load(&ca, FILE_CA_KEY, &ca.key);
	if (x509_pair(buf_str(&ca.cert), buf_str(&ca.key), &e) != 0) {
		err_wrap(&e, "%s/ca (ca.crt, ca.key)", ca.role.conf.state);
		fatal("start error=%s", log_quote(e.msg));
	}
	role_sandbox(&ca.role, NULL, 0, 64);
	rc = role_run(&ca.role);
	ipc_chan_free(ca.core);
	secret_wipe(ca.key.data, ca.key.len);
	buf_release(&ca.key);
	buf_release(&ca.cert);
	return (rc);
}

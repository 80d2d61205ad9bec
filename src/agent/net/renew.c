/* SPDX-License-Identifier: MPL-2.0 */
#include "agent/net/renew.h"

#include "base/err.h"
#include "crypto/x509.h"

#include <event2/util.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#define BACKDATE 3600 /* seconds; certificates are valid from before */
#define ASK_MIN 5     /* seconds between two times it is asked */
#define ASK_MAX 3600

struct material {
	SSL_CTX *tls; /* owned, and so are these texts */
	char *ca, *cert, *key;
	int64_t from, until; /* unix s */
};

struct renew {
	struct id agent;
	char *peer;                 /* owned */
	struct material own, trial; /* trial.tls NULL: none */
	char *new_key;              /* owned; asked for; NULL: not */
	int64_t due;                /* unix s */
	int64_t asked;
};

static void
wipe_free(char *s)
{
	if (s != NULL)
		explicit_bzero(s, strlen(s));
	free(s);
}

static void
material_clear(struct material *m)
{
	SSL_CTX_free(m->tls);
	free(m->ca);
	free(m->cert);
	wipe_free(m->key);
	memset(m, 0, sizeof(*m));
}

/* Takes nothing. */
static int
material_set(struct material *m, const char *ca, const char *cert,
    const char *key, const char *peer, struct err *e)
{
	struct material n = { .tls = NULL };
	int rc = x509_validity(cert, &n.from, &n.until, e);

	if (rc == 0)
		rc = x509_client_ctx(ca, cert, key, peer, &n.tls, e);
	if (rc != 0)
		return rc;
	n.ca = strdup(ca);
	n.cert = strdup(cert);
	n.key = strdup(key);
	if (n.ca == NULL || n.cert == NULL || n.key == NULL) {
		material_clear(&n);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	*m = n;
	return 0;
}

/* With a third of its life left, and up to a twelfth later: not a whole fleet
 * at once. */
static void
set_due(struct renew *r)
{
	int64_t life = r->own.until - r->own.from - BACKDATE;
	uint32_t chance;

	if (life < 3)
		life = 3;
	evutil_secure_rng_get_bytes(&chance, sizeof(chance));
	r->due =
	    r->own.until - life / 3 + (int64_t)(chance % 1000) * life / 12000;
}

struct renew *
renew_new(const char *ca, const char *cert, const char *key,
    const struct id *agent, const char *peer, struct err *e)
{
	struct renew *r = calloc(1, sizeof(*r));

	if (r == NULL || (r->peer = strdup(peer)) == NULL) {
		free(r);
		err_set(e, ERR_NOMEM, "out of memory");
		return NULL;
	}
	r->agent = *agent;
	if (material_set(&r->own, ca, cert, key, peer, e) != 0) {
		renew_free(r);
		return NULL;
	}
	set_due(r);
	return r;
}

void
renew_free(struct renew *r)
{
	if (r == NULL)
		return;
	material_clear(&r->own);
	material_clear(&r->trial);
	wipe_free(r->new_key);
	free(r->peer);
	free(r);
}

SSL_CTX *
renew_ctx(const struct renew *r)
{
	return r->trial.tls != NULL ? r->trial.tls : r->own.tls;
}

int64_t
renew_end(const struct renew *r)
{
	return r->own.until;
}

static bool
asked_lately(const struct renew *r, int64_t now)
{
	int64_t pause = (r->own.until - r->own.from - BACKDATE) / 20;

	if (pause > ASK_MAX)
		pause = ASK_MAX;
	if (pause < ASK_MIN)
		pause = ASK_MIN;
	return r->asked != 0 && now >= r->asked && now - r->asked < pause;
}

bool
renew_due(struct renew *r, int64_t now, struct buf *ret_spki)
{
	struct buf pem;
	bool ok;

	if (now < r->due || asked_lately(r, now) || r->trial.tls != NULL)
		return false;
	r->asked = now;
	buf_init(&pem, X509_PEM_MAX);
	ok = x509_key_new(&pem, NULL) == 0 && buf_str(&pem) != NULL &&
	    x509_key_spki(buf_str(&pem), ret_spki, NULL) == 0;
	if (ok) {
		wipe_free(r->new_key);
		r->new_key = strdup(buf_str(&pem));
		ok = r->new_key != NULL;
	}
	if (pem.data != NULL)
		explicit_bzero(pem.data, pem.cap);
	buf_release(&pem);
	return ok;
}

/* The CA may have a new end; another CA is not believed. */
static int
check_new(const struct renew *r, const char *cert, const char *ca,
    const char **ret_ca, struct err *e)
{
	int rc;

	*ret_ca = x509_ca_follows(r->own.ca, ca) ? ca : r->own.ca;
	if ((rc = x509_pair(cert, r->new_key, e)) != 0 ||
	    (rc = x509_signed_by(cert, *ret_ca, e)) != 0)
		return rc;
	if (!x509_is_agent(cert, &r->agent))
		return err_set(
		    e, ERR_AUTH, "the new certificate names another agent");
	return 0;
}

int
renew_take(struct renew *r, const void *data, size_t len, struct err *e)
{
	const uint8_t *p, *q;
	char *cert, *ca;
	const char *use = NULL;
	size_t n, m;
	struct rd rd;
	int rc;

	if (r->new_key == NULL)
		return err_set(e, ERR_INVALID, "nothing was asked for");
	rd_init(&rd, data, len);
	p = rd_field(&rd, X509_PEM_MAX, &n);
	q = rd_field(&rd, X509_PEM_MAX, &m);
	if (!rd_done(&rd))
		return err_set(e, ERR_INVALID, "malformed certificate message");
	cert = strndup((const char *)p, n);
	ca = strndup((const char *)q, m);
	rc = cert == NULL || ca == NULL ? err_set(e, ERR_NOMEM, "out of memory")
					: check_new(r, cert, ca, &use, e);
	if (rc == 0)
		rc = material_set(&r->trial, use, cert, r->new_key, r->peer, e);
	if (rc == 0) {
		wipe_free(r->new_key);
		r->new_key = NULL;
	}
	free(cert);
	free(ca);
	return rc;
}

int
renew_check(char *const own[3], char *const new[3], const struct id *agent,
    const char *peer, struct err *e)
{
	struct renew r = {
		.agent = *agent, .own = { .ca = own[0] }, .new_key = new[2]
	};
	struct material m = { .tls = NULL };
	int64_t from, until;
	const char *use;
	int rc = check_new(&r, new[1], new[0], &use, e);

	if (rc == 0 && strcmp(use, new[0]) != 0)
		rc = err_set(e, ERR_AUTH, "another CA");
	if (rc == 0)
		rc = x509_validity(own[1], &from, &until, e);
	if (rc == 0)
		rc = material_set(&m, new[0], new[1], new[2], peer, e);
	if (rc == 0 && m.from <= from)
		rc = err_set(e, ERR_INVALID, "it is no newer than that in use");
	material_clear(&m);
	return rc;
}

bool
renew_connected(struct renew *r, struct buf *body)
{
	if (r->trial.tls == NULL)
		return false;
	buf_add_field(body, r->trial.ca, strlen(r->trial.ca));
	buf_add_field(body, r->trial.cert, strlen(r->trial.cert));
	buf_add_field(body, r->trial.key, strlen(r->trial.key));
	material_clear(&r->own);
	r->own = r->trial;
	memset(&r->trial, 0, sizeof(r->trial));
	/* asked stays: by a clock that is years ahead the new one is due at
	 * once, and would be asked for again with every connection it makes */
	set_due(r);
	return true;
}

void
renew_lost(struct renew *r)
{
	material_clear(&r->trial);
}

/* SPDX-License-Identifier: MPL-2.0 */
/* Renewal of the server's own certificates: see certs.h. Used by the parent,
 * which is root, and by `mig-server renew`; the CA's key is wiped right after.
 */
#include "server/certs.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "crypto/seal.h"
#include "crypto/x509.h"
#include "server/messages.h"

#include <string.h>

#define CHAIN_MAX ((size_t)8 * X509_PEM_MAX)

struct own {
	const char *name;
	enum server_file cert, key;
};

static const struct own all_own[] = {
	{ "api", FILE_TLS_CERT, FILE_TLS_KEY },
	{ "relay", FILE_RELAY_CERT, FILE_RELAY_KEY },
};

static int
read_pem(const struct server_conf *c, enum server_file f, struct buf *out,
    struct err *e)
{
	char path[SERVER_PATH_MAX];
	int rc;

	buf_init(out, CHAIN_MAX);
	server_file(c, f, path);
	rc = server_file_of_relay(f) ? file_read_foreign(path, out, e)
				     : file_read(path, out, e);
	if (rc == 0 && buf_str(out) == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	return (rc);
}

static void
wipe(struct buf *b)
{
	if (b->data != NULL)
		secret_wipe(b->data, b->cap);
	buf_release(b);
}

/* What is shown behind it. */
static bool
has_chain(const struct buf *cert, const struct buf *ca)
{
	return (cert->len > ca->len &&
	    memcmp(cert->data + cert->len - ca->len, ca->data, ca->len) == 0);
}

/* One that was made while the clock was ahead is good for nobody until then. A
 * clock from before the CA's time is itself the wrong one. */
static bool
is_ahead(int64_t from, struct buf *ca, int64_t now)
{
	int64_t ca_from, ca_end;

	return (from > now && buf_str(ca) != NULL &&
	    x509_validity(buf_str(ca), &ca_from, &ca_end, NULL) == 0 &&
	    ca_from <= now);
}

/* Why it must be made anew; NULL: it need not. */
static const char *
why_renew(const struct server_conf *c, const struct own *o, const char *key,
    struct buf *ca)
{
	int64_t from = 0, end = 0, now = clock_wall_ms() / 1000;
	const char *why = NULL;
	struct buf cert;

	if (read_pem(c, o->cert, &cert, NULL) != 0)
		why = "missing";
	else if (x509_pair(buf_str(&cert), key, NULL) != 0)
		why = "not of its key";
	else if (x509_validity(buf_str(&cert), &from, &end, NULL) != 0 ||
	    end - now < (int64_t)CERT_SOON_DAYS * 86400)
		why = "ends soon";
	else if (is_ahead(from, ca, now))
		why = "made by a clock that was ahead";
	else if (!x509_has_names(buf_str(&cert), c->name))
		why = "another name";
	else if (!has_chain(&cert, ca))
		why = "another CA certificate";
	buf_release(&cert);
	return (why);
}

/* A file of the relay's directory is the server's user's: what was put in its
 * place is replaced, and not followed. */
static int
write_pem(const struct server_conf *c, enum server_file f, mode_t mode,
    const struct buf *data, struct err *e)
{
	struct file_owner o = { mode, (uid_t)-1, (gid_t)-1 };
	bool users = server_file_of_relay(f);
	char path[SERVER_PATH_MAX];
	int rc;

	server_file(c, f, path);
	if (data->error != 0)
		return (err_code(e, data->error, "%s", path));
	if (users && (rc = server_user(c, &o.uid, &o.gid, e)) != 0)
		return (rc);
	if (users)
		server_put_aside(c, f);
	return (file_write_owned(path, data->data, data->len, &o, e));
}

static int
issue(const struct server_conf *c, const struct own *o, const char *key,
    struct err *e)
{
	struct buf all, ca, ca_key, cert;
	int rc;

	buf_init(&ca, X509_PEM_MAX);
	buf_init(&ca_key, 1);
	buf_init(&cert, CHAIN_MAX);
	if ((rc = certs_read_ca(c, &all, e)) == 0 &&
	    (rc = x509_ca_newest(buf_str(&all), 1, &ca, e)) == 0 &&
	    (rc = buf_str(&ca) != NULL
		    ? 0
		    : err_set(e, ERR_NOMEM, "out of memory")) == 0 &&
	    (rc = read_pem(c, FILE_CA_KEY, &ca_key, e)) == 0 &&
	    (rc = x509_issue_server(buf_str(&ca), buf_str(&ca_key), c->name,
		 key, CERT_DAYS, &cert, e)) == 0) {
		/* The chain goes with it: who pins the CA sees it there. */
		buf_add(&cert, ca.data, ca.len);
		rc = write_pem(c, o->cert, 0644, &cert, e);
	}
	wipe(&ca_key);
	buf_release(&all);
	buf_release(&ca);
	buf_release(&cert);
	return (rc);
}

/* A copy that a crash left behind, or a renewal of the CA did. */
static int
copy_ca(const struct server_conf *c, const struct buf *ca, struct err *e)
{
	struct buf copy;
	bool same;

	same = read_pem(c, FILE_RELAY_CA, &copy, NULL) == 0 &&
	    copy.len == ca->len && memcmp(copy.data, ca->data, ca->len) == 0;
	buf_release(&copy);
	return (same ? 0 : write_pem(c, FILE_RELAY_CA, 0644, ca, e));
}

/* Nobody knows API or relay by its key, which can be damaged; and the server's
 * user may have put anything in the place of the relay's. */
static int
new_key(const struct server_conf *c, const struct own *o, struct buf *k,
    struct err *e)
{
	int rc;

	wipe(k);
	buf_init(k, CHAIN_MAX);
	if ((rc = x509_key_new(k, e)) == 0 && buf_str(k) == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	return (rc != 0 ? rc : write_pem(c, o->key, 0600, k, e));
}

static int
read_key(const struct server_conf *c, const struct own *o, struct buf *key,
    struct err *e)
{
	struct buf spki;
	int rc = read_pem(c, o->key, key, e);

	buf_init(&spki, X509_PEM_MAX);
	if (rc == 0)
		rc = x509_key_spki(buf_str(key), &spki, e);
	buf_release(&spki);
	if (rc != ERR_NOTFOUND && rc != ERR_INVALID && rc != ERR_TOOBIG)
		return (rc);
	log_warn("key_made name=%s why=%s", o->name, log_quote(e->msg));
	return (new_key(c, o, key, e));
}

static int
renew_one(const struct server_conf *c, const struct own *o, bool all,
    struct buf *ca, int *ret_n, struct err *e)
{
	const char *why = NULL;
	struct buf key;
	int rc;

	if ((rc = read_key(c, o, &key, e)) == 0)
		why = all ? "asked for" : why_renew(c, o, buf_str(&key), ca);
	if (why != NULL && (rc = issue(c, o, buf_str(&key), e)) == 0) {
		++*ret_n;
		log_info("certificate_renewed name=%s why=%s", o->name,
		    log_quote(why));
	}
	wipe(&key);
	return (rc);
}

/* What keeps one from being renewed keeps no other: the first error is told,
 * the others are logged. */
static int
renew_under(const struct server_conf *c, bool all, struct buf *cas, int *ret_n,
    struct err *e)
{
	struct err next;
	struct buf ca;
	size_t i;
	int rc, one;

	buf_init(&ca, X509_PEM_MAX);
	if ((rc = x509_ca_newest(buf_str(cas), 1, &ca, e)) != 0) {
		buf_release(&ca);
		return (rc);
	}
	rc = copy_ca(c, cas, e);
	for (i = 0; i < sizeof(all_own) / sizeof(all_own[0]); i++) {
		one = renew_one(
		    c, &all_own[i], all, &ca, ret_n, rc == 0 ? e : &next);
		if (one != 0 && rc != 0)
			log_error("certificate_renewal name=%s error=%s",
			    all_own[i].name, log_quote(next.msg));
		else if (one != 0)
			rc = one;
	}
	buf_release(&ca);
	return (rc);
}

int
certs_renew(const struct server_conf *c, bool all, int *ret_n, struct err *e)
{
	struct buf ca;
	int rc;

	*ret_n = 0;
	if ((rc = certs_read_ca(c, &ca, e)) == 0)
		rc = renew_under(c, all, &ca, ret_n, e);
	buf_release(&ca);
	return (rc);
}

int
certs_renew_ca(const struct server_conf *c, int *ret_n, struct err *e)
{
	char path[SERVER_PATH_MAX];
	struct buf old, key, new;
	int rc;

	*ret_n = 0;
	buf_init(&key, 1);
	buf_init(&new, X509_PEM_MAX);
	if ((rc = certs_read_ca(c, &old, e)) == 0 &&
	    (rc = read_pem(c, FILE_CA_KEY, &key, e)) == 0 &&
	    (rc = x509_ca_renew(
		 buf_str(&old), buf_str(&key), CA_DAYS, &new, e)) == 0 &&
	    (rc = x509_ca_newest(buf_str(&old), CA_KEPT - 1, &new, e)) == 0)
		rc = file_write(server_file(c, FILE_CA_CERT, path), new.data,
		    new.len, 0644, e);
	wipe(&key);
	buf_release(&old);
	buf_release(&new);
	if (rc == 0 && (rc = certs_renew(c, true, ret_n, e)) != 0)
		err_wrap(e,
		    "the CA's certificate was renewed, what follows it was"
		    " not (once this is mended run `mig-server renew`, without"
		    " --ca)");
	return (rc);
}

int
certs_have_crl(const struct server_conf *c, struct err *e)
{
	char path[SERVER_PATH_MAX];
	struct buf ca, key, crl;
	int64_t time;
	int rc;

	buf_init(&crl, MSG_BODY_MAX);
	buf_init(&key, 1);
	if ((rc = certs_read_ca(c, &ca, e)) == 0 &&
	    (file_read_foreign(
		 server_file(c, FILE_RELAY_CRL, path), &crl, NULL) != 0 ||
		buf_str(&crl) == NULL ||
		x509_crl_time(buf_str(&crl), buf_str(&ca), &time, NULL) != 0)) {
		buf_clear(&crl);
		if ((rc = read_pem(c, FILE_CA_KEY, &key, e)) == 0 &&
		    (rc = x509_crl_new(buf_str(&ca), buf_str(&key), NULL, 0, 0,
			 &crl, e)) != 0)
			err_wrap(e, "%s/ca (ca.crt, ca.key)", c->state);
		if (rc == 0)
			rc = write_pem(c, FILE_RELAY_CRL, 0644, &crl, e);
	}
	wipe(&key);
	buf_release(&crl);
	buf_release(&ca);
	return (rc);
}

int
certs_read_ca(const struct server_conf *c, struct buf *ca, struct err *e)
{
	return (read_pem(c, FILE_CA_CERT, ca, e));
}

int
certs_read_api(const struct server_conf *c, struct buf *cert, struct buf *key,
    struct err *e)
{
	int rc;

	buf_init(key, 1);
	if ((rc = read_pem(c, FILE_TLS_CERT, cert, e)) == 0)
		rc = read_pem(c, FILE_TLS_KEY, key, e);
	return (rc);
}

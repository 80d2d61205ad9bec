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

#include <unistd.h>

#define CHAIN_MAX ((size_t)8 * X509_PEM_MAX)

struct own {
	const char *name;
	enum server_file cert, key;
	bool users;
};

static const struct own all_own[] = {
	{ "api", FILE_TLS_CERT, FILE_TLS_KEY, false },
	{ "relay", FILE_RELAY_CERT, FILE_RELAY_KEY, true },
};

static int
read_pem(const struct server_conf *c, enum server_file f, struct buf *out,
    struct err *e)
{
	char path[SERVER_PATH_MAX];
	int rc;

	buf_init(out, CHAIN_MAX);
	rc = file_read(server_file(c, f, path), out, e);
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

/* Why it must be made anew; NULL: it need not. */
static const char *
why_renew(const struct server_conf *c, const struct own *o, const char *key)
{
	int64_t end = 0, now = clock_wall_ms() / 1000;
	const char *why = NULL;
	struct buf cert;

	if (read_pem(c, o->cert, &cert, NULL) != 0)
		why = "missing";
	else if (x509_pair(buf_str(&cert), key, NULL) != 0)
		why = "not of its key";
	else if (x509_expires(buf_str(&cert), &end, NULL) != 0 ||
	    end - now < (int64_t)CERT_SOON_DAYS * 86400)
		why = "ends soon";
	else if (!x509_has_names(buf_str(&cert), c->name))
		why = "another name";
	buf_release(&cert);
	return (why);
}

static int
issue(const struct server_conf *c, const struct own *o, const char *key,
    struct err *e)
{
	char path[SERVER_PATH_MAX];
	struct buf ca, ca_key, cert;
	uid_t uid;
	gid_t gid;
	int rc;

	buf_init(&ca_key, 1);
	buf_init(&cert, CHAIN_MAX);
	if ((rc = server_user(c, &uid, &gid, e)) != 0)
		return (rc);
	if ((rc = read_pem(c, FILE_CA_CERT, &ca, e)) == 0 &&
	    (rc = read_pem(c, FILE_CA_KEY, &ca_key, e)) == 0 &&
	    (rc = x509_issue_server(buf_str(&ca), buf_str(&ca_key), c->name,
		 key, CERT_DAYS, &cert, e)) == 0) {
		/* The chain goes with it: who pins the CA sees it there. */
		buf_add(&cert, ca.data, ca.len);
		server_file(c, o->cert, path);
		rc = cert.error != 0
		    ? err_set(e, cert.error, "%s: too large", path)
		    : file_write(path, cert.data, cert.len, 0644, e);
	}
	if (rc == 0 && o->users && uid != (uid_t)-1 &&
	    chown(path, uid, gid) != 0)
		rc = err_errno(e, "%s", path);
	wipe(&ca_key);
	buf_release(&ca);
	buf_release(&cert);
	return (rc);
}

int
certs_renew(const struct server_conf *c, bool all, int *ret_n, struct err *e)
{
	const char *why;
	struct buf key;
	size_t i;
	int rc = 0;

	*ret_n = 0;
	for (i = 0; i < sizeof(all_own) / sizeof(all_own[0]) && rc == 0; i++) {
		const struct own *o = &all_own[i];

		if ((rc = read_pem(c, o->key, &key, e)) == 0) {
			why =
			    all ? "asked for" : why_renew(c, o, buf_str(&key));
			if (why != NULL &&
			    (rc = issue(c, o, buf_str(&key), e)) == 0) {
				++*ret_n;
				log_info("certificate_renewed name=%s why=%s",
				    o->name, log_quote(why));
			}
		}
		wipe(&key);
	}
	return (rc);
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

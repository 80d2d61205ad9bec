/* SPDX-License-Identifier: MPL-2.0 */
/*
 * TLS 1.3 client contexts. Invariants: the system's CAs are never used; a
 * peer is accepted only when its chain ends in the one CA that was given (by
 * certificate or by fingerprint) or in one that follows it (the same key and
 * name with a later end), it is a server certificate, and its subjectAltName
 * holds the name that was asked for.
 */
#include "crypto/x509.h"

#include "base/err.h"
#include "crypto/x509_pem.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define HOST_FLAGS                              \
	(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | \
	    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)

static int
param_set_name(X509_VERIFY_PARAM *param, const char *name)
{
	uint8_t ip[16];

	X509_VERIFY_PARAM_set_hostflags(param, HOST_FLAGS);
	if (inet_pton(AF_INET, name, ip) == 1)
		return X509_VERIFY_PARAM_set1_ip(param, ip, 4);
	if (inet_pton(AF_INET6, name, ip) == 1)
		return X509_VERIFY_PARAM_set1_ip(param, ip, 16);
	return X509_VERIFY_PARAM_set1_host(param, name, 0);
}

static int
ctx_strict(SSL_CTX *ctx, const char *peer_name, struct err *e)
{
	if (peer_name == NULL || peer_name[0] == '\0')
		return err_set(e, ERR_INVALID,
		    "the server's name is needed to check its certificate");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    param_set_name(SSL_CTX_get0_param(ctx), peer_name) != 1)
		return x509_fail(e, ERR_INTERNAL, "setting up TLS 1.3");
	return 0;
}

/* --- whom we trust ---------------------------------------------------------
 */

/* By its certificate or by its fingerprint. Owned by the context it is
 * attached to. */
struct pin {
	X509 *ca; /* owned; NULL: fpr counts */
	struct id fpr;
};

static void
pin_free(
    void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	struct pin *pin = ptr;

	if (pin != NULL)
		X509_free(pin->ca);
	free(pin);
}

static int
pin_index(void)
{
	static int idx = -1;

	if (idx < 0)
		idx = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, pin_free);
	return idx;
}

/* The self-signed CA with that fingerprint among what the peer sent; borrowed
 * from the chain. */
static X509 *
pin_find(STACK_OF(X509) * chain, const struct id *fpr)
{
	unsigned int n = 0;
	struct id got;
	X509 *cert;
	int i;

	for (i = 0; i < sk_X509_num(chain); i++) {
		cert = sk_X509_value(chain, i);
		if (X509_digest(cert, EVP_sha256(), got.b, &n) == 1 &&
		    n == ID_LEN && id_equal(&got, fpr) &&
		    X509_check_ca(cert) == 1 && X509_self_signed(cert, 1) == 1)
			return cert;
	}
	return NULL;
}

/* The CA that is trusted, or what follows it with the latest end. Whoever can
 * make that holds the very key that is trusted. */
static X509 *
pin_newest(STACK_OF(X509) * chain, X509 *ca)
{
	X509 *best = ca, *cert;
	int i;

	for (i = 0; ca != NULL && i < sk_X509_num(chain); i++) {
		cert = sk_X509_value(chain, i);
		if (X509_cmp(best, cert) != 0 && cert_follows(best, cert))
			best = cert;
	}
	return best;
}

/* Verifies anew with a store that holds nothing but that CA, under the
 * connection's own parameters (purpose, name). */
static int
pin_verify(X509_STORE_CTX *outer, void *arg)
{
	const struct pin *pin = arg;
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_untrusted(outer);
	X509 *ca = pin->ca != NULL ? pin->ca : pin_find(chain, &pin->fpr);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *inner = X509_STORE_CTX_new();
	int ok = 0, why = X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN;

	ca = pin_newest(chain, ca);
	if (ca != NULL && store != NULL && inner != NULL &&
	    X509_STORE_add_cert(store, ca) == 1 &&
	    X509_STORE_CTX_init(
		inner, store, X509_STORE_CTX_get0_cert(outer), chain) == 1 &&
	    X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(inner),
		X509_STORE_CTX_get0_param(outer)) == 1) {
		ok = X509_verify_cert(inner) == 1;
		why = X509_STORE_CTX_get_error(inner);
	}
	X509_STORE_CTX_set_error(outer, ok ? X509_V_OK : why);
	X509_STORE_CTX_free(inner);
	X509_STORE_free(store);
	return ok;
}

/* Takes ca. */
static int
ctx_pin(SSL_CTX *ctx, X509 *ca, const struct id *fpr, struct err *e)
{
	struct pin *pin = calloc(1, sizeof(*pin));

	if (pin == NULL || pin_index() < 0) {
		X509_free(ca);
		free(pin);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	pin->ca = ca;
	if (fpr != NULL)
		pin->fpr = *fpr;
	if (SSL_CTX_set_ex_data(ctx, pin_index(), pin) != 1) {
		pin_free(NULL, pin, NULL, 0, 0, NULL);
		return x509_fail(e, ERR_INTERNAL, "setting up TLS");
	}
	SSL_CTX_set_cert_verify_callback(ctx, pin_verify, pin);
	return 0;
}

int
x509_client_trust(SSL_CTX *ctx, const char *ca_pem, struct err *e)
{
	X509 *ca = pem_cert(ca_pem, "CA certificate", e);

	if (ca == NULL)
		return e == NULL ? ERR_INVALID : e->code;
	return ctx_pin(ctx, ca, NULL, e);
}

/* --- contexts --------------------------------------------------------------
 */

static int
ctx_present(
    SSL_CTX *ctx, const char *cert_pem, const char *key_pem, struct err *e)
{
	X509 *cert = pem_cert(cert_pem, "own certificate", e);
	EVP_PKEY *key;
	int rc = 0;

	if (cert == NULL)
		return e == NULL ? ERR_INVALID : e->code;
	key = pem_key(key_pem, "own key", e);
	if (key == NULL)
		rc = e == NULL ? ERR_INVALID : e->code;
	else if (SSL_CTX_use_certificate(ctx, cert) != 1 ||
	    SSL_CTX_use_PrivateKey(ctx, key) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		rc = x509_fail(e, ERR_INVALID,
		    "own certificate and key do not belong together");
	X509_free(cert);
	EVP_PKEY_free(key);
	return rc;
}

int
x509_client_apply(SSL_CTX *ctx, const char *ca_pem, const char *cert_pem,
    const char *key_pem, const char *peer_name, struct err *e)
{
	int rc = ctx_strict(ctx, peer_name, e);

	if (rc == 0 && (cert_pem == NULL) != (key_pem == NULL))
		rc = err_set(
		    e, ERR_INVALID, "own certificate and key go together");
	if (rc == 0)
		rc = x509_client_trust(ctx, ca_pem, e);
	if (rc == 0 && cert_pem != NULL)
		rc = ctx_present(ctx, cert_pem, key_pem, e);
	return rc;
}

int
x509_client_ctx(const char *ca_pem, const char *cert_pem, const char *key_pem,
    const char *peer_name, SSL_CTX **ret, struct err *e)
{
	SSL_CTX *ctx;
	int rc = x509_start(e);

	if (rc != 0)
		return rc;
	ctx = SSL_CTX_new(TLS_client_method());
	if (ctx == NULL)
		return x509_fail(e, ERR_INTERNAL, "setting up TLS");
	rc = x509_client_apply(ctx, ca_pem, cert_pem, key_pem, peer_name, e);
	if (rc == 0)
		*ret = ctx;
	else
		SSL_CTX_free(ctx);
	return rc;
}

int
x509_pinned_apply(
    SSL_CTX *ctx, const struct id *ca_fpr, const char *peer_name, struct err *e)
{
	int rc = ctx_strict(ctx, peer_name, e);

	return rc != 0 ? rc : ctx_pin(ctx, NULL, ca_fpr, e);
}

int
x509_pinned_ctx(const struct id *ca_fpr, const char *peer_name, SSL_CTX **ret,
    struct err *e)
{
	SSL_CTX *ctx;
	int rc = x509_start(e);

	if (rc != 0)
		return rc;
	ctx = SSL_CTX_new(TLS_client_method());
	if (ctx == NULL)
		return x509_fail(e, ERR_INTERNAL, "setting up TLS");
	rc = x509_pinned_apply(ctx, ca_fpr, peer_name, e);
	if (rc == 0)
		*ret = ctx;
	else
		SSL_CTX_free(ctx);
	return rc;
}

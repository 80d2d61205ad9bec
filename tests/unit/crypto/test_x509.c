/* SPDX-License-Identifier: MPL-2.0 */
/* Certificates, and real TLS handshakes with them in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/x509.h"

#include "base/err.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define NAMES "relay.example.org,127.0.0.1,::1"

struct text {
	char s[X509_PEM_MAX];
};

static struct text ca, ca_key, ca2, ca2_key, srv, srv_key, agent, agent_key;
static struct id agent_id;

static void
take(struct buf *b, struct text *t)
{
	assert_int_equal(b->error, 0);
	assert_true(b->len < sizeof(t->s));
	memcpy(t->s, b->data, b->len);
	t->s[b->len] = '\0';
	buf_release(b);
	buf_init(b, X509_PEM_MAX);
}

static void
make_ca(const char *name, struct text *cert, struct text *key)
{
	struct buf b, k;

	buf_init(&b, X509_PEM_MAX);
	buf_init(&k, X509_PEM_MAX);
	assert_int_equal(x509_ca_new(name, 3650, &b, &k, NULL), 0);
	take(&b, cert);
	take(&k, key);
}

static void
make_agent(struct text *cert, struct text *key)
{
	struct buf b, spki;
	struct err e;

	buf_init(&b, X509_PEM_MAX);
	buf_init(&spki, X509_PEM_MAX);
	assert_int_equal(x509_key_new(&b, &e), 0);
	take(&b, key);
	assert_int_equal(x509_key_spki(key->s, &spki, &e), 0);
	assert_int_equal(x509_issue_agent(ca.s, ca_key.s, &agent_id, spki.data,
			     spki.len, (int64_t)90 * 86400, &b, &e),
	    0);
	take(&b, cert);
	buf_release(&spki);
}

static int
group_setup(void **state)
{
	struct buf b;
	struct err e;

	/* before anything else of OpenSSL */
	x509_few_texts();
	memset(agent_id.b, 0xab, sizeof(agent_id.b));
	make_ca("one", &ca, &ca_key);
	make_ca("one", &ca2, &ca2_key); /* same name, another key */
	buf_init(&b, X509_PEM_MAX);
	assert_int_equal(x509_key_new(&b, &e), 0);
	take(&b, &srv_key);
	assert_int_equal(
	    x509_issue_server(ca.s, ca_key.s, NAMES, srv_key.s, 90, &b, &e), 0);
	take(&b, &srv);
	make_agent(&agent, &agent_key);
	return 0;
}

static X509 *
cert_of(const struct text *t)
{
	BIO *bio = BIO_new_mem_buf(t->s, -1);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	assert_non_null(cert);
	return cert;
}

static EVP_PKEY *
key_of(const struct text *t)
{
	BIO *bio = BIO_new_mem_buf(t->s, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

	BIO_free(bio);
	assert_non_null(key);
	return key;
}

static void
test_extensions(void **state)
{
	X509 *a = cert_of(&agent), *s = cert_of(&srv), *c = cert_of(&ca);
	EVP_PKEY *pub = X509_get0_pubkey(c);
	char cn[80], want[80];
	struct id id;

	X509_NAME_get_text_by_NID(
	    X509_get_subject_name(a), NID_commonName, cn, sizeof(cn));
	snprintf(want, sizeof(want), "%s", id_hex(&agent_id).s);
	assert_string_equal(cn, want);
	assert_int_equal(X509_get_extended_key_usage(a), XKU_SSL_CLIENT);
	assert_int_equal(X509_get_extended_key_usage(s), XKU_SSL_SERVER);
	assert_int_equal(X509_get_key_usage(a), KU_DIGITAL_SIGNATURE);
	assert_int_equal(X509_get_key_usage(c), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
	assert_int_equal(X509_check_ca(c), 1);
	assert_int_equal(X509_check_ca(a), 0);
	assert_int_equal(X509_get_pathlen(c), 0);
	assert_int_equal(X509_verify(a, pub), 1);
	assert_int_equal(X509_verify(s, pub), 1);
	assert_non_null(X509_get0_subject_key_id(a));
	assert_int_equal(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(a),
			     X509_get0_subject_key_id(c)),
	    0);
	assert_int_equal(
	    X509_check_host(s, "relay.example.org", 0, 0, NULL), 1);
	assert_int_equal(X509_check_ip_asc(s, "127.0.0.1", 0), 1);
	assert_int_equal(X509_check_ip_asc(s, "::1", 0), 1);
	assert_int_equal(
	    X509_check_host(s, "other.example.org", 0, 0, NULL), 0);
	assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(a),
				 X509_get0_serialNumber(s)),
	    0);
	assert_int_equal(x509_fingerprint(ca.s, &id, NULL), 0);
	assert_int_equal(X509_digest(c, EVP_sha256(), (uint8_t *)cn, NULL), 1);
	assert_memory_equal(cn, id.b, ID_LEN);
	X509_free(a);
	X509_free(s);
	X509_free(c);
}

static void
test_validity(void **state)
{
	struct text short_ca, short_key, cert;
	struct buf b, k;
	int64_t end, ca_end, now = (int64_t)time(NULL);
	X509 *a = cert_of(&agent);
	struct err e;

	assert_int_equal(x509_expires(agent.s, &end, &e), 0);
	assert_in_range(end, now + 90 * 86400 - 60, now + 90 * 86400 + 60);
	assert_true(X509_cmp_current_time(X509_get0_notBefore(a)) < 0);
	X509_free(a);
	/* Not longer than the CA. */
	buf_init(&b, X509_PEM_MAX);
	buf_init(&k, X509_PEM_MAX);
	assert_int_equal(x509_ca_new("short", 2, &b, &k, &e), 0);
	take(&b, &short_ca);
	take(&k, &short_key);
	assert_int_equal(x509_issue_server(short_ca.s, short_key.s, "a",
			     srv_key.s, 90, &b, &e),
	    0);
	take(&b, &cert);
	assert_int_equal(x509_expires(short_ca.s, &ca_end, &e), 0);
	assert_int_equal(x509_expires(cert.s, &end, &e), 0);
	assert_int_equal(end, ca_end);
}

static void
test_refusals(void **state)
{
	static const char *const names[] = { "", "a,,b", "a b", "a;b", "a/b",
		"DNS:a", "a\nb", "a,", ",a", "email:x" };
	struct buf b, k, spki;
	struct err e;
	EVP_PKEY *p384 = EVP_EC_gen("P-384");
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(p384, &der);
	size_t i;

	buf_init(&b, X509_PEM_MAX);
	buf_init(&k, X509_PEM_MAX);
	buf_init(&spki, X509_PEM_MAX);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		err_clear(&e);
		assert_int_equal(x509_issue_server(ca.s, ca_key.s, names[i],
				     srv_key.s, 90, &b, &e),
		    ERR_INVALID);
		assert_int_not_equal(e.msg[0], 0);
	}
	assert_int_equal(x509_issue_agent(ca.s, ca_key.s, &agent_id, der,
			     (size_t)n, (int64_t)90 * 86400, &b, &e),
	    ERR_UNSUPPORTED);
	assert_int_equal(x509_key_spki(agent_key.s, &spki, &e), 0);
	assert_int_equal(x509_issue_agent(ca.s, ca_key.s, &agent_id, spki.data,
			     spki.len - 1, (int64_t)90 * 86400, &b, &e),
	    ERR_INVALID);
	buf_add(&spki, "x", 1);
	assert_int_equal(x509_issue_agent(ca.s, ca_key.s, &agent_id, spki.data,
			     spki.len, (int64_t)90 * 86400, &b, &e),
	    ERR_INVALID);
	spki.len--;
	assert_int_equal(x509_issue_agent(ca.s, ca2_key.s, &agent_id, spki.data,
			     spki.len, (int64_t)90 * 86400, &b, &e),
	    ERR_INVALID);
	assert_int_equal(x509_issue_agent("junk", ca_key.s, &agent_id,
			     spki.data, spki.len, (int64_t)90 * 86400, &b, &e),
	    ERR_INVALID);
	assert_int_equal(x509_issue_agent(ca.s, ca_key.s, &agent_id, spki.data,
			     spki.len, (int64_t)0 * 86400, &b, &e),
	    ERR_INVALID);
	assert_int_equal(x509_ca_new("", 10, &b, &k, &e), ERR_INVALID);
	assert_int_equal(x509_ca_new("a\nb", 10, &b, &k, &e), ERR_INVALID);
	assert_int_equal(b.len, 0);
	EVP_PKEY_free(p384);
	OPENSSL_free(der);
	buf_release(&spki);
	buf_release(&b);
	buf_release(&k);
}

/* The public half stands in the key's file as well, so comparing that is not
 * enough: whatever bit has changed, what passes signs for the certificate. */
static void
test_pairs(void **state)
{
	char key[4096];
	size_t bit, len = strlen(ca_key.s), scalar = 0;
	struct err e;

	assert_int_equal(x509_pair(ca.s, ca_key.s, &e), 0);
	assert_int_equal(x509_pair(ca.s, ca2_key.s, &e), ERR_INVALID);
	assert_int_equal(x509_pair("junk", ca_key.s, &e), ERR_INVALID);
	assert_int_equal(x509_pair(ca.s, "junk", &e), ERR_INVALID);
	assert_true(len < sizeof(key));
	for (bit = 0; bit < len * 8; bit += 3) {
		memcpy(key, ca_key.s, len + 1);
		key[bit / 8] = (char)(key[bit / 8] ^ (1 << bit % 8));
		err_clear(&e);
		if (x509_pair(ca.s, key, &e) == 0)
			continue;
		assert_true(e.msg[0] != '\0');
		scalar += strstr(e.msg, "do not belong together") != NULL;
	}
	/* those that only a signature shows */
	assert_true(scalar > 20);
}

/* --- handshakes ---------------------------------------------------------- */

struct server {
	const struct text *cert, *key, *chain; /* chain may be NULL */
	const struct text *client_ca;          /* NULL: no client asked */
	int version;
};

static SSL_CTX *
server_ctx(const struct server *s)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	X509 *cert = cert_of(s->cert), *other;
	EVP_PKEY *key = key_of(s->key);

	assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
	if (s->chain != NULL) {
		other = cert_of(s->chain);
		assert_int_equal(SSL_CTX_add1_chain_cert(ctx, other), 1);
		X509_free(other);
	}
	if (s->client_ca != NULL) {
		other = cert_of(s->client_ca);
		X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), other);
		X509_free(other);
		SSL_CTX_set_verify(ctx,
		    SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
	if (s->version != 0)
		SSL_CTX_set_max_proto_version(ctx, s->version);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

/* True when both sides finish. Takes client. */
static bool
handshake(SSL_CTX *client, const struct server *s)
{
	SSL_CTX *sctx = server_ctx(s);
	SSL *c = SSL_new(client), *v = SSL_new(sctx);
	BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());
	int i, rc = 0, rv = 0;
	char byte;

	BIO_up_ref(up);
	BIO_up_ref(down);
	SSL_set_bio(c, down, up);
	SSL_set_bio(v, up, down);
	for (i = 0; i < 10 && !(rc == 1 && rv == 1); i++) {
		rc = SSL_connect(c);
		rv = SSL_accept(v);
	}
	/* TLS 1.3: the client hears of its refusal with the first read. */
	if (rc == 1 && rv == 1)
		rc = SSL_write(v, "x", 1) == 1 && SSL_read(c, &byte, 1) == 1;
	SSL_free(c);
	SSL_free(v);
	SSL_CTX_free(sctx);
	SSL_CTX_free(client);
	return rc == 1 && rv == 1;
}

static SSL_CTX *
client(const struct text *trust, const char *name, bool present)
{
	SSL_CTX *ctx = NULL;
	struct err e;

	err_clear(&e);
	if (x509_client_ctx(trust->s, present ? agent.s : NULL,
		present ? agent_key.s : NULL, name, &ctx, &e) != 0)
		fail_msg("%s", e.msg);
	return ctx;
}

static SSL_CTX *
pinned(const struct text *trust, const char *name)
{
	SSL_CTX *ctx = NULL;
	struct id fpr;

	assert_int_equal(x509_fingerprint(trust->s, &fpr, NULL), 0);
	assert_int_equal(x509_pinned_ctx(&fpr, name, &ctx, NULL), 0);
	return ctx;
}

static void
test_client(void **state)
{
	const struct server plain = { &srv, &srv_key, NULL, NULL, 0 };
	const struct server mutual = { &srv, &srv_key, NULL, &ca, 0 };
	const struct server old = { &srv, &srv_key, NULL, NULL,
		TLS1_2_VERSION };
	const struct server as_agent = { &agent, &agent_key, NULL, NULL, 0 };
	SSL_CTX *ctx = NULL;
	struct err e;

	assert_true(handshake(client(&ca, "relay.example.org", false), &plain));
	assert_true(handshake(client(&ca, "127.0.0.1", false), &plain));
	assert_true(handshake(client(&ca, "::1", false), &plain));
	assert_false(handshake(client(&ca, "127.0.0.2", false), &plain));
	assert_false(handshake(client(&ca, "example.org", false), &plain));
	assert_false(
	    handshake(client(&ca2, "relay.example.org", false), &plain));
	assert_false(handshake(client(&ca, "relay.example.org", false), &old));
	assert_true(handshake(client(&ca, "relay.example.org", true), &mutual));
	assert_false(
	    handshake(client(&ca, "relay.example.org", false), &mutual));
	/* An agent's certificate does not make a server. */
	assert_false(
	    handshake(client(&ca, id_hex(&agent_id).s, false), &as_agent));
	assert_int_equal(
	    x509_client_ctx(ca.s, agent.s, NULL, "a", &ctx, &e), ERR_INVALID);
	assert_int_equal(
	    x509_client_ctx(ca.s, agent.s, srv_key.s, "a", &ctx, &e),
	    ERR_INVALID);
	assert_int_equal(
	    x509_client_ctx(ca.s, NULL, NULL, "", &ctx, &e), ERR_INVALID);
	assert_int_equal(
	    x509_client_ctx("x", NULL, NULL, "a", &ctx, &e), ERR_INVALID);
	assert_null(ctx);
}

static void
test_pinned(void **state)
{
	const struct server with_ca = { &srv, &srv_key, &ca, NULL, 0 };
	const struct server without = { &srv, &srv_key, NULL, NULL, 0 };
	const struct server mixed = { &srv, &srv_key, &ca2, NULL, 0 };
	const struct server as_agent = { &agent, &agent_key, &ca, NULL, 0 };

	assert_true(handshake(pinned(&ca, "relay.example.org"), &with_ca));
	assert_true(handshake(pinned(&ca, "127.0.0.1"), &with_ca));
	assert_false(handshake(pinned(&ca, "other.example.org"), &with_ca));
	assert_false(handshake(pinned(&ca2, "relay.example.org"), &with_ca));
	/* The pinned CA sent along, but it did not issue this one. */
	assert_false(handshake(pinned(&ca2, "relay.example.org"), &mixed));
	assert_false(handshake(pinned(&ca, "relay.example.org"), &without));
	/* The leaf's own fingerprint pins nothing: it is no CA. */
	assert_false(handshake(pinned(&srv, "relay.example.org"), &with_ca));
	assert_false(handshake(pinned(&ca, id_hex(&agent_id).s), &as_agent));
}

/* --- a CA made anew, lists of the revoked ----------------------------------
 */

static void
text_of(X509 *cert, struct text *t)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p = NULL;
	long n;

	assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
	n = BIO_get_mem_data(bio, &p);
	memcpy(t->s, p, (size_t)n);
	t->s[n] = '\0';
	BIO_free(bio);
}

/* The CA as it was before: it has ended. */
static void
ended_ca(struct text *ret)
{
	X509 *cert = cert_of(&ca);
	EVP_PKEY *key = key_of(&ca_key);

	X509_gmtime_adj(X509_getm_notBefore(cert), -7200);
	X509_gmtime_adj(X509_getm_notAfter(cert), -60);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	text_of(cert, ret);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void
test_ca_renewed(void **state)
{
	struct text old, new, leaf, both;
	struct server s = { .cert = &leaf, .key = &srv_key };
	struct id old_fpr, new_fpr, fprs[4];
	SSL_CTX *ctx = NULL;
	struct buf b;
	struct err e;
	size_t n;

	ended_ca(&old);
	buf_init(&b, X509_PEM_MAX);
	/* neither another key's nor for no time */
	assert_int_equal(
	    x509_ca_renew(old.s, ca2_key.s, 3650, &b, &e), ERR_INVALID);
	assert_int_equal(
	    x509_ca_renew(old.s, ca_key.s, 0, &b, &e), ERR_INVALID);
	assert_int_equal(x509_ca_renew(old.s, ca_key.s, 3650, &b, &e), 0);
	take(&b, &new);
	assert_true(x509_ca_follows(old.s, new.s));
	assert_false(x509_ca_follows(new.s, old.s));
	assert_false(x509_ca_follows(old.s, ca2.s));
	assert_int_equal(x509_fingerprint(old.s, &old_fpr, &e), 0);
	assert_int_equal(x509_fingerprint(new.s, &new_fpr, &e), 0);
	assert_int_equal(
	    x509_issue_server(new.s, ca_key.s, NAMES, srv_key.s, 90, &b, &e),
	    0);
	take(&b, &leaf);
	/* Who knows the one that ended believes what follows it, when shown. */
	s.chain = &new;
	assert_true(handshake(client(&old, "127.0.0.1", false), &s));
	s.chain = NULL;
	assert_false(handshake(client(&old, "127.0.0.1", false), &s));
	/* of another key with the same name nothing follows */
	s.chain = &ca2;
	assert_false(handshake(client(&old, "127.0.0.1", false), &s));
	s.chain = &new;
	assert_false(handshake(client(&ca2, "127.0.0.1", false), &s));
	/* a pin is looked for among what is shown */
	assert_int_equal(x509_pinned_ctx(&new_fpr, "127.0.0.1", &ctx, &e), 0);
	assert_true(handshake(ctx, &s));
	assert_int_equal(x509_pinned_ctx(&old_fpr, "127.0.0.1", &ctx, &e), 0);
	assert_false(handshake(ctx, &s));
	/* texts of both */
	snprintf(both.s, sizeof(both.s), "%.4000s%.4000s", new.s, old.s);
	x509_ca_fingerprints(both.s, fprs, 4, &n);
	assert_int_equal(n, 2);
	assert_true(id_equal(&fprs[0], &new_fpr));
	assert_true(id_equal(&fprs[1], &old_fpr));
	assert_int_equal(x509_ca_newest(both.s, 1, &b, &e), 0);
	assert_string_equal(buf_str(&b), new.s);
	buf_clear(&b);
	assert_int_equal(x509_ca_newest(both.s, 9, &b, &e), 0);
	assert_string_equal(buf_str(&b), both.s);
	buf_clear(&b);
	assert_int_equal(x509_ca_newest("", 1, &b, &e), ERR_INVALID);
	buf_release(&b);
}

/* Would a relay with this list take the certificate? */
static int
verify_with(const struct text *cert, const struct text *crl)
{
	BIO *bio = BIO_new_mem_buf(crl->s, -1);
	X509_CRL *list = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509 *root = cert_of(&ca), *leaf = cert_of(cert);
	int why;

	assert_non_null(list);
	X509_STORE_add_cert(store, root);
	X509_STORE_add_crl(store, list);
	X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
	assert_int_equal(X509_STORE_CTX_init(ctx, store, leaf, NULL), 1);
	why = X509_verify_cert(ctx) == 1 ? X509_V_OK
					 : X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	X509_CRL_free(list);
	X509_free(root);
	X509_free(leaf);
	BIO_free(bio);
	return why;
}

static void
test_revocation_list(void **state)
{
	struct text none, one, other, other_key;
	struct x509_serial serial;
	int64_t first, second;
	struct buf b;
	struct err e;

	make_agent(&other, &other_key);
	buf_init(&b, X509_PEM_MAX);
	assert_int_equal(x509_serial(agent.s, &serial, &e), 0);
	assert_int_equal(x509_crl_new(ca.s, ca_key.s, NULL, 0, 0, &b, &e), 0);
	take(&b, &none);
	assert_int_equal(x509_crl_time(none.s, ca.s, &first, &e), 0);
	assert_int_equal(
	    x509_crl_new(ca.s, ca_key.s, &serial, 1, first, &b, &e), 0);
	take(&b, &one);
	/* later than the one before, and never ahead of a clock */
	assert_int_equal(x509_crl_time(one.s, ca.s, &second, &e), 0);
	assert_int_equal(second, first + 1);
	assert_true(second < (int64_t)time(NULL) - 3000);
	assert_int_equal(verify_with(&agent, &none), X509_V_OK);
	assert_int_equal(verify_with(&agent, &one), X509_V_ERR_CERT_REVOKED);
	assert_int_equal(verify_with(&other, &one), X509_V_OK);
	/* of another key, no list */
	assert_int_equal(x509_crl_time(one.s, ca2.s, &second, &e), ERR_INVALID);
	assert_int_equal(x509_crl_time("junk", ca.s, &second, &e), ERR_INVALID);
	one.s[strlen(one.s) / 2] ^= 1;
	assert_int_equal(x509_crl_time(one.s, ca.s, &second, &e), ERR_INVALID);
	buf_release(&b);
}

/* Whoever comes first loads them. */
static void
test_texts_come_when_needed(void **state)
{
	static const char bad[] = "-----BEGIN CERTIFICATE-----\nMII!\n"
				  "-----END CERTIFICATE-----\n";
	struct err e;
	struct id id;

	assert_null(ERR_reason_error_string(
	    ERR_PACK(ERR_LIB_PEM, 0, PEM_R_BAD_BASE64_DECODE)));
	err_clear(&e);
	assert_int_not_equal(x509_fingerprint(bad, &id, &e), 0);
	assert_non_null(strstr(e.msg, ": bad base64 decode"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts_come_when_needed),
		cmocka_unit_test(test_extensions),
		cmocka_unit_test(test_validity),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_client),
		cmocka_unit_test(test_pinned),
		cmocka_unit_test(test_ca_renewed),
		cmocka_unit_test(test_revocation_list),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Making certificates. Every certificate is version 3 with a random serial
 * number, valid from an hour ago (clocks differ) and never longer than its CA;
 * a leaf has exactly one extended key usage, so an agent's certificate cannot
 * pass for a server's.
 */
#include "crypto/x509.h"

#include "base/err.h"
#include "crypto/x509_pem.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define BACKDATE 3600 /* seconds */
#define DAY 86400
#define DAYS_MAX 36500
#define SERIAL_LEN 16
#define NAMES_MAX 4096
#define CN_MAX 64 /* RFC 5280 appendix A.1, ub-common-name */
#define SPKI_MAX 1024

void
x509_few_texts(void)
{
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS, NULL);
	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_SSL_STRINGS, NULL);
}

int
x509_start(struct err *e)
{
	if (OPENSSL_init_ssl(0, NULL) == 1 &&
	    OSSL_LIB_CTX_get0_global_default() != NULL)
		return 0;
	return err_set(e, ERR_NOMEM,
	    "OpenSSL does not start, most likely for want of memory");
}

/* After x509_few_texts() nothing else loads them: of what is used here. */
static void
load_texts(void)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	ERR_load_ASN1_strings();
	ERR_load_EC_strings();
	ERR_load_EVP_strings();
	ERR_load_PEM_strings();
	ERR_load_SSL_strings();
	ERR_load_X509_strings();
	ERR_load_X509V3_strings();
#pragma GCC diagnostic pop
}

static const char *
reason_text(unsigned long no)
{
	const char *text = no == 0 ? NULL : ERR_reason_error_string(no);

	if (no == 0 || text != NULL)
		return text;
	load_texts();
	return ERR_reason_error_string(no);
}

int
x509_fail(struct err *e, int code, const char *what)
{
	const char *reason = reason_text(ERR_peek_error());
	unsigned long error;

	/* no word on what was to be read */
	while ((error = ERR_get_error()) != 0)
		if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
			code = ERR_NOMEM;
	if (reason == NULL)
		return err_set(e, code, "%s", what);
	return err_set(e, code, "%s: %s", what, reason);
}

/* No key of ours has a passphrase; OpenSSL must not ask a terminal. */
static int
no_passphrase(char *out, int size, int writing, void *arg)
{
	return -1;
}

static BIO *
pem_bio(const char *pem, const char *what, struct err *e)
{
	size_t len = strnlen(pem, X509_PEM_MAX + 1);
	BIO *bio;

	if (len > X509_PEM_MAX) {
		err_set(e, ERR_TOOBIG, "%s: larger than %d bytes", what,
		    X509_PEM_MAX);
		return NULL;
	}
	if (x509_start(e) != 0)
		return NULL;
	bio = BIO_new_mem_buf(pem, (int)len);
	if (bio == NULL)
		err_set(e, ERR_NOMEM, "out of memory");
	return bio;
}

X509 *
pem_cert(const char *pem, const char *what, struct err *e)
{
	BIO *bio = pem_bio(pem, what, e);
	X509 *cert;

	if (bio == NULL)
		return NULL;
	cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
	if (cert == NULL)
		x509_fail(e, ERR_INVALID, what);
	BIO_free(bio);
	return cert;
}

EVP_PKEY *
pem_key(const char *pem, const char *what, struct err *e)
{
	BIO *bio = pem_bio(pem, what, e);
	EVP_PKEY *key;

	if (bio == NULL)
		return NULL;
	key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	if (key == NULL) /* without a reason: there was no memory for one */
		x509_fail(
		    e, ERR_peek_error() == 0 ? ERR_NOMEM : ERR_INVALID, what);
	BIO_free(bio);
	return key;
}

/* Appends what a BIO holds and wipes it there. */
int
bio_take(BIO *bio, struct buf *out, struct err *e)
{
	char *p = NULL;
	long n = BIO_get_mem_data(bio, &p);
	int rc;

	if (n <= 0 || p == NULL)
		return err_set(e, ERR_INTERNAL, "libcrypto wrote nothing");
	rc = buf_add(out, p, (size_t)n);
	OPENSSL_cleanse(p, (size_t)n);
	return rc == 0 ? 0 : err_set(e, rc, "PEM: %s", err_text(rc));
}

int
cert_write(X509 *cert, struct buf *out, struct err *e)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int rc;

	if (bio == NULL || PEM_write_bio_X509(bio, cert) != 1)
		rc = x509_fail(e, ERR_INTERNAL, "writing a certificate");
	else
		rc = bio_take(bio, out, e);
	BIO_free(bio);
	return rc;
}

static int
key_write(EVP_PKEY *key, struct buf *out, struct err *e)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	int rc;

	if (bio == NULL ||
	    PEM_write_bio_PKCS8PrivateKey(
		bio, key, NULL, NULL, 0, NULL, NULL) != 1)
		rc = x509_fail(e, ERR_INTERNAL, "writing a private key");
	else
		rc = bio_take(bio, out, e);
	BIO_free(bio);
	return rc;
}

int
x509_key_new(struct buf *ret_key_pem, struct err *e)
{
	EVP_PKEY *key;
	int rc = x509_start(e);

	if (rc != 0)
		return rc;
	key = EVP_EC_gen("P-256");
	if (key == NULL)
		return x509_fail(e, ERR_INTERNAL, "making a P-256 key");
	rc = key_write(key, ret_key_pem, e);
	EVP_PKEY_free(key);
	return rc;
}

int
x509_key_spki(const char *key_pem, struct buf *ret_der, struct err *e)
{
	EVP_PKEY *key = pem_key(key_pem, "private key", e);
	unsigned char *der = NULL;
	int n, rc;

	if (key == NULL)
		return e == NULL ? ERR_INVALID : e->code;
	n = i2d_PUBKEY(key, &der);
	EVP_PKEY_free(key);
	if (n <= 0)
		return x509_fail(e, ERR_INTERNAL, "writing a public key");
	rc = buf_add(ret_der, der, (size_t)n);
	OPENSSL_free(der);
	return rc == 0 ? 0 : err_set(e, rc, "public key: %s", err_text(rc));
}

/* --- the parts of a certificate ------------------------------------------ */

static int
set_serial(X509 *cert)
{
	uint8_t raw[SERIAL_LEN];
	BIGNUM *bn;
	int ok;

	if (RAND_bytes(raw, sizeof(raw)) != 1)
		return 0;
	raw[0] &= 0x7f; /* positive, and ... */
	raw[0] |= 0x40; /* ... always of the same length */
	bn = BN_bin2bn(raw, sizeof(raw), NULL);
	ok = bn != NULL &&
	    BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)) != NULL;
	BN_free(bn);
	return ok;
}

/* Not past the end of the CA's own validity. */
static int
set_validity(X509 *cert, X509 *ca, int64_t seconds)
{
	time_t now = time(NULL), from = now - BACKDATE;
	time_t until = now + (time_t)seconds;
	const ASN1_TIME *ca_end = ca == NULL ? NULL : X509_get0_notAfter(ca);

	if (ASN1_TIME_set(X509_getm_notBefore(cert), from) == NULL)
		return 0;
	if (ca_end != NULL && X509_cmp_time(ca_end, &until) < 0)
		return X509_set1_notAfter(cert, ca_end);
	return ASN1_TIME_set(X509_getm_notAfter(cert), until) != NULL;
}

static int
add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	int ok;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

/* Common name only. NULL when libcrypto fails. */
static X509 *
cert_begin(const char *cn, X509 *ca, EVP_PKEY *pub, int64_t seconds)
{
	X509 *cert = X509_new();
	X509_NAME *name;

	if (cert == NULL)
		return NULL;
	name = X509_get_subject_name(cert);
	if (X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
	    set_validity(cert, ca, seconds) &&
	    X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
		(const unsigned char *)cn, -1, -1, 0) == 1 &&
	    X509_set_issuer_name(
		cert, ca == NULL ? name : X509_get_subject_name(ca)) == 1 &&
	    X509_set_pubkey(cert, pub) == 1)
		return cert;
	X509_free(cert);
	return NULL;
}

static int
check_days(int days, struct err *e)
{
	if (days < 1 || days > DAYS_MAX)
		return err_set(e, ERR_INVALID,
		    "certificate for %d days; 1 to %d are possible", days,
		    DAYS_MAX);
	return 0;
}

static bool
text_is_plain(const char *s)
{
	for (; *s != '\0'; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	}
	return true;
}

static bool
ca_finish(X509 *cert, EVP_PKEY *key)
{
	return add_ext(cert, cert, NID_basic_constraints,
		   "critical,CA:TRUE,pathlen:0") &&
	    add_ext(
		cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
	    add_ext(cert, cert, NID_subject_key_identifier, "hash") &&
	    add_ext(cert, cert, NID_authority_key_identifier, "keyid") &&
	    X509_sign(cert, key, EVP_sha256()) > 0;
}

int
x509_ca_new(const char *name, int days, struct buf *ret_cert_pem,
    struct buf *ret_key_pem, struct err *e)
{
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	char cn[CN_MAX + 1];
	int n = snprintf(cn, sizeof(cn), "MIG CA %s", name), rc;

	rc = check_days(days, e);
	if (rc != 0)
		return rc;
	if (n < 0 || n > CN_MAX || name[0] == '\0' || !text_is_plain(name))
		return err_set(e, ERR_INVALID,
		    "the CA's name must be 1 to %d printable bytes",
		    CN_MAX - 7);
	rc = x509_start(e);
	if (rc != 0)
		return rc;
	key = EVP_EC_gen("P-256");
	if (key != NULL)
		cert = cert_begin(cn, NULL, key, (int64_t)days * DAY);
	if (cert == NULL || !ca_finish(cert, key))
		rc = x509_fail(e, ERR_INTERNAL, "making the CA");
	if (rc == 0)
		rc = cert_write(cert, ret_cert_pem, e);
	if (rc == 0)
		rc = key_write(key, ret_key_pem, e);
	X509_free(cert);
	EVP_PKEY_free(key);
	return rc;
}

/* An old one that has ended will do: what counts is its key. */
int
x509_ca_renew(const char *cert_pem, const char *key_pem, int days,
    struct buf *ret_cert_pem, struct err *e)
{
	X509 *old = NULL, *cert = NULL;
	EVP_PKEY *key = NULL;
	X509_NAME *name;
	int rc = check_days(days, e);

	if (rc == 0)
		rc = x509_pair(cert_pem, key_pem, e);
	if (rc != 0)
		return rc;
	old = pem_cert(cert_pem, "CA certificate", e);
	key = old == NULL ? NULL : pem_key(key_pem, "CA key", e);
	if (key == NULL) {
		X509_free(old);
		return e == NULL ? ERR_INVALID : e->code;
	}
	name = X509_get_subject_name(old);
	/* its name is set below */
	cert = cert_begin("CA", NULL, key, (int64_t)days * DAY);
	if (cert == NULL || X509_set_subject_name(cert, name) != 1 ||
	    X509_set_issuer_name(cert, name) != 1 || !ca_finish(cert, key))
		rc = x509_fail(e, ERR_INTERNAL, "making the CA anew");
	if (rc == 0)
		rc = cert_write(cert, ret_cert_pem, e);
	X509_free(cert);
	X509_free(old);
	EVP_PKEY_free(key);
	return rc;
}

/* --- certificates for others --------------------------------------------- */

struct ca {
	X509 *cert;    /* owned */
	EVP_PKEY *key; /* owned */
};

static void
ca_release(struct ca *ca)
{
	X509_free(ca->cert);
	EVP_PKEY_free(ca->key);
}

static int
ca_init(struct ca *ca, const char *cert_pem, const char *key_pem, struct err *e)
{
	memset(ca, 0, sizeof(*ca));
	ca->cert = pem_cert(cert_pem, "CA certificate", e);
	if (ca->cert == NULL)
		return e == NULL ? ERR_INVALID : e->code;
	ca->key = pem_key(key_pem, "CA key", e);
	if (ca->key == NULL) {
		ca_release(ca);
		return e == NULL ? ERR_INVALID : e->code;
	}
	if (X509_check_private_key(ca->cert, ca->key) != 1 ||
	    X509_check_ca(ca->cert) == 0) {
		ca_release(ca);
		return x509_fail(e, ERR_INVALID,
		    "CA certificate and CA key do not belong together");
	}
	if (X509_cmp_current_time(X509_get0_notAfter(ca->cert)) <= 0) {
		ca_release(ca);
		return err_set(e, ERR_EXPIRED, "the CA certificate is expired");
	}
	return 0;
}

/* A certificate that issues nothing, with exactly one use; all borrowed. */
struct leaf {
	const char *cn, *eku, *san; /* san may be NULL */
	EVP_PKEY *pub;
	int64_t seconds;
};

static int
leaf_issue(struct ca *ca, const struct leaf *l, struct buf *out, struct err *e)
{
	X509 *cert = cert_begin(l->cn, ca->cert, l->pub, l->seconds);
	int rc = 0;

	if (cert == NULL ||
	    !add_ext(
		cert, ca->cert, NID_basic_constraints, "critical,CA:FALSE") ||
	    !add_ext(
		cert, ca->cert, NID_key_usage, "critical,digitalSignature") ||
	    !add_ext(cert, ca->cert, NID_ext_key_usage, l->eku) ||
	    !add_ext(cert, ca->cert, NID_subject_key_identifier, "hash") ||
	    !add_ext(
		cert, ca->cert, NID_authority_key_identifier, "keyid:always") ||
	    (l->san != NULL &&
		!add_ext(cert, ca->cert, NID_subject_alt_name, l->san)) ||
	    X509_sign(cert, ca->key, EVP_sha256()) <= 0)
		rc = x509_fail(e, ERR_INTERNAL, "making a certificate");
	if (rc == 0)
		rc = cert_write(cert, out, e);
	X509_free(cert);
	return rc;
}

static bool
key_is_p256(EVP_PKEY *key)
{
	char group[32] = "";

	return EVP_PKEY_is_a(key, "EC") &&
	    EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
	    strcmp(group, SN_X9_62_prime256v1) == 0;
}

/* Public key of an agent; its bytes come from the network. */
static int
spki_read(const void *spki, size_t len, EVP_PKEY **ret, struct err *e)
{
	const unsigned char *p = spki;
	EVP_PKEY *key;
	int rc = x509_start(e);

	if (rc != 0)
		return rc;
	if (len == 0 || len > SPKI_MAX)
		return err_set(e, ERR_INVALID,
		    "TLS key: a DER SubjectPublicKeyInfo is expected");
	key = d2i_PUBKEY(NULL, &p, (long)len);
	if (key == NULL || p != (const unsigned char *)spki + len) {
		EVP_PKEY_free(key);
		return x509_fail(
		    e, ERR_INVALID, "TLS key: not a DER SubjectPublicKeyInfo");
	}
	if (!key_is_p256(key)) {
		EVP_PKEY_free(key);
		return err_set(e, ERR_UNSUPPORTED,
		    "TLS key: only P-256 on its named curve is accepted");
	}
	*ret = key;
	return 0;
}

int
x509_issue_agent(const char *ca_cert_pem, const char *ca_key_pem,
    const struct id *agent, const void *spki, size_t spki_len, int64_t seconds,
    struct buf *ret_cert_pem, struct err *e)
{
	const struct id_hex cn = id_hex(agent);
	struct leaf l = { .cn = cn.s, .eku = "clientAuth", .seconds = seconds };
	EVP_PKEY *key = NULL;
	struct ca ca;
	int rc = check_days((int)((seconds + DAY - 1) / DAY), e);

	if (rc == 0)
		rc = spki_read(spki, spki_len, &key, e);
	l.pub = key;
	if (rc != 0)
		return rc;
	rc = ca_init(&ca, ca_cert_pem, ca_key_pem, e);
	if (rc == 0) {
		rc = leaf_issue(&ca, &l, ret_cert_pem, e);
		ca_release(&ca);
	}
	EVP_PKEY_free(key);
	return rc;
}

/* Letters, digits, '-', '.', '*' and '_' only: nothing that would end a value
 * in OpenSSL's extension syntax. */
static bool
host_is_plain(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX"
			   "YZ0123456789-._*",
			s[i]) == NULL)
			return false;
	}
	return len > 0 && len <= 253;
}

static int
san_rc(const struct buf *san, struct err *e)
{
	return san->error == 0 ? 0 : err_code(e, san->error, "server names");
}

static int
add_name(struct buf *san, const char *s, size_t len, struct err *e)
{
	uint8_t ip[16];
	char host[256];

	if (len < sizeof(host)) {
		memcpy(host, s, len);
		host[len] = '\0';
		if (len > 0 && strlen(host) == len &&
		    (inet_pton(AF_INET, host, ip) == 1 ||
			inet_pton(AF_INET6, host, ip) == 1)) {
			buf_add_fmt(
			    san, "%sIP:%s", san->len > 0 ? "," : "", host);
			return san_rc(san, e);
		}
	}
	if (!host_is_plain(s, len))
		return err_set(e, ERR_INVALID,
		    "\"%.*s\" is neither a host name nor an IP address",
		    len > 64 ? 64 : (int)len, s);
	buf_add_fmt(san, "%sDNS:%.*s", san->len > 0 ? "," : "", (int)len, s);
	return san_rc(san, e);
}

/* "a,b,10.0.0.1" to "DNS:a,DNS:b,IP:10.0.0.1". */
static int
names_to_san(const char *names, struct buf *san, struct err *e)
{
	const char *s = names, *end;
	int rc;

	if (strnlen(names, NAMES_MAX + 1) > NAMES_MAX)
		return err_set(
		    e, ERR_TOOBIG, "server names: over %d bytes", NAMES_MAX);
	for (;; s = end + 1) {
		while (*s == ' ')
			s++;
		end = strchrnul(s, ',');
		rc = add_name(san, s, (size_t)(end - s), e);
		if (rc != 0)
			return rc;
		if (*end == '\0')
			return 0;
	}
}

int
x509_issue_server(const char *ca_cert_pem, const char *ca_key_pem,
    const char *names, const char *key_pem, int days, struct buf *ret_cert_pem,
    struct err *e)
{
	char cn[CN_MAX + 1];
	EVP_PKEY *key = NULL;
	struct buf san;
	struct ca ca = { 0 };
	struct leaf l = {
		.cn = cn, .eku = "serverAuth", .seconds = (int64_t)days * DAY
	};
	int rc = check_days(days, e);

	if (rc != 0)
		return rc;
	buf_init(&san, 4 * NAMES_MAX);
	names += strspn(names, " ");
	rc = names_to_san(names, &san, e);
	if (rc != 0)
		goto out;
	snprintf(cn, sizeof(cn), "%.*s", (int)strcspn(names, ", "), names);
	rc = ca_init(&ca, ca_cert_pem, ca_key_pem, e);
	if (rc != 0)
		goto out;
	key = pem_key(key_pem, "server key", e);
	l.pub = key;
	l.san = buf_str(&san);
	if (key == NULL)
		rc = e == NULL ? ERR_INVALID : e->code;
	else if (l.san == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	else if (!key_is_p256(key))
		rc = err_set(e, ERR_UNSUPPORTED, "server key: not P-256");
	else
		rc = leaf_issue(&ca, &l, ret_cert_pem, e);
	EVP_PKEY_free(key);
	ca_release(&ca);
out:
	buf_release(&san);
	return rc;
}

int
x509_fingerprint(const char *cert_pem, struct id *ret, struct err *e)
{
	X509 *cert = pem_cert(cert_pem, "certificate", e);
	unsigned int n = 0;
	struct id id;
	int ok;

	if (cert == NULL)
		return e == NULL ? ERR_INVALID : e->code;
	ok = X509_digest(cert, EVP_sha256(), id.b, &n) == 1 && n == ID_LEN;
	X509_free(cert);
	if (!ok)
		return x509_fail(e, ERR_INTERNAL, "hashing a certificate");
	*ret = id;
	return 0;
}

int
x509_expires(const char *cert_pem, int64_t *ret, struct err *e)
{
	X509 *cert = pem_cert(cert_pem, "certificate", e);
	struct tm tm;
	int ok;

	if (cert == NULL)
		return e == NULL ? ERR_INVALID : e->code;
	memset(&tm, 0, sizeof(tm));
	ok = ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1;
	X509_free(cert);
	if (!ok)
		return x509_fail(e, ERR_INVALID, "certificate's end");
	*ret = (int64_t)timegm(&tm);
	return 0;
}

/* 1: the signature that the key makes is one of the certificate's. */
static int
signs_for(EVP_PKEY *key, X509 *cert)
{
	static const unsigned char text[] = "do these two belong together?";
	EVP_MD_CTX *ctx = EVP_MD_CTX_new(), *check = EVP_MD_CTX_new();
	unsigned char sig[1024];
	size_t len = sizeof(sig);
	int ok;

	ok = ctx != NULL && check != NULL &&
	    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestSign(ctx, sig, &len, text, sizeof(text)) == 1 &&
	    EVP_DigestVerifyInit(
		check, NULL, EVP_sha256(), NULL, X509_get0_pubkey(cert)) == 1 &&
	    EVP_DigestVerify(check, sig, len, text, sizeof(text)) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_MD_CTX_free(check);
	return ok;
}

int
x509_pair(const char *cert_pem, const char *key_pem, struct err *e)
{
	X509 *cert = pem_cert(cert_pem, "certificate", e);
	EVP_PKEY *key = cert == NULL ? NULL : pem_key(key_pem, "key", e);
	int rc = 0;

	if (key == NULL)
		rc = ERR_INVALID;
	else if (!signs_for(key, cert))
		rc = x509_fail(e, ERR_INVALID,
		    "certificate and key do not belong together");
	X509_free(cert);
	EVP_PKEY_free(key);
	return rc;
}

static bool
has_name(X509 *cert, const char *name, size_t len)
{
	char text[256];
	uint8_t ip[16];

	if (len == 0 || len >= sizeof(text))
		return false;
	memcpy(text, name, len);
	text[len] = '\0';
	if (inet_pton(AF_INET, text, ip) == 1 ||
	    inet_pton(AF_INET6, text, ip) == 1)
		return X509_check_ip_asc(cert, text, 0) == 1;
	return X509_check_host(cert, text, len,
		   X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
}

bool
x509_has_names(const char *cert_pem, const char *names)
{
	X509 *cert = pem_cert(cert_pem, "certificate", NULL);
	bool all = cert != NULL;
	size_t n;

	while (all && *(names += strspn(names, ", ")) != '\0') {
		n = strcspn(names, ", ");
		all = has_name(cert, names, n);
		names += n;
	}
	ERR_clear_error();
	X509_free(cert);
	return all;
}

int
x509_signed_by(const char *cert_pem, const char *ca_pem, struct err *e)
{
	X509 *cert = pem_cert(cert_pem, "certificate", e);
	X509 *ca = cert == NULL ? NULL : pem_cert(ca_pem, "CA certificate", e);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int rc = 0;

	if (ca == NULL)
		rc = ERR_INVALID;
	else if (store == NULL || ctx == NULL ||
	    X509_STORE_add_cert(store, ca) != 1 ||
	    X509_STORE_CTX_init(ctx, store, cert, NULL) != 1)
		rc = x509_fail(e, ERR_INTERNAL, "checking a certificate");
	else if (X509_verify_cert(ctx) != 1)
		rc = err_set(e, ERR_AUTH, "%s",
		    X509_verify_cert_error_string(
			X509_STORE_CTX_get_error(ctx)));
	ERR_clear_error();
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	X509_free(ca);
	X509_free(cert);
	return rc;
}

int
x509_validity(
    const char *cert_pem, int64_t *ret_from, int64_t *ret_until, struct err *e)
{
	X509 *cert = pem_cert(cert_pem, "certificate", e);
	struct tm from, until;
	int ok;

	if (cert == NULL)
		return e == NULL ? ERR_INVALID : e->code;
	memset(&from, 0, sizeof(from));
	memset(&until, 0, sizeof(until));
	ok = ASN1_TIME_to_tm(X509_get0_notBefore(cert), &from) == 1 &&
	    ASN1_TIME_to_tm(X509_get0_notAfter(cert), &until) == 1;
	X509_free(cert);
	if (!ok)
		return x509_fail(e, ERR_INVALID, "certificate's validity");
	*ret_from = (int64_t)timegm(&from);
	*ret_until = (int64_t)timegm(&until);
	return 0;
}

bool
x509_is_agent(const char *cert_pem, const struct id *agent)
{
	X509 *cert = pem_cert(cert_pem, "certificate", NULL);
	char cn[CN_MAX + 2] = "";
	bool same;

	if (cert == NULL) {
		ERR_clear_error();
		return false;
	}
	same = X509_NAME_get_text_by_NID(X509_get_subject_name(cert),
		   NID_commonName, cn, sizeof(cn)) == ID_HEX_LEN &&
	    strcmp(cn, id_hex(agent).s) == 0;
	X509_free(cert);
	return same;
}

bool
cert_follows(X509 *old, X509 *new)
{
	bool same = X509_NAME_cmp(X509_get_subject_name(old),
			X509_get_subject_name(new)) == 0 &&
	    EVP_PKEY_eq(X509_get0_pubkey(old), X509_get0_pubkey(new)) == 1 &&
	    ASN1_TIME_compare(
		X509_get0_notAfter(old), X509_get0_notAfter(new)) <= 0 &&
	    X509_check_ca(new) == 1 && X509_self_signed(new, 1) == 1;

	ERR_clear_error();
	return same;
}

bool
x509_ca_follows(const char *old_pem, const char *new_pem)
{
	X509 *old = pem_cert(old_pem, "CA certificate", NULL);
	X509 *new = pem_cert(new_pem, "CA certificate", NULL);
	bool same = old != NULL && new != NULL &&cert_follows(old, new);

	ERR_clear_error();
	X509_free(old);
	X509_free(new);
	return same;
}

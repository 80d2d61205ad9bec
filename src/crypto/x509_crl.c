/* SPDX-License-Identifier: MPL-2.0 */
/* Texts of several CA certificates, and lists of revoked ones. */
#include "crypto/x509.h"

#include "base/err.h"
#include "crypto/x509_pem.h"

#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define NEVER "99991231235959Z" /* RFC 5280, section 4.1.2.5 */
#define END_LINE "-----END CERTIFICATE-----\n"

/* --- texts of CA certificates ----------------------------------------------
 */

/* Behind the first certificate of a text; NULL: there is none. */
static const char *
behind(const char *pem)
{
	const char *end = strstr(pem, END_LINE);

	return end == NULL ? NULL : end + strlen(END_LINE);
}

void
x509_ca_fingerprints(
    const char *bundle_pem, struct id *ret, size_t max, size_t *ret_n)
{
	const char *p;
	size_t n = 0;

	for (p = bundle_pem; n < max && behind(p) != NULL; p = behind(p)) {
		if (x509_fingerprint(p, &ret[n], NULL) != 0)
			break;
		n++;
	}
	ERR_clear_error();
	*ret_n = n;
}

int
x509_ca_newest(
    const char *bundle_pem, size_t max, struct buf *ret_pem, struct err *e)
{
	const char *p = bundle_pem, *next;
	int rc = 0;

	for (; max > 0 && rc == 0 && (next = behind(p)) != NULL; max--) {
		X509 *cert = pem_cert(p, "CA certificate", e);

		rc = cert == NULL ? ERR_INVALID : cert_write(cert, ret_pem, e);
		X509_free(cert);
		p = next;
	}
	return p != bundle_pem || rc != 0
	    ? rc
	    : err_set(e, ERR_INVALID, "CA certificate: there is none");
}

/* --- lists of revoked certificates -----------------------------------------
 */

int
x509_serial(const char *cert_pem, struct x509_serial *ret, struct err *e)
{
	X509 *cert = pem_cert(cert_pem, "certificate", e);
	const ASN1_INTEGER *serial;
	int len, rc = 0;

	if (cert == NULL)
		return e == NULL ? ERR_INVALID : e->code;
	serial = X509_get0_serialNumber(cert);
	len = ASN1_STRING_length(serial);
	if (len < 1 || len > (int)sizeof(ret->b)) {
		rc = err_set(e, ERR_INVALID, "serial number of %d bytes", len);
	} else {
		memset(ret, 0, sizeof(*ret));
		ret->len = (uint8_t)len;
		memcpy(ret->b, ASN1_STRING_get0_data(serial), (size_t)len);
	}
	X509_free(cert);
	return rc;
}

static bool
add_revoked(X509_CRL *crl, const struct x509_serial *s, ASN1_TIME *when)
{
	X509_REVOKED *r = X509_REVOKED_new();
	BIGNUM *bn = BN_bin2bn(s->b, s->len, NULL);
	ASN1_INTEGER *serial = bn == NULL ? NULL : BN_to_ASN1_INTEGER(bn, NULL);
	bool ok = r != NULL && serial != NULL &&
	    X509_REVOKED_set_serialNumber(r, serial) == 1 &&
	    X509_REVOKED_set_revocationDate(r, when) == 1 &&
	    X509_CRL_add0_revoked(crl, r) == 1;

	if (!ok)
		X509_REVOKED_free(r);
	ASN1_INTEGER_free(serial);
	BN_free(bn);
	return ok;
}

static bool
to_unix(const ASN1_TIME *t, int64_t *ret)
{
	struct tm tm;

	memset(&tm, 0, sizeof(tm));
	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	*ret = (int64_t)timegm(&tm);
	return true;
}

static bool
fill(X509_CRL *crl, X509 *ca, const struct x509_serial *serials, size_t n,
    int64_t after)
{
	ASN1_TIME *when = ASN1_TIME_new(), *never = ASN1_TIME_new();
	int64_t from = 0;
	X509V3_CTX ctx;
	X509_EXTENSION *ext = NULL;
	bool ok = when != NULL && never != NULL &&
	    to_unix(X509_get0_notBefore(ca), &from);
	size_t i;

	if (after >= from)
		from = after + 1;
	X509V3_set_ctx(&ctx, ca, NULL, NULL, crl, 0);
	ok = ok && ASN1_TIME_set(when, (time_t)from) != NULL &&
	    ASN1_TIME_set_string(never, NEVER) == 1 &&
	    X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
	    X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca)) == 1 &&
	    X509_CRL_set1_lastUpdate(crl, when) == 1 &&
	    X509_CRL_set1_nextUpdate(crl, never) == 1;
	if (ok)
		ext = X509V3_EXT_conf_nid(
		    NULL, &ctx, NID_authority_key_identifier, "keyid");
	ok = ok && ext != NULL && X509_CRL_add_ext(crl, ext, -1) == 1;
	for (i = 0; ok && i < n; i++)
		ok = add_revoked(crl, &serials[i], when);
	X509_EXTENSION_free(ext);
	ASN1_TIME_free(when);
	ASN1_TIME_free(never);
	return ok;
}

int
x509_crl_new(const char *ca_cert_pem, const char *ca_key_pem,
    const struct x509_serial *serials, size_t n, int64_t after,
    struct buf *ret_pem, struct err *e)
{
	X509 *ca = pem_cert(ca_cert_pem, "CA certificate", e);
	EVP_PKEY *key = ca == NULL ? NULL : pem_key(ca_key_pem, "CA key", e);
	X509_CRL *crl = X509_CRL_new();
	BIO *bio = BIO_new(BIO_s_mem());
	int rc = 0;

	if (key == NULL)
		rc = ERR_INVALID;
	else if (crl == NULL || bio == NULL ||
	    !fill(crl, ca, serials, n, after) || X509_CRL_sort(crl) != 1 ||
	    X509_CRL_sign(crl, key, EVP_sha256()) <= 0 ||
	    PEM_write_bio_X509_CRL(bio, crl) != 1)
		rc = x509_fail(e, ERR_INTERNAL, "making the revocation list");
	if (rc == 0)
		rc = bio_take(bio, ret_pem, e);
	BIO_free(bio);
	X509_CRL_free(crl);
	EVP_PKEY_free(key);
	X509_free(ca);
	return rc;
}

int
x509_crl_time(
    const char *crl_pem, const char *ca_pem, int64_t *ret, struct err *e)
{
	X509 *ca = pem_cert(ca_pem, "CA certificate", e);
	BIO *bio = BIO_new_mem_buf(crl_pem, -1);
	X509_CRL *crl =
	    bio == NULL ? NULL : PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
	int rc = 0;

	if (ca == NULL)
		rc = ERR_INVALID;
	else if (crl == NULL || X509_CRL_verify(crl, X509_get0_pubkey(ca)) != 1)
		rc = x509_fail(
		    e, ERR_INVALID, "revocation list: not of this CA");
	else if (!to_unix(X509_CRL_get0_lastUpdate(crl), ret))
		rc = x509_fail(e, ERR_INVALID, "revocation list: its time");
	ERR_clear_error();
	X509_CRL_free(crl);
	BIO_free(bio);
	X509_free(ca);
	return rc;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* The platform's certificates (OpenSSL): its CA, server and agent
 * certificates, and TLS 1.3 contexts made from bytes in memory. All keys are
 * P-256; PEM texts are appended to buffers. */
#ifndef MIG_CRYPTO_X509_H
#define MIG_CRYPTO_X509_H

#include "base/buf.h"
#include "base/id.h"

struct err;
struct ssl_ctx_st;

#define X509_PEM_MAX 16384

/* Before anything else of OpenSSL in a process: the texts of its errors, 65 kB,
 * come into memory only when one is needed. */
void x509_few_texts(void);
/* Where the rest of this header is used it is called by itself: who has others
 * use OpenSSL calls it before. What is called without its start, after an
 * allocation failed in that, follows a null pointer; and it is tried once in a
 * process. ERR_NOMEM. */
int x509_start(struct err *e);
/* A new private key as PEM (PKCS#8). */
int x509_key_new(struct buf *ret_key_pem, struct err *e);
/* DER SubjectPublicKeyInfo of a PEM private key. */
int x509_key_spki(const char *key_pem, struct buf *ret_der, struct err *e);
/* Self-signed CA, name "MIG CA <name>", valid days. */
int x509_ca_new(const char *name, int days, struct buf *ret_cert_pem,
    struct buf *ret_key_pem, struct err *e);
/* The same CA with another end: key and name stay, so whoever trusts the old
 * certificate can tell that the new one follows it (x509_ca_follows). */
int x509_ca_renew(const char *cert_pem, const char *key_pem, int days,
    struct buf *ret_cert_pem, struct err *e);
/* Certificate for an agent: CN = 64 hex of id, client authentication only,
 * public key given as DER SPKI (P-256 only). */
int x509_issue_agent(const char *ca_cert_pem, const char *ca_key_pem,
    const struct id *agent, const void *spki, size_t spki_len, int64_t seconds,
    struct buf *ret_cert_pem, struct err *e);
/* Server certificate; names: comma separated host names and IP addresses,
 * all as subjectAltName. */
int x509_issue_server(const char *ca_cert_pem, const char *ca_key_pem,
    const char *names, const char *key_pem, int days, struct buf *ret_cert_pem,
    struct err *e);
/* SHA-256 of the DER certificate. */
int x509_fingerprint(const char *cert_pem, struct id *ret, struct err *e);
/* 0 when the key signs what the (first) certificate verifies; ERR_INVALID. The
 * public half, which stands in the key's file as well, would not say so. */
int x509_pair(const char *cert_pem, const char *key_pem, struct err *e);
/* Does it hold each of these comma separated names and addresses? */
bool x509_has_names(const char *cert_pem, const char *names);
/* Is the (first) certificate signed by this CA, which is valid now? */
int x509_signed_by(const char *cert_pem, const char *ca_pem, struct err *e);
/* Unix seconds of notBefore and notAfter. */
int x509_validity(
    const char *cert_pem, int64_t *ret_from, int64_t *ret_until, struct err *e);
/* Is the certificate named after this agent? */
bool x509_is_agent(const char *cert_pem, const struct id *agent);
/* Is the new one the old CA with a later end: same key, same name? */
bool x509_ca_follows(const char *old_pem, const char *new_pem);
/* Of a text of CA certificates, the newest first: the first fingerprints, at
 * most max; ret_n: how many there are. */
void x509_ca_fingerprints(
    const char *bundle_pem, struct id *ret, size_t max, size_t *ret_n);
/* Appends it without the certificates beyond the first max. */
int x509_ca_newest(
    const char *bundle_pem, size_t max, struct buf *ret_pem, struct err *e);

/* --- revocation (RFC 5280, section 5) ------------------------------------- */
struct x509_serial {
	uint8_t len, b[20]; /* big endian, as long as len says */
};
int x509_serial(const char *cert_pem, struct x509_serial *ret, struct err *e);
/*
 * The list of the CA's revoked certificates. It is read by our own relay from
 * our own disk, so it does not go out of date: its end is that of all times,
 * and its time is a number that only grows: the second after that of the list
 * before it (after; 0: none), at first the CA's beginning. A relay holds on to
 * the list with the latest time, and a time ahead of a clock that was set back
 * would have it refuse everybody.
 */
int x509_crl_new(const char *ca_cert_pem, const char *ca_key_pem,
    const struct x509_serial *serials, size_t n, int64_t after,
    struct buf *ret_pem, struct err *e);
/* Is it this CA's list? Then its time. */
int x509_crl_time(
    const char *crl_pem, const char *ca_pem, int64_t *ret, struct err *e);

/* Unix seconds of notAfter. */
int x509_expires(const char *cert_pem, int64_t *ret, struct err *e);

/* TLS 1.3 client context: trusts exactly this CA, and one that follows it and
 * that the peer shows; presents cert and key (both
 * may be NULL), checks the peer's name (host name or IP). Owned by the
 * caller (SSL_CTX_free). */
int
x509_client_ctx(const char *ca_pem, const char *cert_pem, const char *key_pem,
    const char *peer_name, struct ssl_ctx_st **ret, struct err *e);
/* Only whom it trusts, on a context that a library made (libcurl's
 * CURLOPT_SSL_CTX_FUNCTION). */
int
x509_client_trust(struct ssl_ctx_st *ctx, const char *ca_pem, struct err *e);
/* All settings, on such a context. */
int x509_client_apply(struct ssl_ctx_st *ctx, const char *ca_pem,
    const char *cert_pem, const char *key_pem, const char *peer_name,
    struct err *e);
/* Client context for enrolment: among what the peer sends must be a self-
 * signed CA whose fingerprint is ca_fpr; that one or one that follows it must
 * have issued the peer's certificate, and its name must match. */
int x509_pinned_ctx(const struct id *ca_fpr, const char *peer_name,
    struct ssl_ctx_st **ret, struct err *e);
int x509_pinned_apply(struct ssl_ctx_st *ctx, const struct id *ca_fpr,
    const char *peer_name, struct err *e);

#endif

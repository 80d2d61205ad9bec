/* SPDX-License-Identifier: MPL-2.0 */
/* PEM texts in memory to OpenSSL's objects and back; for this folder only. */
#ifndef MIG_CRYPTO_X509_PEM_H
#define MIG_CRYPTO_X509_PEM_H

#include <stdbool.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

struct buf;
struct err;

/* Both return owned objects, or NULL and e. what: for the message. */
X509 *pem_cert(const char *pem, const char *what, struct err *e);
EVP_PKEY *pem_key(const char *pem, const char *what, struct err *e);
/* Is the new one the old CA with a later end: same key, same name? */
bool cert_follows(X509 *old, X509 *new);
/* Appends PEM. */
int cert_write(X509 *cert, struct buf *out, struct err *e);
int bio_take(BIO *bio, struct buf *out, struct err *e);
/* Fills e with libcrypto's first reason and empties its queue. */
int x509_fail(struct err *e, int code, const char *what);

#endif

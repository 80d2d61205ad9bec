/* SPDX-License-Identifier: MPL-2.0 */
/* PEM texts in memory to OpenSSL's objects and back; for this folder only. */
#ifndef MIG_CRYPTO_X509_PEM_H
#define MIG_CRYPTO_X509_PEM_H

#include <openssl/evp.h>
#include <openssl/x509.h>

struct buf;
struct err;

/* Both return owned objects, or NULL and e. what: for the message. */
X509 *pem_cert(const char *pem, const char *what, struct err *e);
EVP_PKEY *pem_key(const char *pem, const char *what, struct err *e);
/* Fills e with libcrypto's first reason and empties its queue. */
int x509_fail(struct err *e, int code, const char *what);

#endif

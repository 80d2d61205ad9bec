/* SPDX-License-Identifier: MPL-2.0 */
/* PEM texts, and an agent's public key as it comes over the network. */
#include "base/err.h"
#include "crypto/x509.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct buf ca, key;

static void
as_pem(const char *pem)
{
	SSL_CTX *ctx = NULL;
	struct buf out;
	struct id id;
	int64_t end;

	buf_init(&out, X509_PEM_MAX);
	x509_fingerprint(pem, &id, NULL);
	x509_expires(pem, &end, NULL);
	x509_key_spki(pem, &out, NULL);
	buf_release(&out);
	if (x509_client_ctx(pem, NULL, NULL, "a.example", &ctx, NULL) == 0)
		SSL_CTX_free(ctx);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char text[X509_PEM_MAX + 8];
	struct buf out;
	struct id id = { { 1 } };

	if (ca.len == 0) {
		buf_init(&ca, X509_PEM_MAX);
		buf_init(&key, X509_PEM_MAX);
		BUG_ON(x509_ca_new("fuzz", 10, &ca, &key, NULL) != 0);
	}
	buf_init(&out, X509_PEM_MAX);
	x509_issue_agent(buf_str(&ca), buf_str(&key), &id, data, len,
	    (int64_t)1 * 86400, &out, NULL);
	buf_clear(&out);
	if (len < sizeof(text)) {
		memcpy(text, data, len);
		text[len] = '\0';
		as_pem(text);
		x509_issue_server(buf_str(&ca), buf_str(&key), text,
		    buf_str(&key), 1, &out, NULL);
	}
	buf_release(&out);
	return 0;
}

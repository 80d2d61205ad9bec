/* SPDX-License-Identifier: MPL-2.0 */
#include "agent/cmd/enroldoc.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/jsonw.h"

#include <sodium.h>

#define NONCE_LEN 32

void
enroldoc_write(const char *name, const struct id *token, const uint8_t *spki,
    size_t spki_len, struct buf *out)
{
	char hex[2 * NONCE_LEN + 1], now[RFC3339_LEN + 1];
	uint8_t nonce[NONCE_LEN];
	struct buf b64;
	struct jsonw w;

	randombytes_buf(nonce, sizeof(nonce));
	hex_encode(nonce, sizeof(nonce), hex);
	rfc3339_format(clock_wall_ms() / 1000, now);
	buf_init(&b64, 4096);
	b64_encode(&b64, spki, spki_len);
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_i64(&w, "syntaxversion", 3);
	jsonw_str(&w, "nonce", hex);
	jsonw_str(&w, "token_sha256", id_hex(token).s);
	jsonw_strn(&w, "tls_spki", b64.data, b64.len);
	jsonw_str(&w, "name", name);
	jsonw_str(&w, "time", now);
	jsonw_object_end(&w);
	if (out->error == 0)
		out->error = b64.error;
	buf_release(&b64);
}

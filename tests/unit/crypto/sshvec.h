/* SPDX-License-Identifier: MPL-2.0 */
/* A key and signatures that ssh-keygen 9.2 made over the prefix for an action
 * and VECTOR_DATA; and signatures put together field by field, as whoever
 * holds a key could do. */
#ifndef MIG_TEST_CRYPTO_SSHVEC_H
#define MIG_TEST_CRYPTO_SSHVEC_H

#include "base/buf.h"
#include "base/err.h"
#include "crypto/purpose.h"
#include "crypto/sha256.h"
#include "crypto/sshkey.h"

#include <sodium.h>
#include <string.h>

#define SSHVEC_KEY                                                      \
	"key 4e738ec6d3a7861e659fad0c91fe3b7a782b1f8a ssh-ed25519 0 0 " \
	"76f4d68799eaf451b53897d6fe2bfcffadfbf025ccf3773bc80fce9fe413355f"
#define SSHVEC_512                                                         \
	"53534853494700000001000000330000000b7373682d65643235353139000000" \
	"2076f4d68799eaf451b53897d6fe2bfcffadfbf025ccf3773bc80fce9fe41335" \
	"5f0000000a616374696f6e406d69670000000000000006736861353132000000" \
	"530000000b7373682d65643235353139000000408c054011e5fe7198cf17996a" \
	"8067dfe9e126cb558c31f4645b54298220bdaa62d1494b87e3cea544876c403b" \
	"3f0a463d7e05712c1ef5b89fc75686e159ae220f"
#define SSHVEC_256                                                         \
	"53534853494700000001000000330000000b7373682d65643235353139000000" \
	"2076f4d68799eaf451b53897d6fe2bfcffadfbf025ccf3773bc80fce9fe41335" \
	"5f0000000a616374696f6e406d69670000000000000006736861323536000000" \
	"530000000b7373682d656432353531390000004000978264a752f8ad4eb21aae" \
	"46773873a2b3c009a4d2faf45b9bbc17eea555195a11ef8058e091d20b8ab7f1" \
	"d08099b54611babc34f012ff291c7731518db20c"

/* What goes into one; a NULL text is the right one. */
struct sshmade {
	bool sk;
	uint32_t version;
	const char *magic;
	const char *key_kind, *app; /* of the key in the signature */
	const char *name, *reserved, *digest, *kind;
	const char *signed_name, *signed_reserved, *signed_digest, *signed_app;
	uint8_t flags, signed_flags;
	uint32_t counter, signed_counter;
	const char *after_key, *after_sig, *after; /* trailing bytes */
};

struct sshpair {
	uint8_t pub[32], sec[64];
};

static inline void
sshmade_init(struct sshmade *m, bool sk)
{
	memset(m, 0, sizeof(*m));
	m->sk = sk;
	m->version = 1;
	m->magic = "SSHSIG";
	m->key_kind = m->kind =
	    sk ? "sk-ssh-ed25519@openssh.com" : "ssh-ed25519";
	m->app = m->signed_app = "ssh:";
	m->name = m->signed_name = "action@mig";
	m->reserved = m->signed_reserved = "";
	m->digest = m->signed_digest = "sha512";
	m->flags = m->signed_flags = 1;
	m->counter = m->signed_counter = 7;
	m->after_key = m->after_sig = m->after = "";
}

static inline void
sshmade_pair(unsigned char first, struct sshpair *ret)
{
	uint8_t seed[32] = { first };

	BUG_ON(sodium_init() < 0);
	crypto_sign_seed_keypair(ret->pub, ret->sec, seed);
}

static inline void
sshmade_text(struct buf *b, const char *s)
{
	buf_add_field(b, s, strlen(s));
}

/* The line of a keyring. */
static inline void
sshmade_line(const struct sshpair *p, bool sk, struct buf *out)
{
	struct keymaterial m = { 0 };
	struct id hash;

	m.alg = sk ? KEY_SSH_SK_ED25519 : KEY_SSH_ED25519;
	m.len = 32;
	memcpy(m.num, p->pub, 32);
	strcpy(m.app, sk ? "ssh:" : "");
	sshkey_hash(&m, &hash);
	buf_add_fmt(
	    out, "key %.40s %s 0 0 ", id_hex(&hash).s, key_alg_word(m.alg));
	keymaterial_write(&m, out);
	buf_add_str(out, "\n");
}

static inline void
sshmade_sk(const struct sshmade *m, struct buf *message)
{
	struct id app, hash;

	sha256(m->signed_app, strlen(m->signed_app), &app);
	sha256(message->data, message->len, &hash);
	buf_clear(message);
	buf_add(message, app.b, ID_LEN);
	buf_add_u8(message, m->signed_flags);
	buf_add_u32(message, m->signed_counter);
	buf_add(message, hash.b, ID_LEN);
}

/* The signature's 64 bytes; data is with the purpose's prefix. */
static inline void
sshmade_raw(const struct sshmade *m, const struct sshpair *p, const char *data,
    size_t len, uint8_t ret[static 64])
{
	uint8_t digest[64];
	struct buf b;
	bool large = strcmp(m->signed_digest, "sha512") == 0;

	if (large)
		crypto_hash_sha512(digest, (const uint8_t *)data, len);
	else
		crypto_hash_sha256(digest, (const uint8_t *)data, len);
	buf_init(&b, 4096);
	buf_add_str(&b, "SSHSIG");
	sshmade_text(&b, m->signed_name);
	sshmade_text(&b, m->signed_reserved);
	sshmade_text(&b, m->signed_digest);
	buf_add_field(&b, digest, large ? 64 : 32);
	if (m->sk)
		sshmade_sk(m, &b);
	crypto_sign_detached(ret, NULL, b.data, b.len, p->sec);
	buf_release(&b);
}

static inline void
sshmade_blob(const struct sshmade *m, const struct sshpair *p,
    const uint8_t raw[static 64], struct buf *out)
{
	struct buf b;

	buf_init(&b, 4096);
	buf_add_str(out, m->magic);
	buf_add_u32(out, m->version);
	sshmade_text(&b, m->key_kind);
	buf_add_field(&b, p->pub, 32);
	if (m->sk)
		sshmade_text(&b, m->app);
	buf_add_str(&b, m->after_key);
	buf_add_field(out, b.data, b.len);
	sshmade_text(out, m->name);
	sshmade_text(out, m->reserved);
	sshmade_text(out, m->digest);
	buf_clear(&b);
	sshmade_text(&b, m->kind);
	buf_add_field(&b, raw, 64);
	if (m->sk) {
		buf_add_u8(&b, m->flags);
		buf_add_u32(&b, m->counter);
	}
	buf_add_str(&b, m->after_sig);
	buf_add_field(out, b.data, b.len);
	buf_add_str(out, m->after);
	buf_release(&b);
}

static inline void
sshmade_sign(const struct sshmade *m, const struct sshpair *p,
    enum purpose purpose, const char *data, struct buf *out)
{
	char text[1024];
	uint8_t raw[64];
	size_t n = purpose_prefix(purpose, strlen(data), text);

	strcpy(text + n, data);
	sshmade_raw(m, p, text, n + strlen(data), raw);
	sshmade_blob(m, p, raw, out);
}

#endif

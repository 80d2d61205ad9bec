/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A security key in software, for tests: what ssh-keygen -w, ssh-add -S and
 * ssh-agent -P load in place of a driver for hardware. The interface is that
 * of OpenSSH's PROTOCOL.u2f, version 10. Only Ed25519 can sign: keys of ECDSA
 * are all the base point of the curve, for files of their form.
 *
 * MIG_SOFTKEY names its directory. There:
 *   counter  how often it has signed; a test may set it back
 *   mode     one of those below; without it the key does what it is asked
 * The key handle is the secret itself. Nothing here is for real use.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#define API_VERSION 0x000a0000
#define ALG_ECDSA 0
#define ALG_ED25519 1
#define FLAG_TOUCH 0x01
#define FLAG_PIN 0x04
#define ERR_GENERAL (-1)
#define ERR_UNSUPPORTED (-2)
#define ERR_PIN_REQUIRED (-3)
#define PIN "4711"
#define PATH_LEN 4096

struct sk_option;
struct sk_resident_key;

struct sk_enroll_response {
	uint8_t flags;
	uint8_t *public_key;
	size_t public_key_len;
	uint8_t *key_handle;
	size_t key_handle_len;
	uint8_t *signature;
	size_t signature_len;
	uint8_t *attestation_cert;
	size_t attestation_cert_len;
	uint8_t *authdata;
	size_t authdata_len;
};

struct sk_sign_response {
	uint8_t flags;
	uint32_t counter;
	uint8_t *sig_r;
	size_t sig_r_len;
	uint8_t *sig_s;
	size_t sig_s_len;
};

uint32_t sk_api_version(void);
int sk_enroll(uint32_t alg, const uint8_t *challenge, size_t challenge_len,
    const char *application, uint8_t flags, const char *pin,
    struct sk_option **options, struct sk_enroll_response **ret);
int
sk_sign(uint32_t alg, const uint8_t *data, size_t len, const char *application,
    const uint8_t *handle, size_t handle_len, uint8_t flags, const char *pin,
    struct sk_option **options, struct sk_sign_response **ret);
int sk_load_resident_keys(const char *pin, struct sk_option **options,
    struct sk_resident_key ***ret, size_t *ret_n);

enum mode {
	MODE_HONEST,
	MODE_UNTOUCHED,    /* nobody comes: it gives up */
	MODE_CLAIMS_TOUCH, /* says there was one, and has not signed that */
	MODE_OTHER_APP,    /* signs for another application than asked */
	MODES,
};
static const char *const mode_words[MODES] = {
	[MODE_HONEST] = "honest",
	[MODE_UNTOUCHED] = "untouched",
	[MODE_CLAIMS_TOUCH] = "claims-touch",
	[MODE_OTHER_APP] = "other-app",
};

/* The first word of that file of the directory; empty when there is none. */
static void
word_read(const char *name, char ret[static 32])
{
	const char *dir = getenv("MIG_SOFTKEY");
	char path[PATH_LEN];
	FILE *f;

	ret[0] = '\0';
	snprintf(path, sizeof(path), "%s/%s", dir != NULL ? dir : ".", name);
	f = fopen(path, "re");
	if (f == NULL)
		return;
	if (fscanf(f, "%31s", ret) != 1)
		ret[0] = '\0';
	fclose(f);
}

static enum mode
mode_read(void)
{
	char word[32];
	int m;

	word_read("mode", word);
	for (m = 0; m < MODES; m++)
		if (strcmp(word, mode_words[m]) == 0)
			return (enum mode)m;
	return MODE_HONEST;
}

static uint32_t
counter_next(void)
{
	const char *dir = getenv("MIG_SOFTKEY");
	char word[32], path[PATH_LEN];
	uint32_t n;
	FILE *f;

	word_read("counter", word);
	n = (uint32_t)strtoul(word, NULL, 10) + 1;
	snprintf(path, sizeof(path), "%s/counter", dir != NULL ? dir : ".");
	f = fopen(path, "we");
	if (f != NULL) {
		fprintf(f, "%u\n", n);
		fclose(f);
	}
	return n;
}

/* SEC 2 section 2.4.2, uncompressed */
static const uint8_t base_point[65] = { 0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1,
	0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77,
	0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8,
	0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e,
	0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b,
	0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5 };

/* What OpenSSH releases with free(). */
static uint8_t *
copy(const void *data, size_t len)
{
	uint8_t *p = malloc(len);

	if (p != NULL)
		memcpy(p, data, len);
	return p;
}

static bool
pin_missing(uint8_t flags, const char *pin)
{
	return (flags & FLAG_PIN) != 0 &&
	    (pin == NULL || strcmp(pin, PIN) != 0);
}

uint32_t
sk_api_version(void)
{
	return API_VERSION;
}

int
sk_enroll(uint32_t alg, const uint8_t *challenge, size_t challenge_len,
    const char *application, uint8_t flags, const char *pin,
    struct sk_option **options, struct sk_enroll_response **ret)
{
	uint8_t seed[crypto_sign_SEEDBYTES], pub[crypto_sign_PUBLICKEYBYTES],
	    secret[crypto_sign_SECRETKEYBYTES];
	struct sk_enroll_response *r;

	if (alg != ALG_ED25519 && alg != ALG_ECDSA)
		return ERR_UNSUPPORTED;
	if (pin_missing(flags, pin))
		return ERR_PIN_REQUIRED;
	r = calloc(1, sizeof(*r));
	if (sodium_init() < 0 || r == NULL)
		return ERR_GENERAL;
	randombytes_buf(seed, sizeof(seed));
	crypto_sign_seed_keypair(pub, secret, seed);
	r->flags = flags;
	r->public_key_len = alg == ALG_ECDSA ? sizeof(base_point) : sizeof(pub);
	r->public_key =
	    copy(alg == ALG_ECDSA ? base_point : pub, r->public_key_len);
	r->key_handle = copy(seed, sizeof(seed));
	r->key_handle_len = sizeof(seed);
	/* one is expected; without an attestation it says nothing */
	r->signature = copy("", 1);
	r->signature_len = 1;
	*ret = r;
	return 0;
}

/* SHA-256 of the application, flags, counter, SHA-256 of the message. */
static void
sign(const uint8_t seed[static crypto_sign_SEEDBYTES], const char *application,
    const struct sk_sign_response *r, const uint8_t *data, size_t len,
    uint8_t sig[static crypto_sign_BYTES])
{
	uint8_t pub[crypto_sign_PUBLICKEYBYTES],
	    secret[crypto_sign_SECRETKEYBYTES];
	uint8_t m[2 * crypto_hash_sha256_BYTES + 5], *p = m;

	crypto_hash_sha256(
	    p, (const uint8_t *)application, strlen(application));
	p += crypto_hash_sha256_BYTES;
	*p++ = r->flags;
	*p++ = (uint8_t)(r->counter >> 24);
	*p++ = (uint8_t)(r->counter >> 16);
	*p++ = (uint8_t)(r->counter >> 8);
	*p++ = (uint8_t)r->counter;
	crypto_hash_sha256(p, data, len);
	crypto_sign_seed_keypair(pub, secret, seed);
	crypto_sign_detached(sig, NULL, m, sizeof(m), secret);
}

int
sk_sign(uint32_t alg, const uint8_t *data, size_t len, const char *application,
    const uint8_t *handle, size_t handle_len, uint8_t flags, const char *pin,
    struct sk_option **options, struct sk_sign_response **ret)
{
	uint8_t sig[crypto_sign_BYTES];
	enum mode mode = mode_read();
	struct sk_sign_response *r;

	if (alg != ALG_ED25519 || handle_len != crypto_sign_SEEDBYTES)
		return ERR_UNSUPPORTED;
	if (pin_missing(flags, pin))
		return ERR_PIN_REQUIRED;
	r = calloc(1, sizeof(*r));
	if (mode == MODE_UNTOUCHED || sodium_init() < 0 || r == NULL) {
		free(r);
		return ERR_GENERAL;
	}
	r->flags = flags & (FLAG_TOUCH | FLAG_PIN);
	if (mode == MODE_CLAIMS_TOUCH)
		r->flags &= (uint8_t)~FLAG_TOUCH;
	r->counter = counter_next();
	sign(handle, mode == MODE_OTHER_APP ? "ssh:other" : application, r,
	    data, len, sig);
	if (mode == MODE_CLAIMS_TOUCH)
		r->flags |= FLAG_TOUCH;
	r->sig_r = copy(sig, sizeof(sig));
	r->sig_r_len = sizeof(sig);
	*ret = r;
	return 0;
}

int
sk_load_resident_keys(const char *pin, struct sk_option **options,
    struct sk_resident_key ***ret, size_t *ret_n)
{
	return ERR_UNSUPPORTED;
}

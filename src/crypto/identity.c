/* SPDX-License-Identifier: MPL-2.0 */
/* An agent's key: made, kept in a file, used. The 64-byte secret form that
 * libsodium wants is put together for each signature and wiped. */
#include "crypto/identity.h"

#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#define FILE_HEAD "mig-identity 3\n"
#define FILE_HEAD_LEN (sizeof(FILE_HEAD) - 1)
#define SEED_LEN (2 * IDENTITY_SEED_LEN)
#define ID_LINE_AT (FILE_HEAD_LEN + SEED_LEN + 1)
#define ID_WORD "id "
#define FILE_LEN (ID_LINE_AT + sizeof(ID_WORD) - 1 + ID_HEX_LEN + 1)

_Static_assert(IDENTITY_PUB_LEN == crypto_sign_PUBLICKEYBYTES, "public key");
_Static_assert(IDENTITY_SIG_LEN == crypto_sign_BYTES, "signature");
_Static_assert(IDENTITY_SEED_LEN == crypto_sign_SEEDBYTES, "seed");
/* libsodium's secret key is the seed and then the public key */
_Static_assert(
    crypto_sign_SECRETKEYBYTES == IDENTITY_SEED_LEN + IDENTITY_PUB_LEN,
    "secret key");
_Static_assert(ID_LEN == crypto_hash_sha256_BYTES, "id");

void
identity_id(const uint8_t pub[static IDENTITY_PUB_LEN], struct id *ret)
{
	crypto_hash_sha256(ret->b, pub, IDENTITY_PUB_LEN);
}

static void
identity_from_seed(
    const uint8_t seed[static IDENTITY_SEED_LEN], struct identity *ret)
{
	uint8_t sec[crypto_sign_SECRETKEYBYTES];

	memmove(ret->seed, seed, IDENTITY_SEED_LEN);
	crypto_sign_seed_keypair(ret->pub, sec, ret->seed);
	sodium_memzero(sec, sizeof(sec));
	identity_id(ret->pub, &ret->id);
}

void
identity_new(struct identity *ret)
{
	uint8_t seed[IDENTITY_SEED_LEN];

	BUG_ON(sodium_init() < 0);
	randombytes_buf(seed, sizeof(seed));
	identity_from_seed(seed, ret);
	sodium_memzero(seed, sizeof(seed));
}

void
identity_wipe(struct identity *i)
{
	sodium_memzero(i, sizeof(*i));
}

/* The id that the key had when it was written: a changed bit anywhere must
 * not make another agent. */
static int
check_id_line(const char *line, const struct id *is, struct err *e)
{
	char want[sizeof(ID_WORD) + ID_HEX_LEN + 1];

	snprintf(want, sizeof(want), ID_WORD "%s\n", id_hex(is).s);
	if (memcmp(line, want, strlen(want)) == 0)
		return 0;
	return err_set(e, ERR_INVALID,
	    "identity file: line 3 is not the id of the key in line 2: the "
	    "file is damaged; restore it, or enrol this agent anew");
}

int
identity_parse(
    const void *text, size_t len, struct identity *ret, struct err *e)
{
	char hex[SEED_LEN + 1];
	uint8_t seed[IDENTITY_SEED_LEN];
	const char *s = text;
	struct identity is;
	int rc;

	if (len != FILE_LEN || memcmp(s, FILE_HEAD, FILE_HEAD_LEN) != 0 ||
	    s[ID_LINE_AT - 1] != '\n')
		return err_set(e, ERR_INVALID,
		    "not an identity file (\"mig-identity 3\", a line of %d "
		    "hexadecimal digits and one with the id are expected)",
		    SEED_LEN);
	memcpy(hex, s + FILE_HEAD_LEN, sizeof(hex) - 1);
	hex[sizeof(hex) - 1] = '\0';
	rc = hex_decode(hex, seed, sizeof(seed));
	sodium_memzero(hex, sizeof(hex));
	if (rc != 0)
		return err_set(e, ERR_INVALID,
		    "identity file: line 2 is not %d hexadecimal digits",
		    SEED_LEN);
	identity_from_seed(seed, &is);
	sodium_memzero(seed, sizeof(seed));
	rc = check_id_line(s + ID_LINE_AT, &is.id, e);
	if (rc == 0)
		*ret = is;
	identity_wipe(&is);
	return rc;
}

/* The file is the agent: it must be a plain file that nobody else can read. */
static int
check_file(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_errno(e, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "%s: not a regular file", path);
	if ((st.st_mode & 077) != 0)
		return err_set(e, ERR_DENIED,
		    "%s: mode %04o lets others read the agent's key; 0600 is "
		    "expected (chmod 600, and enrol anew if it was read)",
		    path, (unsigned int)(st.st_mode & 07777));
	if (st.st_uid != geteuid())
		return err_set(e, ERR_DENIED,
		    "%s: owned by user %u; %u is expected", path,
		    (unsigned int)st.st_uid, (unsigned int)geteuid());
	return 0;
}

int
identity_load(const char *path, struct identity *ret, struct err *e)
{
	uint8_t *text = NULL;
	struct buf b;
	int fd, rc;

	if (sodium_init() < 0)
		return err_set(e, ERR_INTERNAL, "libsodium cannot start");
	fd = open(
	    path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return err_errno(e, "%s", path);
	buf_init(&b, FILE_LEN);
	/* All room at once: growing would leave copies of the key behind. */
	text = buf_reserve(&b, FILE_LEN);
	rc = text == NULL ? err_set(e, b.error, "%s", err_text(b.error))
			  : check_file(fd, path, e);
	if (rc == 0) {
		rc = fd_read_all(fd, &b, e);
		if (rc == 0)
			rc = identity_parse(b.data, b.len, ret, e);
		if (rc != 0)
			err_wrap(e, "%s", path);
	}
	close(fd);
	if (b.data != NULL)
		sodium_memzero(b.data, b.cap);
	buf_release(&b);
	return rc;
}

int
identity_save(const char *path, const struct identity *i, struct err *e)
{
	char text[FILE_LEN + 1];
	int rc;

	memcpy(text, FILE_HEAD, FILE_HEAD_LEN);
	hex_encode(i->seed, IDENTITY_SEED_LEN, text + FILE_HEAD_LEN);
	snprintf(text + ID_LINE_AT - 1, sizeof(text) - ID_LINE_AT + 1,
	    "\n" ID_WORD "%s\n", id_hex(&i->id).s);
	rc = file_write(path, text, FILE_LEN, 0600, e);
	sodium_memzero(text, sizeof(text));
	return rc;
}

/* Prefix and bytes in one piece, as Ed25519 (RFC 8032) needs them. */
struct message {
	uint8_t *m; /* small or allocated */
	size_t len;
	uint8_t small[PURPOSE_PREFIX_MAX + IDENTITY_SMALL];
};

static int
message_init(struct message *x, enum purpose p, const void *data, size_t len)
{
	char prefix[PURPOSE_PREFIX_MAX];
	size_t n = purpose_prefix(p, len, prefix);

	if (len > SIZE_MAX - n)
		return ERR_NOMEM;
	x->m = len <= IDENTITY_SMALL ? x->small : malloc(n + len);
	if (x->m == NULL)
		return ERR_NOMEM;
	memcpy(x->m, prefix, n);
	if (len > 0)
		memcpy(x->m + n, data, len);
	x->len = n + len;
	return 0;
}

static void
message_release(struct message *x)
{
	if (x->m != x->small)
		free(x->m);
}

void
identity_sign(const struct identity *i, enum purpose p, const void *data,
    size_t len, uint8_t ret_sig[static IDENTITY_SIG_LEN])
{
	uint8_t sec[crypto_sign_SECRETKEYBYTES];
	struct message x;

	if (message_init(&x, p, data, len) != 0) {
		/* No signature verifies as all zeros: nothing is claimed. */
		memset(ret_sig, 0, IDENTITY_SIG_LEN);
		return;
	}
	memcpy(sec, i->seed, IDENTITY_SEED_LEN);
	memcpy(sec + IDENTITY_SEED_LEN, i->pub, IDENTITY_PUB_LEN);
	crypto_sign_detached(ret_sig, NULL, x.m, x.len, sec);
	sodium_memzero(sec, sizeof(sec));
	message_release(&x);
}

int
identity_check(const uint8_t pub[static IDENTITY_PUB_LEN], enum purpose p,
    const void *data, size_t len, const uint8_t sig[static IDENTITY_SIG_LEN])
{
	struct message x;
	int rc;

	if (message_init(&x, p, data, len) != 0)
		return ERR_NOMEM;
	/* libsodium refuses small-order and non-canonical keys itself. */
	rc = crypto_sign_verify_detached(sig, x.m, x.len, pub);
	message_release(&x);
	return rc == 0 ? 0 : ERR_AUTH;
}

/* SPDX-License-Identifier: MPL-2.0 */
#include "client/sign/readkey.h"

#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/str.h"
#include "crypto/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BEGIN "-----BEGIN MIG READER KEY-----\n"
#define END "-----END MIG READER KEY-----\n"
#define COLUMNS 64
#define FILE_HEAD "mig-reader 3\n"
#define FILE_HEAD_LEN (sizeof(FILE_HEAD) - 1)
#define HEX (2 * SEAL_KEY_LEN)
/* head, secret half, line end, public half, line end */
#define FILE_LEN (FILE_HEAD_LEN + HEX + 1 + HEX + 1)
#define BLOCK_MAX 4096 /* bytes; the sealed form of 32 has a quarter of it */

bool
readkey_parse(const char *name, uint8_t ret_pub[static SEAL_KEY_LEN])
{
	return str_starts(name, READKEY_PREFIX) &&
	    hex_decode(name + strlen(READKEY_PREFIX), ret_pub, SEAL_KEY_LEN) ==
	    0;
}

void
readkey_name(const uint8_t pub[static SEAL_KEY_LEN],
    char ret[static READKEY_NAME_LEN + 1])
{
	memcpy(ret, READKEY_PREFIX, strlen(READKEY_PREFIX));
	hex_encode(pub, SEAL_KEY_LEN, ret + strlen(READKEY_PREFIX));
}

void
readkey_fpr(const uint8_t pub[static SEAL_KEY_LEN],
    char ret[static READKEY_FPR_LEN + 1])
{
	static const char head[] = "MIG reader v3\n";
	struct sha256 h;
	struct id hash;

	sha256_begin(&h);
	sha256_add(&h, head, sizeof(head) - 1);
	sha256_add(&h, pub, SEAL_KEY_LEN);
	sha256_final(&h, &hash);
	hex_encode(hash.b, READKEY_FPR_LEN / 2, ret);
}

/* --- its file ------------------------------------------------------------- */

int
readkey_make(const char *path, struct readkey *ret, struct err *e)
{
	char text[FILE_LEN + 1];
	char *at = text + FILE_HEAD_LEN;
	int rc;

	if (access(path, F_OK) == 0)
		return err_set(e, ERR_EXISTS,
		    "%s is there already: what was sealed to it could not be "
		    "read without it",
		    path);
	if (seal_keypair(ret->pub, ret->sec) != 0)
		return err_set(e, ERR_INTERNAL, "no key could be made");
	memcpy(text, FILE_HEAD, FILE_HEAD_LEN);
	hex_encode(ret->sec, SEAL_KEY_LEN, at);
	at[HEX] = '\n';
	hex_encode(ret->pub, SEAL_KEY_LEN, at + HEX + 1);
	at[2 * HEX + 1] = '\n';
	rc = file_write(path, text, FILE_LEN, 0600, e);
	secret_wipe(text, sizeof(text));
	if (rc != 0)
		secret_wipe(ret, sizeof(*ret));
	return rc;
}

int
readkey_read(const void *text, size_t len, struct readkey *ret, struct err *e)
{
	char hex[2][HEX + 1];
	struct readkey k;
	const char *at = (const char *)text + FILE_HEAD_LEN;
	bool good = len == FILE_LEN &&
	    memcmp(text, FILE_HEAD, FILE_HEAD_LEN) == 0 && at[HEX] == '\n' &&
	    at[2 * HEX + 1] == '\n';

	if (good) {
		memcpy(hex[0], at, HEX);
		memcpy(hex[1], at + HEX + 1, HEX);
		hex[0][HEX] = hex[1][HEX] = '\0';
		good = hex_decode(hex[0], k.sec, SEAL_KEY_LEN) == 0 &&
		    hex_decode(hex[1], k.pub, SEAL_KEY_LEN) == 0 &&
		    seal_is_pair(k.pub, k.sec);
	}
	if (good)
		*ret = k;
	secret_wipe(hex, sizeof(hex));
	secret_wipe(&k, sizeof(k));
	return good ? 0
		    : err_set(e, ERR_INVALID,
			  "not a reader's key as mig reader make writes it, "
			  "or a damaged one");
}

static int
check_file(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_errno(e, "%s", path);
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)
		return err_set(e, ERR_DENIED,
		    "%s: a file that only its owner can read is expected "
		    "(chmod 600)",
		    path);
	return 0;
}

int
readkey_load(const char *path, struct readkey *ret, struct err *e)
{
	struct buf b;
	int fd, rc;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return err_errno(e, "%s", path);
	buf_init(&b, FILE_LEN + 1);
	/* all room at once: growing would leave copies of the key behind */
	rc = buf_reserve(&b, FILE_LEN + 1) == NULL
	    ? err_set(e, ERR_NOMEM, "out of memory")
	    : check_file(fd, path, e);
	if (rc == 0)
		rc = fd_read_all(fd, &b, e);
	if (rc == 0 && (rc = readkey_read(b.data, b.len, ret, e)) != 0)
		err_wrap(e, "%s", path);
	close(fd);
	if (b.data != NULL)
		secret_wipe(b.data, b.cap);
	buf_release(&b);
	return rc;
}

/* --- blocks --------------------------------------------------------------- */

int
readkey_seal(const uint8_t pub[static SEAL_KEY_LEN], const void *secret,
    size_t len, struct buf *out, struct err *e)
{
	struct buf raw, text;
	size_t at, n;
	int rc;

	buf_init(&raw, BLOCK_MAX);
	buf_init(&text, 2 * BLOCK_MAX);
	buf_add(&raw, pub, SEAL_KEY_LEN);
	rc = seal_make(pub, secret, len, &raw, e);
	if (rc != 0) {
		err_wrap(e, "sealing to a reader's key");
		goto out;
	}
	b64_encode(&text, raw.data, raw.len);
	buf_add_str(out, BEGIN);
	for (at = 0; at < text.len; at += n) {
		n = text.len - at < COLUMNS ? text.len - at : COLUMNS;
		buf_add(out, text.data + at, n);
		buf_add_str(out, "\n");
	}
	rc = buf_add_str(out, END);
	if (rc == 0)
		rc = text.error;
	if (rc != 0)
		err_set(e, rc, "too many readers");
out:
	buf_release(&raw);
	buf_release(&text);
	return rc;
}

size_t
readkey_start(const char *text)
{
	const char *p = strstr(text, BEGIN);

	return p == NULL ? strlen(text) : (size_t)(p - text);
}

/* The bytes of the block at *s, which moves behind it; ERR_NOTFOUND at the
 * end of the text. */
static int
block_next(const char **s, struct buf *raw, struct err *e)
{
	const char *at = *s, *end;
	struct buf text;
	size_t n;
	int rc = 0;

	if (*at == '\0')
		return ERR_NOTFOUND;
	end = str_starts(at, BEGIN) ? strstr(at, END) : NULL;
	if (end == NULL)
		return err_set(
		    e, ERR_INVALID, "the seal key's blocks are damaged");
	buf_init(&text, 2 * BLOCK_MAX);
	for (at += strlen(BEGIN); at < end; at += n + 1) {
		n = strcspn(at, "\n");
		buf_add(&text, at, n);
	}
	if (text.error != 0 || text.len == 0 ||
	    b64_decode(raw, (const char *)text.data, text.len) != 0 ||
	    raw->len <= SEAL_KEY_LEN)
		rc = text.error == ERR_NOMEM || raw->error == ERR_NOMEM
		    ? err_set(e, ERR_NOMEM, "out of memory")
		    : err_set(
			  e, ERR_INVALID, "the seal key's blocks are damaged");
	buf_release(&text);
	*s = end + strlen(END);
	return rc;
}

int
readkey_open(
    const char *blocks, const struct readkey *k, struct buf *out, struct err *e)
{
	const char *s = blocks + readkey_start(blocks);
	struct buf raw;
	int rc;

	buf_init(&raw, BLOCK_MAX);
	while ((rc = block_next(&s, &raw, e)) == 0 &&
	    memcmp(raw.data, k->pub, SEAL_KEY_LEN) != 0)
		buf_clear(&raw);
	if (rc == 0)
		rc = seal_open(k->pub, k->sec, raw.data + SEAL_KEY_LEN,
		    raw.len - SEAL_KEY_LEN, out, e);
	else if (rc == ERR_NOTFOUND)
		err_set(e, rc, "it was not sealed to your reader's key");
	buf_release(&raw);
	return rc;
}

int
readkey_readers(
    const char *blocks, readkey_on_reader *on, void *arg, struct err *e)
{
	const char *s = blocks + readkey_start(blocks);
	char fpr[READKEY_FPR_LEN + 1];
	struct buf raw;
	int rc;

	buf_init(&raw, BLOCK_MAX);
	while ((rc = block_next(&s, &raw, e)) == 0) {
		readkey_fpr(raw.data, fpr);
		if ((rc = on(fpr, arg)) != 0)
			break;
		buf_clear(&raw);
	}
	buf_release(&raw);
	return rc == ERR_NOTFOUND ? 0 : rc;
}

/* SPDX-License-Identifier: MPL-2.0 */
#include "server/cmd/tar.h"

#include "base/err.h"

#include <stdio.h>
#include <string.h>

/* offset and length of the header's fields */
#define AT_MODE 100
#define AT_UID 108
#define AT_GID 116
#define AT_SIZE 124
#define SIZE_LEN 12
#define AT_MTIME 136
#define AT_SUM 148
#define SUM_LEN 8
#define AT_TYPE 156
#define AT_MAGIC 257
#define OCTAL_MAX ((UINT64_C(1) << 33) - 1) /* eleven digits */

size_t
tar_padding(uint64_t size)
{
	return ((size_t)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK));
}

static unsigned int
checksum(const uint8_t *h)
{
	unsigned int sum = 0;
	size_t i;

	for (i = 0; i < TAR_BLOCK; i++)
		sum += i >= AT_SUM && i < AT_SUM + SUM_LEN ? ' ' : h[i];
	return (sum);
}

/* Larger than eight octal gigabytes: binary, marked by the first bit, as GNU
 * tar and others do. */
static void
put_size(uint8_t *h, uint64_t size)
{
	char text[SIZE_LEN + 1];
	size_t i;

	if (size <= OCTAL_MAX) {
		snprintf(
		    text, sizeof(text), "%011llo", (unsigned long long)size);
		memcpy(h + AT_SIZE, text, SIZE_LEN);
		return;
	}
	memset(h + AT_SIZE, 0, SIZE_LEN);
	h[AT_SIZE] = 0x80;
	for (i = 0; i < 8; i++)
		h[AT_SIZE + SIZE_LEN - 1 - i] = (uint8_t)(size >> (8 * i));
}

static void
put_octal(uint8_t *at, size_t len, uint64_t v)
{
	char text[32];

	snprintf(
	    text, sizeof(text), "%0*llo", (int)len - 1, (unsigned long long)v);
	memcpy(at, text, len);
}

void
tar_header(const struct tar_entry *t, uint8_t out[static TAR_BLOCK])
{
	char sum[SUM_LEN + 1];

	memset(out, 0, TAR_BLOCK);
	memcpy(out, t->name, strnlen(t->name, TAR_NAME_MAX - 1));
	put_octal(out + AT_MODE, 8, t->mode & 07777);
	put_octal(out + AT_UID, 8, 0);
	put_octal(out + AT_GID, 8, 0);
	put_size(out, t->size);
	put_octal(out + AT_MTIME, 12, t->mtime > 0 ? (uint64_t)t->mtime : 0);
	out[AT_TYPE] = '0';
	memcpy(out + AT_MAGIC,
	    "ustar\0"
	    "00",
	    8);
	snprintf(sum, sizeof(sum), "%06o", checksum(out));
	sum[7] = ' ';
	memcpy(out + AT_SUM, sum, SUM_LEN);
}

static int
get_octal(const uint8_t *at, size_t len, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0;

	while (i < len && at[i] == ' ')
		i++;
	for (; i < len && at[i] >= '0' && at[i] <= '7'; i++) {
		if (v > UINT64_MAX >> 3)
			return (ERR_INVALID);
		v = v << 3 | (uint64_t)(at[i] - '0');
	}
	for (; i < len; i++)
		if (at[i] != '\0' && at[i] != ' ')
			return (ERR_INVALID);
	*ret = v;
	return (0);
}

static int
get_size(const uint8_t *h, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i;

	if (h[AT_SIZE] != 0x80)
		return (get_octal(h + AT_SIZE, SIZE_LEN, ret));
	for (i = 1; i < SIZE_LEN; i++) {
		if (i < SIZE_LEN - 8 && h[AT_SIZE + i] != 0)
			return (ERR_INVALID);
		v = v << 8 | h[AT_SIZE + i];
	}
	if (v > INT64_MAX)
		return (ERR_INVALID);
	*ret = v;
	return (0);
}

int
tar_parse(const uint8_t in[static TAR_BLOCK], struct tar_entry *ret,
    bool *ret_end, struct err *e)
{
	static const uint8_t zeros[TAR_BLOCK];
	uint64_t sum, mode, mtime;
	struct tar_entry t;

	*ret_end = memcmp(in, zeros, TAR_BLOCK) == 0;
	if (*ret_end)
		return (0);
	if (get_octal(in + AT_SUM, SUM_LEN, &sum) != 0 || sum != checksum(in))
		return (err_set(e, ERR_INVALID,
		    "not a backup, or damaged: a header's checksum is wrong"));
	if (memcmp(in + AT_MAGIC, "ustar", 5) != 0 ||
	    (in[AT_TYPE] != '0' && in[AT_TYPE] != '\0') ||
	    get_octal(in + AT_MODE, 8, &mode) != 0 ||
	    get_octal(in + AT_MTIME, 12, &mtime) != 0 ||
	    get_size(in, &t.size) != 0 ||
	    memchr(in, '\0', TAR_NAME_MAX) == NULL)
		return (err_set(e, ERR_INVALID,
		    "not a backup: it holds what mig-server does not write"));
	memcpy(t.name, in, TAR_NAME_MAX);
	t.mode = (mode_t)(mode & 07777);
	t.mtime = (int64_t)mtime;
	*ret = t;
	return (0);
}

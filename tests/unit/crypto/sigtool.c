/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Test tool: verdicts over many signature packets in one process, by the
 * agents' code and by librnp.
 *
 *   sigtool check KEYRING DATA NOW PGPKEYS < packets   one "ours rnp" a packet
 *   sigtool ours KEYRING DATA NOW < packets            ours alone, one a line
 *   sigtool time KEYRING DATA NOW COUNT < one packet   CPU microseconds a check
 *   sigtool keyring FILE                               parses, "ok" or reason
 *
 * packets: each a big-endian u32 length and that many bytes. DATA is without
 * the purpose's prefix (action). ours: enum sig_verdict; rnp: 1 good, 0 not.
 */
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "crypto/keyring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rnp/rnp.h>
#include <rnp/rnp_err.h>

#define INPUT_MAX (256 * 1024 * 1024)

static void
die(const char *what, const struct err *e)
{
	fprintf(stderr, "sigtool: %s: %s\n", what, e == NULL ? "" : e->msg);
	exit(2);
}

static void
load(const char *path, struct buf *b)
{
	struct err e;

	buf_init(b, INPUT_MAX);
	if (file_read(path, b, &e) != 0)
		die(path, &e);
}

static rnp_ffi_t
rnp_start(const char *path, int64_t now)
{
	rnp_ffi_t ffi = NULL;
	rnp_input_t in = NULL;

	if (rnp_ffi_create(&ffi, "GPG", "GPG") != RNP_SUCCESS ||
	    rnp_set_timestamp(ffi, (uint64_t)now) != RNP_SUCCESS ||
	    rnp_input_from_path(&in, path) != RNP_SUCCESS ||
	    rnp_import_keys(ffi, in, RNP_LOAD_SAVE_PUBLIC_KEYS, NULL) !=
		RNP_SUCCESS)
		die("librnp cannot load the keys", NULL);
	rnp_input_destroy(in);
	return ffi;
}

static int
rnp_good(rnp_ffi_t ffi, const struct buf *signed_bytes, const uint8_t *sig,
    size_t len)
{
	rnp_input_t data = NULL, in = NULL;
	rnp_op_verify_t op = NULL;
	int good;

	good = rnp_input_from_memory(&data, signed_bytes->data,
		   signed_bytes->len, false) == RNP_SUCCESS &&
	    rnp_input_from_memory(&in, sig, len, false) == RNP_SUCCESS &&
	    rnp_op_verify_detached_create(&op, ffi, data, in) == RNP_SUCCESS &&
	    rnp_op_verify_execute(op) == RNP_SUCCESS;
	rnp_op_verify_destroy(op);
	rnp_input_destroy(in);
	rnp_input_destroy(data);
	return good;
}

static int
check(const struct keyring *k, const struct buf *data, int64_t now,
    const char *pgp)
{
	char prefix[PURPOSE_PREFIX_MAX];
	rnp_ffi_t ffi = rnp_start(pgp, now);
	struct buf in, whole;
	struct sig_bytes sig;
	struct signer who;
	struct rd r;

	load("-", &in);
	buf_init(&whole, INPUT_MAX);
	buf_add(
	    &whole, prefix, purpose_prefix(PURPOSE_ACTION, data->len, prefix));
	buf_add(&whole, data->data, data->len);
	rd_init(&r, in.data, in.len);
	while (r.left > 0) {
		sig.data = rd_field(&r, INPUT_MAX, &sig.len);
		if (r.bad)
			die("bad list of packets", NULL);
		keyring_verify(k, PURPOSE_ACTION, data->data, data->len, &sig,
		    1, now, &who);
		printf("%d %d\n", (int)who.verdict,
		    rnp_good(ffi, &whole, sig.data, sig.len));
	}
	rnp_ffi_destroy(ffi);
	buf_release(&whole);
	buf_release(&in);
	return 0;
}

static int
ours(const struct keyring *k, const struct buf *data, int64_t now)
{
	struct sig_bytes sig;
	struct signer who;
	struct buf in;
	struct rd r;

	load("-", &in);
	rd_init(&r, in.data, in.len);
	while (r.left > 0) {
		sig.data = rd_field(&r, INPUT_MAX, &sig.len);
		if (r.bad)
			die("bad list of packets", NULL);
		keyring_verify(k, PURPOSE_ACTION, data->data, data->len, &sig,
		    1, now, &who);
		printf("%d\n", (int)who.verdict);
	}
	buf_release(&in);
	return 0;
}

static int
measure(const struct keyring *k, const struct buf *data, int64_t now,
    unsigned long count)
{
	struct sig_bytes sig;
	struct signer who;
	struct buf in;
	clock_t start;
	unsigned long i, good = 0;

	load("-", &in);
	sig.data = in.data;
	sig.len = in.len;
	start = clock();
	for (i = 0; i < count; i++)
		good += keyring_verify(k, PURPOSE_ACTION, data->data, data->len,
		    &sig, 1, now, &who);
	printf("%.1f\n",
	    (double)(clock() - start) * 1e6 / CLOCKS_PER_SEC / (double)count);
	buf_release(&in);
	return good == count ? 0 : 1;
}

int
main(int argc, char **argv)
{
	struct buf text, data;
	struct keyring k;
	struct err e;
	int rc;

	if (argc < 3)
		die("usage: sigtool check|time|keyring FILE ...", NULL);
	load(argv[2], &text);
	if (keyring_parse(text.data, text.len, &k, &e) != 0) {
		printf("%s\n", e.msg);
		buf_release(&text);
		return 1;
	}
	buf_release(&text);
	if (argc < 5) {
		printf("ok %zu %zu\n", k.npersons, k.nkeys);
		keyring_release(&k);
		return 0;
	}
	load(argv[3], &data);
	if (strcmp(argv[1], "ours") == 0)
		rc = ours(&k, &data, atoll(argv[4]));
	else if (strcmp(argv[1], "time") == 0)
		rc = measure(
		    &k, &data, atoll(argv[4]), strtoul(argv[5], NULL, 10));
	else
		rc = check(&k, &data, atoll(argv[4]), argv[5]);
	buf_release(&data);
	keyring_release(&k);
	return rc;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* Several digests over one stream (libcrypto, loaded when first asked for).*/
#ifndef MIG_SCAN_DIGEST_H
#define MIG_SCAN_DIGEST_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct digests;

enum digest_alg {
	DIGEST_MD5,
	DIGEST_SHA1,
	DIGEST_SHA256,
	DIGEST_SHA384,
	DIGEST_SHA512,
	DIGEST_SHA3_224,
	DIGEST_SHA3_256,
	DIGEST_SHA3_384,
	DIGEST_SHA3_512,
	DIGEST_ALGS
};
#define DIGEST_BIT(alg) (1u << (alg))
#define DIGEST_LEN_MAX 64

size_t digest_len(enum digest_alg alg);

/* algs: bits of all that will ever be asked of this object. ERR_NOMEM, or
 * ERR_UNSUPPORTED: not here. */
int digests_new(uint32_t algs, struct digests **ret, struct err *e);
void digests_free(struct digests *d);
/* Starts anew with some of them. 0 or ERR_NOMEM; what follows then fails until
 * it is begun anew. */
int digests_begin(struct digests *d, uint32_t algs);
int digests_add(struct digests *d, const void *data, size_t len);
/* One that was begun; out has digest_len(alg) bytes. */
int digests_final(struct digests *d, enum digest_alg alg, uint8_t *out);

#endif

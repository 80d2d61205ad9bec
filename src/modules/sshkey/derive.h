/* SPDX-License-Identifier: MPL-2.0 */
/* Public halves where a file has only the private one: by libcrypto, which is
 * loaded for it. ERR_UNSUPPORTED where it cannot be, ERR_INVALID where it does
 * not take the key, ERR_NOMEM. */
#ifndef MIG_MODULES_SSHKEY_DERIVE_H
#define MIG_MODULES_SSHKEY_DERIVE_H

#include <stddef.h>
#include <stdint.h>

struct err;

int derive_ed25519(
    const uint8_t seed[static 32], uint8_t ret[static 32], struct err *e);

#define DERIVE_NUMBER_MAX 1024 /* bytes */
struct derive_number {
	const uint8_t *p;
	size_t len;
};
/* base ^ exponent mod modulus; *ret_len bytes in ret. */
int derive_power(const struct derive_number *base,
    const struct derive_number *exponent, const struct derive_number *modulus,
    uint8_t ret[static DERIVE_NUMBER_MAX], size_t *ret_len, struct err *e);

/* The public point of a scalar; nid: OpenSSL's number of the curve. */
int derive_point(int nid, const struct derive_number *scalar,
    uint8_t ret[static DERIVE_NUMBER_MAX], size_t *ret_len, struct err *e);

#endif

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The one kind of identifier: 32 bytes of SHA-256. An action's id is the hash
 * of its signed bytes, an agent's id the hash of its Ed25519 public key.
 * Written as 64 lower-case hex digits; shown to people as the first 12.
 */
#ifndef MIG_BASE_ID_H
#define MIG_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>

#define ID_LEN 32
#define ID_HEX_LEN 64
#define ID_SHORT_LEN 12

struct id {
	uint8_t b[ID_LEN];
};

struct id_hex {
	char s[ID_HEX_LEN + 1];
};

bool id_equal(const struct id *a, const struct id *b);
bool id_is_zero(const struct id *a);
/* For use in one expression: id_hex(&x).s */
struct id_hex id_hex(const struct id *a);
struct id_hex id_short(const struct id *a);
/* Exactly 64 hex digits, or ERR_INVALID. */
int id_parse(const char *s, struct id *ret_id);
/* The same in lower case alone, the one form that an id has in what is signed.
 * *ret_id is left alone where it is not one. */
int id_parse_lower(const char *s, struct id *ret_id);

#endif

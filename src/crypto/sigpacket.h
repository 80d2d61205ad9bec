/* SPDX-License-Identifier: MPL-2.0 */
/*
 * OpenPGP signature packets, version 4 (RFC 4880 section 5.2), read strictly
 * and checked with a key of the keyring. Accepted: exactly one packet with a
 * definite length, type 0x00 (binary document), RSA (PKCS#1 v1.5), EdDSA on
 * Ed25519, ECDSA on NIST P-256/384/521; SHA-256, SHA-384, SHA-512; creation
 * time and issuer fingerprint (v4) in the hashed area. Refused: unknown
 * critical or repeated hashed subpackets, an expired signature, numbers that
 * are not canonical MPIs, trailing bytes. The unhashed area is ignored.
 */
#ifndef MIG_CRYPTO_SIGPACKET_H
#define MIG_CRYPTO_SIGPACKET_H

#include "crypto/purpose.h"

#include <stdint.h>

struct err;
struct keyring_key;

#define PGP_FPR_LEN 20
#define SIGPACKET_MAX 4096

struct sigpacket {
	uint8_t issuer[PGP_FPR_LEN]; /* fingerprint of the signing (sub)key */
	uint8_t pk_alg;              /* 1 RSA, 19 ECDSA, 22 EdDSA */
	uint8_t hash_alg;            /* 8, 9, 10: SHA-256, -384, -512 */
	int64_t created;             /* unix seconds */
	int64_t expires;             /* unix seconds, 0: never */
	uint8_t hash16[2];           /* left 16 bits of the digest */
	const uint8_t *hashed; /* trailer part, borrowed from the packet */
	size_t hashed_len;
	const uint8_t *mpi[2]; /* numbers, without leading zeros */
	size_t mpi_len[2];     /* bytes; mpi[1] unused for RSA */
};

/* ret borrows from pkt. */
int sigpacket_parse(
    const void *pkt, size_t len, struct sigpacket *ret, struct err *e);
/* 0 when the key made this signature over data for that purpose; ERR_AUTH
 * otherwise. Says nothing about times. */
int sigpacket_check(const struct sigpacket *s, const struct keyring_key *k,
    enum purpose p, const void *data, size_t len, struct err *e);

#endif

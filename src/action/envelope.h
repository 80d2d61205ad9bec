/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What carries a signed document (action, cancel, policy) and its detached
 * signatures:
 *
 *   offset size
 *   0      4   "MIG3"
 *   4      1   number of signatures, 0..16
 *   5      3   zero
 *   8      4   length of the document, big endian, 1..1 MiB
 *   12     n   the document
 *   then for each signature: u16 length (1..4096), raw OpenPGP packet or
 *   sshsig (crypto/sshsig.h; it begins with "SSHSIG", no packet does)
 *
 * and nothing after. The JSON form for people and the API:
 *   {"document": "<the document as text>", "signatures": ["-----BEGIN PGP
 *   SIGNATURE-----...", "-----BEGIN SSH SIGNATURE-----..."]}
 */
#ifndef MIG_ACTION_ENVELOPE_H
#define MIG_ACTION_ENVELOPE_H

#include "base/buf.h"
#include "crypto/keyring.h"

struct err;
struct json_t;

#define ENVELOPE_DOC_MAX (1024 * 1024)
#define ENVELOPE_MAX (12 + ENVELOPE_DOC_MAX + SIGS_MAX * (2 + SIGPACKET_MAX))

struct envelope {
	const uint8_t *doc; /* borrowed */
	size_t doc_len;
	struct sig_bytes sigs[SIGS_MAX];
	size_t nsigs;
};

/* No JSON, no OpenSSL: usable by every role. ret borrows from data. */
int envelope_parse(
    const void *data, size_t len, struct envelope *ret, struct err *e);
/* Appends the binary form. */
int envelope_write(const struct envelope *env, struct buf *out, struct err *e);

/* --- envelope_json.c: client and server only ---------------------------- */
/* Reads the JSON form and appends the binary form to out. */
int envelope_from_json(
    const void *text, size_t len, struct buf *out, struct err *e);
/* The same from a parsed value; other fields than the two are refused. */
int
envelope_from_value(const struct json_t *value, struct buf *out, struct err *e);
/* Owned by the caller (json_decref). */
struct json_t *envelope_to_json(const struct envelope *env, struct err *e);
/* OpenPGP ASCII armour (RFC 4880 section 6) or that of PROTOCOL.sshsig, one
 * signature: exactly one block and nothing around it. Reading takes any OpenPGP
 * armour headers and line ends and checks the CRC-24 where there is one; each
 * kind of signature only in its own armour. */
int armor_signature(const void *packet, size_t len, struct buf *out);
int
dearmor_signature(const char *text, size_t len, struct buf *out, struct err *e);

#endif

/* SPDX-License-Identifier: MPL-2.0 */
/* Enrolment tokens: see enrolcmd.h. */
#include "server/cmd/enrolcmd.h"

#include "base/err.h"
#include "base/hex.h"
#include "crypto/sha256.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

int
token_new(
    char ret_hex[static TOKEN_HEX_LEN + 1], struct id *ret_hash, struct err *e)
{
	uint8_t raw[TOKEN_HEX_LEN / 2];

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return (err_errno(e, "getrandom"));
	hex_encode(raw, sizeof(raw), ret_hex);
	explicit_bzero(raw, sizeof(raw));
	return (token_hash(ret_hex, ret_hash));
}

int
token_hash(const char *hex, struct id *ret_hash)
{
	uint8_t raw[TOKEN_HEX_LEN / 2];

	if (hex_decode(hex, raw, sizeof(raw)) != 0)
		return (ERR_INVALID);
	sha256(raw, sizeof(raw), ret_hash);
	explicit_bzero(raw, sizeof(raw));
	return (0);
}

void
server_origin(const struct server_conf *c, char *out, size_t size)
{
	char name[256];

	server_first_name(c, name, sizeof(name));
	snprintf(out, size,
	    strchr(name, ':') != NULL ? "https://[%s]:%d" : "https://%s:%d",
	    name, (int)c->port);
}

void
enrol_command(const struct server_conf *c, const struct id *ca_fpr,
    const char *token, const struct id *policy, struct buf *out)
{
	char origin[300];

	server_origin(c, origin, sizeof(origin));
	buf_add_fmt(out, "mig-agent enrol %s --ca %s --token %s", origin,
	    id_hex(ca_fpr).s, token);
	if (policy != NULL)
		buf_add_fmt(out, " --policy-hash %s", id_hex(policy).s);
}

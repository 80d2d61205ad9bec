/* SPDX-License-Identifier: MPL-2.0 */
#include "agent/net/netfields.h"

#include "action/envelope.h"
#include "agent/messages.h"
#include "base/buf.h"
#include "base/err.h"
#include "crypto/x509.h"
#include "mqtt/tunnel.h"

#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

char *
take_pem(struct rd *r)
{
	size_t len;
	const uint8_t *p = rd_field(r, X509_PEM_MAX, &len);

	return p == NULL ? NULL : strndup((const char *)p, len);
}

void
take_peer(struct rd *r, struct tunnel_peer *ret)
{
	rd_field_str(r, ret->host, sizeof(ret->host));
	ret->port = rd_u16(r);
}

uint32_t
chance(uint32_t below)
{
	uint32_t r;

	evutil_secure_rng_get_bytes(&r, sizeof(r));
	return below == 0 ? 0 : r % below;
}

void
wipe_free(char *s)
{
	if (s != NULL)
		explicit_bzero(s, strlen(s));
	free(s);
}

int
add_pieces(struct buf *out, const void *data, size_t len, size_t doc_max,
    struct err *e)
{
	struct envelope env;
	int rc = envelope_parse(data, len, &env, e);

	if (rc != 0)
		return rc;
	if (env.doc_len > doc_max)
		return err_set(e, ERR_TOOBIG,
		    "a document of %zu bytes, at most %zu", env.doc_len,
		    doc_max);
	msg_pieces_write(out, &env);
	return out->error;
}

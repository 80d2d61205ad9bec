/* SPDX-License-Identifier: MPL-2.0 */
/* The server's own certificates, issued by its CA: of the API and the relay. */
#ifndef MIG_SERVER_CERTS_H
#define MIG_SERVER_CERTS_H

#include "server/config.h"

#define CERT_DAYS 397
#define CERT_SOON_DAYS 132 /* a third: then a new one is made */

#define CA_DAYS 7305 /* 20 years */
#define CA_KEPT 8 /* of its certificates, for who logs in by an earlier one */

struct buf;

/*
 * Makes those anew that end soon, are missing, do not fit their key or lack a
 * name of the configuration, and all if all is set; their keys stay, so one
 * file is replaced and nothing can be half done. ret_n: how many were made.
 */
int
certs_renew(const struct server_conf *c, bool all, int *ret_n, struct err *e);
/*
 * The CA's certificate, made anew under its key, before the earlier ones in
 * ca.crt; then all under it. Whoever trusts an earlier one takes it for what
 * follows it.
 */
int certs_renew_ca(const struct server_conf *c, int *ret_n, struct err *e);
/* The CA's certificates, the newest first; terminated. */
int certs_read_ca(const struct server_conf *c, struct buf *ca, struct err *e);
/* Sees to it that the relay has a list of revoked certificates that it can
 * start with: an empty one unless there is one of our CA. */
int certs_have_crl(const struct server_conf *c, struct err *e);
/* The API's certificate with its chain, and its key; terminated. */
int certs_read_api(const struct server_conf *c, struct buf *cert,
    struct buf *key, struct err *e);

#endif

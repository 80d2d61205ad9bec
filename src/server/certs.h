/* SPDX-License-Identifier: MPL-2.0 */
/* The server's own certificates, issued by its CA: of the API and the relay. */
#ifndef MIG_SERVER_CERTS_H
#define MIG_SERVER_CERTS_H

#include "server/config.h"

#define CERT_DAYS 397
#define CERT_SOON_DAYS 132 /* a third: then a new one is made */

struct buf;

/*
 * Makes those anew that end soon, are missing, do not fit their key or lack a
 * name of the configuration, and all if all is set; their keys stay, so one
 * file is replaced and nothing can be half done. ret_n: how many were made.
 */
int
certs_renew(const struct server_conf *c, bool all, int *ret_n, struct err *e);
/* The API's certificate with its chain, and its key; terminated. */
int certs_read_api(const struct server_conf *c, struct buf *cert,
    struct buf *key, struct err *e);

#endif

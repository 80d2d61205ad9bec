/* SPDX-License-Identifier: MPL-2.0 */
/* The version of the HTTPS API (doc/protocol.md, 5 and 7): what its path names,
 * and, as a range, a header in every answer. */
#ifndef MIG_HTTP_APIVERSION_H
#define MIG_HTTP_APIVERSION_H

#define API_VERSION 1 /* what clients of this version speak */
#define API_OLDEST 1  /* what servers of this version speak */
#define API_NEWEST 1
#define API_HEADER "MIG-API" /* "OLDEST-NEWEST" */

#endif

/* SPDX-License-Identifier: MPL-2.0 */
/* What both sides of an answer share; the format is in action/result.h. */
#ifndef MIG_ACTION_RESULT_WIRE_H
#define MIG_ACTION_RESULT_WIRE_H

#include "action/result.h"

struct rd;

#define RESULT_MAGIC "MIGR"
#define RESULT_VERSION 3
#define RESULT_NAME_MAX 255

/*
 * Which fields go together: refused has a reason and nothing sealed; done has
 * no reason and something sealed; stopped may have both or neither.
 */
int result_header_valid(const struct result_header *h, struct err *e);

/* The header's fields from its bytes, valid together; the signature over them
 * is the caller's to check. *h is changed on failure too. */
int result_header_read(struct rd *r, struct result_header *h, struct err *e);

#endif

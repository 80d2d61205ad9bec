/* SPDX-License-Identifier: MPL-2.0 */
#ifndef MIG_SCAN_CRLF_H
#define MIG_SCAN_CRLF_H

#include <stddef.h>
#include <stdint.h>

/* Takes the \r out of each \r\n, in place; returns what is left. */
size_t crlf_drop(uint8_t *data, size_t len);

#endif

/* SPDX-License-Identifier: MPL-2.0 */
/* One frame on a socket, whatever the socket's mode. Private to ipc/. */
#ifndef MIG_IPC_IPC_FRAME_H
#define MIG_IPC_IPC_FRAME_H

#include "ipc/ipc.h"

#include <sys/types.h>

/* The most descriptors one receive call can bring; more are dropped by the
 * kernel and reported as truncated. */
#define IPC_FDS_MAX 4

struct ipc_header {
	uint32_t len;
	uint16_t type;
	uint32_t request;
};

void ipc_header_write(uint8_t out[IPC_HEADER_LEN], const struct ipc_header *h);
/* ERR_INVALID when the reserved bytes are not zero, ERR_TOOBIG when the body
 * would be longer than max. */
int ipc_header_read(
    const uint8_t in[IPC_HEADER_LEN], size_t max, struct ipc_header *ret);

/* Empties what a message was read into. What was needed for a large one is not
 * kept: most are small, and who has read it mostly waits. */
void ipc_body_clear(struct buf *b);

/* sendmsg(2) of what is left of header and body, skipping the first done
 * bytes of both; fd >= 0 travels with the first byte. Returns sendmsg's
 * result; never raises SIGPIPE, retries EINTR. */
ssize_t ipc_frame_send(int sock, const uint8_t header[IPC_HEADER_LEN],
    const void *body, size_t len, size_t done, int fd);

/*
 * recvmsg(2) of at most len bytes. A descriptor that came along is put into
 * *fd when fd is not NULL and *fd is -1. Anything else that came (a second
 * one, one that nobody wants, a truncated list) is closed and the call fails
 * with ERR_INVALID. Else *ret_n is recvmsg's result, errno as it left it.
 */
int ipc_recv(int sock, void *buf, size_t len, int *fd, ssize_t *ret_n);

#endif
